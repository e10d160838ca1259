using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class GarbageCollection
{
    public static Command Command(Surface surface)
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would be deleted" };
        var limit = new Option<string?>("--limit") { HelpName = "N", Description = $"Delete no more than this (default {Lifetimes.DefaultLimit})" };
        var stopIdle = new Option<string?>("--stop-idle") { HelpName = "DURATION", Description = "Also stop branches that nobody has connected to for so long (default: stop-idle of the configuration, else none)" };
        return new Verb(surface, "gc", "Delete branches whose time is up. Protected ones stay, and those that others were made from.",
            "gc --dry-run",
            "# every hour, by cron",
            "gc --limit 5 --stop-idle 8h")
            .With(dryRun, limit, stopIdle)
            .Does(async (run, cancellationToken) =>
            {
                var dry = run[dryRun];
                run.Show(await run.Workspace.Lifetimes.CollectAsync(dry, run[limit] is { } text ? Count(text) : Lifetimes.DefaultLimit,
                    run[stopIdle] is { } idle ? Configuration.Duration.Parse(idle) : run.Workspace.Configuration.StopIdle, cancellationToken), () => JsonShapes.All.Collected, (collected, sheet) =>
                {
                    foreach (var name in collected.Deleted)
                        sheet.Line($"{(dry ? "would delete" : "deleted")}  {name}");
                    foreach (var name in collected.Stopped)
                        sheet.Line($"{(dry ? "would stop" : "stopped")}  {name}: nobody used it");
                    foreach (var branch in collected.Left)
                        sheet.Line($"{sheet.Screen.Dim("left")}  {branch.Name}: {branch.Reason}");
                    if (collected.Deleted.Count == 0)
                        sheet.Line(collected.Left.Count == 0 ? "No branch has expired." : "Nothing deleted.");
                });
            });
    }

    private static int Count(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of branches", "Write a whole number, for example --limit 5.");
}
