using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotCleanup
{
    public static Command Command(Surface surface)
    {
        var of = new Argument<string?>("of") { HelpName = "PROJECT[/BRANCH]", Description = "The project or the branch whose snapshots are meant", Arity = ArgumentArity.ZeroOrOne };
        of.CompletionSources.Add(new KnownNames(surface).Branches);
        var all = new Option<bool>("--all") { Description = "Those of all projects" };
        var days = new Option<string?>("--days") { HelpName = "N", Description = "Delete what is older than N days" };
        var keep = new Option<string?>("--keep") { HelpName = "RULES", Description = "Delete what none of these rules keeps: last=N, hourly=N, daily=N, weekly=N, monthly=N, yearly=N, with commas between" };
        var scheduled = new Option<bool>("--scheduled") { Description = "Only those that the timer took" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would be deleted, and why the others stay" };
        return new Verb(surface, "cleanup", "Delete old snapshots of each branch. Those that are protected, or that a branch was made from, stay.",
            "snapshot cleanup prod/main --days 30 --dry-run",
            "snapshot cleanup prod --keep last=3,daily=7,weekly=4",
            "snapshot cleanup --all --scheduled --keep last=3,hourly=24,daily=7")
            .With(of, all, days, keep, scheduled, dryRun)
            .Does(async (run, cancellationToken) =>
            {
                if (run[of] is null != run[all])
                    throw new PgdException(ExitCode.Misuse, run[all] ? $"--all and {run[of]} do not go together" : "it is not said whose snapshots to clean up", "Name a project or a branch, or write --all.");
                if (run[days] is null == run[keep] is null)
                    throw new PgdException(ExitCode.Misuse, run[days] is null ? "it is not said which snapshots stay" : "--days and --keep do not go together", "Write one of them, for example --days 30 or --keep last=3,daily=7.");
                var branch = run[of] is { } text && text.Contains('/', StringComparison.Ordinal) ? BranchName.Parse(text) : null;
                var cleaned = await run.Workspace.Snapshots.CleanUpAsync(new()
                {
                    Branch = branch,
                    Project = branch is null && run[of] is { } name ? BranchName.CheckProject(name) : null,
                    Keep = run[keep] is { } rules ? Retention.Parse(rules) : Retention.OfDays(Days(run[days]!)),
                    ScheduledOnly = run[scheduled],
                    DryRun = run[dryRun],
                }, cancellationToken);
                run.Show(cleaned, () => JsonShapes.All.SnapshotsCleanedUp, SnapshotText.CleanedUp);
                return (int)(cleaned.Left.Count == 0 ? ExitCode.Done : ExitCode.Partial);
            });
    }

    private static int Days(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var days) ? days
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of days", "Write a whole number, for example --days 30.");
}
