using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Wal;

internal static class WalCleanup
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        var days = new Option<string?>("--days") { HelpName = "N", Description = "Only what is older (default 7)" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would go" };
        var force = new Option<bool>("--force") { Description = "Also what snapshots need, to be gone on from; it is told which lose what" };
        return new Verb(surface, "cleanup", "Remove from a branch's archive what is old and no snapshot needs.",
            "wal cleanup prod/main --days 7 --dry-run",
            "wal cleanup prod/main --days 7")
            .With(branch, days, dryRun, force)
            .Does(async (run, cancellationToken) =>
            {
                var request = new WriteAheadLogCleanup { Branch = run.Branch(branch), OlderThan = TimeSpan.FromDays(Days(run[days] ?? "7")), DryRun = run[dryRun], Force = run[force] };
                run.Show(await run.Workspace.Wal.CleanupAsync(request, cancellationToken), () => JsonShapes.All.WriteAheadLogCleaned, WalText.Cleaned);
            });
    }

    private static int Days(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days <= 36_500 ? days
        : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of days", "Write a whole number, for example --days 7.");
}
