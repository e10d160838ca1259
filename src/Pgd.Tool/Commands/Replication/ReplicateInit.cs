using System.CommandLine;
using System.Globalization;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateInit
{
    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var jobs = new Option<string?>("--jobs", "-j") { HelpName = "N", Description = "Sessions on each side (default: as many as there are processors, up to 8)" };
        var drop = new Option<bool>("--drop-existing") { Description = "Drop a database of the target that is there, with all that is in it; needs --yes where nobody can be asked" };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask; where nobody can be asked, nobody is" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what would be done, how large it is, and how long it would take: rows are read for two seconds, and nothing is changed" };
        var noResume = new Option<bool>("--no-resume") { Description = "Do not go on with a copy that was interrupted: drop what there is of it, and begin anew; a complete one stays" };
        var noSync = new Option<bool>("--no-sync") { Description = "Copy once: nothing is made at the source, and the copy does not follow" };
        var noOwner = new Option<bool>("--no-owner") { Description = "Let all of it belong to the target's role, without grants" };
        return new Verb(surface, "init", "Copy databases as they are at one moment, with a slot from which \"replicate sync\" goes on without a gap. What was interrupted goes on.",
            "# Passwords come from ~/.pgpass, or from two lines of standard input",
            "replicate init --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop",
            "# How large is it, and how long would it take?",
            "replicate init --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost --dry-run",
            "replicate init --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost --exclude-tables shop.events --jobs 4",
            "replicate init --source postgresql://replicator@db.example.com --target postgresql://postgres@localhost --include-databases shop,crm --yes",
            "# Choose from lists",
            "replicate init --source postgresql://replicator@db.example.com --target postgresql://postgres@localhost --interactive")
            .With([.. servers.SymbolsWithQuestions, jobs, drop, yes, dryRun, noResume, noSync, noOwner])
            .Does(async (run, cancellationToken) =>
            {
                var options = new ReplicationInit
                {
                    Follow = !run[noSync],
                    WithOwners = !run[noOwner],
                    DropExisting = run[drop],
                    Resume = !run[noResume],
                    Jobs = run[jobs] switch
                    {
                        null => null,
                        { } text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 64 => number,
                        { } text => throw new PgdException(ExitCode.Misuse, $"--jobs cannot be \"{text}\": it is a number from 1 to 64"),
                    },
                };
                using var dialog = servers.IsInteractive(run) ? ReplicationDialog.Open(run) : null;
                var replication = dialog is null ? ReplicateNoun.Of(run, servers) : ReplicateNoun.Of(run, servers, await dialog.ChooseAsync(servers, "replicate init", yes, cancellationToken));
                if (run[dryRun])
                {
                    var estimated = await replication.EstimateAsync(options, cancellationToken);
                    run.Show(estimated, () => JsonShapes.All.IReadOnlyListEstimatedDatabase, ReplicationText.Estimated);
                    return estimated.All(database => database.Problems.Count == 0) ? (int)ExitCode.Done : (int)ExitCode.Unsafe;
                }

                if (run.Session.CanAsk && !run.IsJson)
                    await ShowAsync(run, replication, options, run[yes] ? null : dialog is null ? token => AnswerAsync(run, token) : dialog.ConfirmAsync, cancellationToken);
                else if (options.DropExisting && !run[yes] && await DroppedAsync(replication, cancellationToken) is { } named)
                    throw new PgdException(ExitCode.Unsafe, $"--drop-existing would drop {named}", "Nothing was changed. Add --yes if that is meant.");
                dialog?.Dispose();
                var copied = await replication.InitAsync(options, cancellationToken);
                run.Show(copied, () => JsonShapes.All.IReadOnlyListCopiedDatabase, (all, sheet) => ReplicationText.Copied(all, options.Follow, sheet));
                return (int)ExitCode.Done;
            });
    }

    // What is refused anyway is not asked for, nor what is there already.
    private static async Task ShowAsync(Run run, LogicalReplication replication, ReplicationInit options, Func<CancellationToken, Task<bool>>? confirm, CancellationToken cancellationToken)
    {
        var estimated = await replication.EstimateAsync(options, cancellationToken);
        if (estimated.All(database => database.Plan == CopyPlan.Keep) || estimated.Any(database => database.Problems.Count > 0))
            return;
        run.Pause();
        ReplicationText.Estimated(estimated, new(run.Session with { Output = run.Session.Error, OutputScreen = run.Session.ErrorScreen }));
        if (confirm is null)
            return;
        if (options.DropExisting && await DroppedAsync(replication, cancellationToken) is { } named)
            run.Session.Error.WriteLine(run.Session.ErrorScreen.Yellow($"This drops {named} at the target, with all that is in it."));
        if (!await confirm(cancellationToken))
            throw new PgdException(ExitCode.Failed, "nothing was dropped or copied: the answer was not yes");
    }

    private static async Task<string?> DroppedAsync(LogicalReplication replication, CancellationToken cancellationToken)
    {
        var there = await replication.ExistingAsync(cancellationToken);
        return there.Count == 0 ? null : string.Join(", ", there.Select(database => $"{database.Name} ({Measured.Size(database.Bytes)}, {database.Tables} {(database.Tables == 1 ? "table" : "tables")})"));
    }

    private static async Task<bool> AnswerAsync(Run run, CancellationToken cancellationToken)
    {
        run.Session.Error.Write("Proceed? [y/N] ");
        using var reader = new StreamReader(run.Session.Input(), leaveOpen: true);
        return Asking.IsYes(await reader.ReadLineAsync(cancellationToken));
    }
}
