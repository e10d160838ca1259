using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateCutover
{
    private static readonly TimeSpan DefaultPause = TimeSpan.FromSeconds(10);

    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what would be done, and whether it could be now" };
        var maxPause = new Option<string?>("--max-pause") { HelpName = "DURATION", Description = $"How long nobody may be able to write (default {Duration.Format(DefaultPause)}); what takes longer is taken back" };
        var undo = new Option<bool>("--undo") { Description = "Take back one that was interrupted: the source is written to again" };
        return new Verb(surface, "cutover", "Make copies the ones that are written to: the source becomes read-only, its sessions end, the last changes and the sequences come over, and the copy is on its own.",
            "replicate cutover --source postgresql://postgres@db.example.com/shop --target postgresql://postgres@localhost/shop --dry-run",
            "replicate cutover --source postgresql://postgres@db.example.com/shop --target postgresql://postgres@localhost/shop --max-pause 2s")
            .With([.. servers.Symbols, dryRun, maxPause, undo])
            .Does(async (run, cancellationToken) =>
            {
                if (run[undo] && (run[dryRun] || run[maxPause] is not null))
                    throw new PgdException(ExitCode.Misuse, "--undo goes with no other option of a cutover", "Leave out --dry-run and --max-pause.");
                var replication = ReplicateNoun.Of(run, servers);
                if (run[undo])
                {
                    await replication.UndoCutOverAsync(cancellationToken);
                    return;
                }

                var pause = run[maxPause] is { } text ? Duration.Parse(text) : DefaultPause;
                var done = await replication.CutOverAsync(pause > TimeSpan.Zero ? pause : throw new PgdException(ExitCode.Misuse, "--max-pause has to be longer than nothing"), run[dryRun], cancellationToken);
                run.Show(done, () => JsonShapes.All.IReadOnlyListSwitchedDatabase, (all, sheet) => ReplicationText.Switched(all, run[dryRun], sheet));
            });
    }
}
