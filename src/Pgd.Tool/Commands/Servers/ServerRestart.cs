using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Servers;

internal static class ServerRestart
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "restart", "Stop a branch's server and start it again.", "restart prod/dev")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.RestartAsync(run.Branch(name), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
