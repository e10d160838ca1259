using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotRun
{
    public static Command Command(Surface surface)
    {
        var branches = new Argument<string[]>("branch")
        {
            HelpName = "PROJECT/BRANCH",
            Description = "Only these (default: snapshots: branches: of the configuration, else main of each project)",
            Arity = ArgumentArity.ZeroOrMore,
        };
        branches.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "run", "Take the snapshots that are due. Of earlier ones that it took, it deletes those that no rule of the configuration keeps.",
            "snapshot run",
            "# as the unit pgd-snapshot.service does, which \"setup --schedule\" installs",
            "snapshot run --root /var/lib/pgd",
            "snapshot run prod/main")
            .With(branches)
            .Does(async (run, cancellationToken) =>
            {
                var done = await run.Workspace.Snapshots.RunScheduleAsync([.. run.Values(branches).Select(BranchName.Parse)], cancellationToken);
                run.Show(done, () => JsonShapes.All.SnapshotsScheduled, SnapshotText.Scheduled);
                return (int)(done.Problems.Count + done.CleanedUp.Left.Count == 0 ? ExitCode.Done : ExitCode.Partial);
            });
    }
}
