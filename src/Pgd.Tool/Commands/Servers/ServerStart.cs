using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Servers;

internal static class ServerStart
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "start", "Start a branch's server; a running one is left alone.", "start prod/dev")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.StartAsync(run.Branch(name), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
