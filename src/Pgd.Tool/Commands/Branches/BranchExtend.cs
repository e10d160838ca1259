using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchExtend
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var ttl = new Option<string?>("--ttl") { HelpName = "DURATION", Description = "Time from now until the branch may be swept, for example 12h, 7d or never", Required = true };
        return new Verb(surface, "extend", "Give a branch more time. What it has already is never made shorter.",
            "branch extend prod/dev --ttl 7d")
            .With(name, ttl)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Lifetimes.ExtendAsync(run.Branch(name), Duration.Parse(run[ttl]!), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
