using System.CommandLine;
using System.Globalization;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateInit
{
    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var jobs = new Option<string?>("--jobs", "-j") { HelpName = "N", Description = "Sessions on each side (default: as many as there are processors, up to 8)" };
        var drop = new Option<bool>("--drop-existing") { Description = "Drop a database of the target that is there, with all that is in it; needs --yes where nobody can be asked" };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask" };
        var noSync = new Option<bool>("--no-sync") { Description = "Copy once: nothing is made at the source, and the copy does not follow" };
        var noOwner = new Option<bool>("--no-owner") { Description = "Let all of it belong to the target's role, without grants" };
        return new Verb(surface, "init", "Copy databases as they are at one moment, with a slot from which \"replicate sync\" goes on without a gap. What was interrupted goes on.",
            "# Passwords come from ~/.pgpass, or from two lines of standard input",
            "replicate init --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop",
            "replicate init --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost --exclude-tables shop.events --jobs 4",
            "replicate init --source postgresql://replicator@db.example.com --target postgresql://postgres@localhost --include-databases shop,crm --yes")
            .With([.. servers.Symbols, jobs, drop, yes, noSync, noOwner])
            .Does(async (run, cancellationToken) =>
            {
                var options = new ReplicationInit
                {
                    Follow = !run[noSync],
                    WithOwners = !run[noOwner],
                    DropExisting = run[drop],
                    Jobs = run[jobs] switch
                    {
                        null => null,
                        { } text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 64 => number,
                        { } text => throw new PgdException(ExitCode.Misuse, $"--jobs cannot be \"{text}\": it is a number from 1 to 64"),
                    },
                };
                var replication = ReplicateNoun.Of(run, servers);
                if (options.DropExisting && !run[yes])
                    await ConfirmAsync(run, replication, cancellationToken);
                var copied = await replication.InitAsync(options, cancellationToken);
                run.Show(copied, () => JsonShapes.All.IReadOnlyListCopiedDatabase, (all, sheet) => ReplicationText.Copied(all, options.Follow, sheet));
            });
    }

    private static async Task ConfirmAsync(Run run, LogicalReplication replication, CancellationToken cancellationToken)
    {
        var there = await replication.ExistingAsync(cancellationToken);
        if (there.Count == 0)
            return;
        var named = string.Join(", ", there.Select(database => $"{database.Name} ({Measured.Size(database.Bytes)}, {database.Tables} {(database.Tables == 1 ? "table" : "tables")})"));
        if (!run.Session.CanAsk || run.IsJson)
            throw new PgdException(ExitCode.Unsafe, $"--drop-existing would drop {named}", "Nothing was changed. Add --yes if that is meant.");
        run.Session.Error.Write($"{run.Session.ErrorScreen.Yellow($"This drops {named} at the target, with all that is in it.")}\nDrop it? [y/N] ");
        using var reader = new StreamReader(run.Session.Input(), leaveOpen: true);
        if (!Queries.Asking.IsYes(await reader.ReadLineAsync(cancellationToken)))
            throw new PgdException(ExitCode.Failed, "nothing was dropped or copied: the answer was not yes");
    }
}
