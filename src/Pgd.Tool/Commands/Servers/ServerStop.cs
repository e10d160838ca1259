using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Servers;

internal static class ServerStop
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "stop", "Stop a branch's server; its data stays.", "stop prod/dev")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.StopAsync(run.Branch(name), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
