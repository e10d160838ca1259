using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchVerify
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "verify", "Read all of a branch and look for damage in its pages, tables and indexes.",
            "branch verify prod/dev")
            .With(name)
            .Does(async (run, cancellationToken) =>
            {
                var verified = await run.Workspace.Branches.VerifyAsync(run.Branch(name), cancellationToken);
                run.Show(verified, () => JsonShapes.All.Verified, static (result, sheet) =>
                {
                    foreach (var problem in result.Problems)
                        sheet.Line($"{sheet.Screen.Red("damaged")}  {problem}");
                    sheet.Line($"{result.Databases} databases, {result.Tables} tables, {result.Indexes} indexes: {(result.Problems.Count == 0 ? sheet.Screen.Green("no damage found") : $"{result.Problems.Count} problems")}"
                        + (result.Unchecked == 0 ? "" : $"; {result.Unchecked} indexes of other kinds than B-tree cannot be checked"));
                });
                return (int)(verified.Problems.Count == 0 ? ExitCode.Done : ExitCode.Failed);
            });
    }
}
