using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchRotate
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "rotate", "Give every login role a new password. Sessions that were opened with an old one are ended.",
            "branch rotate prod/dev")
            .With(name)
            .Does(async (run, cancellationToken) =>
            {
                var branch = run.Branch(name);
                run.Show(new Rotated(branch.ToString(), await run.Workspace.Branches.RotateAsync(branch, cancellationToken)), () => JsonShapes.All.Rotated, static (result, sheet) =>
                {
                    sheet.Line($"Every login role of {result.Name} has a new password; {(result.SessionsEnded == 1 ? "1 session was" : $"{result.SessionsEnded} sessions were")} ended");
                    sheet.Line();
                    sheet.Line($"Connect: dotnet pgd branch url {result.Name}");
                });
            });
    }
}
