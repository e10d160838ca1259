using System.CommandLine;
using System.Globalization;
using Pgd.Action.Reports;
using Pgd.Backups;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupCreate
{
    public static Command Command(Surface surface)
    {
        var target = new QueryTarget(surface);
        var mode = Arguments.OneOf("--mode", "physical: all of a cluster, of a branch from a snapshot (its default), of a server by pg_basebackup; logical: a database, or some of its tables (the default for a server)", "physical", "logical");
        var table = Arguments.Repeated("--table", "PATTERN", "Only this table: NAME or SCHEMA.NAME, with * and ? (repeatable)");
        var schema = Arguments.Repeated("--schema", "PATTERN", "Only the tables of this schema (repeatable)");
        var except = Arguments.Repeated("--exclude-table", "PATTERN", "But not this table (repeatable)");
        var differential = new Option<bool>("--differential") { Description = "Only what changed since the last full one; full if there is none" };
        var incremental = new Option<bool>("--incremental") { Description = "Only what changed since the last one of any kind; full if there is none" };
        var fullEvery = new Option<string?>("--full-every") { HelpName = "DURATION", Description = "But all of it if the last full one is that old, such as 7d" };
        var longest = new Option<string?>("--max-chain") { HelpName = "N", Description = $"But all of it if the chain has that many backups (default {ChainRule.DefaultLength})" };
        var changedBy = new Option<string?>("--changed-by") { HelpName = "COLUMN", Description = "Column with the time of a row's last change, by which what changed is found: for MariaDB and MySQL, and standbys of PostgreSQL. Give it with the full backups as well" };
        var changedZone = new Option<string?>("--changed-zone") { HelpName = "ZONE", Description = "Zone of that column where its type has none: UTC, Europe/Berlin, +01:00" };
        var changedMargin = new Option<string?>("--changed-margin") { HelpName = "DURATION", Description = "How long before it is there a change may have got its time, where the server cannot tell, such as 1h" };
        var repository = new Repository(reads: false);
        return new Verb(surface, "create", "Back up a branch from a snapshot, or a database of any server as it is at one moment. What is backed up goes on.",
            "backup create prod/main --repo /srv/backups",
            "backup create prod/main --mode logical --database shop --table orders --repo /srv/backups",
            "backup create prod/main --incremental --repo /srv/backups",
            "backup create prod/main --mode logical --incremental --full-every 7d --repo /srv/backups",
            "backup create prod/main --public-key /etc/pgd/backup.key.pub --repo /srv/backups",
            "backup create --source mariadb://reader@db.example.com/shop --incremental --changed-by updated_at --repo /srv/backups",
            "backup create --source postgresql://reader@db.example.com/shop --password-stdin --repo s3://backups/pgd <password.txt",
            "backup create --source postgresql://replicator@db.example.com/postgres --mode physical --repo /srv/backups")
            .With([.. target.Symbols, mode, table, schema, except, differential, incremental, fullEvery, longest, changedBy, changedZone, changedMargin, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                var selection = new TableSelection { Tables = run.Values(table), Schemas = run.Values(schema), Except = run.Values(except) };
                var chosen = selection.Tables.Count + selection.Schemas.Count + selection.Except.Count > 0;
                var branch = target.Branch(run);
                var physical = run[mode] is { } said ? said == "physical" : target.IsBranchAlone(run) && !chosen;
                if (physical && (chosen || (target.IsBranch(run) && !target.IsBranchAlone(run))))
                    throw new PgdException(ExitCode.Misuse, "a physical backup is one of a whole cluster", "Name a branch alone, or a server (--source URL); or leave out --mode physical for a logical backup of a database.");
                if (run[differential] && run[incremental])
                    throw new PgdException(ExitCode.Misuse, "a backup is differential or incremental", "Give --differential for all that changed since the last full one, or --incremental for what changed since the last one.");
                var kind = run[differential] ? BackupKind.Differential : run[incremental] ? BackupKind.Incremental : BackupKind.Full;
                if (kind == BackupKind.Full && (run[fullEvery] is not null || run[longest] is not null))
                    throw new PgdException(ExitCode.Misuse, "--full-every and --max-chain say when a differential or incremental backup is full", "Add --incremental or --differential.");
                var length = ChainRule.DefaultLength;
                if (run[longest] is { } number && !(int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out length) && length > 0))
                    throw new PgdException(ExitCode.Misuse, $"--max-chain cannot be \"{number}\": it is how many backups a chain has at most, with the full one");
                if (run[changedBy] is null && (run[changedZone] ?? run[changedMargin]) is not null)
                    throw new PgdException(ExitCode.Misuse, "--changed-zone and --changed-margin are for a backup by column", "Name the column with the time of a row's last change: --changed-by updated_at");
                if (physical && run[changedBy] is not null)
                    throw new PgdException(ExitCode.Misuse, "--changed-by is for the rows of a database", "Leave it out for a physical backup, or add --mode logical.");
                var by = run[changedBy] is not { } column ? null : new ChangedBy { Column = column, Zone = run[changedZone] is { } zone ? Moment.Zone(zone) : null, Margin = run[changedMargin] is { } margin ? Duration.Parse(margin) : null };
                var rule = new ChainRule { ChangedBy = by, Kind = kind, FullEvery = run[fullEvery] is { } text && Duration.Parse(text) is var age && age > TimeSpan.Zero ? age : null, Length = length };
                var backup = physical && !target.IsBranch(run) ? await run.Workspace.Backups.CreateAsync(await target.FindAsync(run, cancellationToken), rule, repository.Of(run), cancellationToken)
                    : physical ? await run.Workspace.Backups.CreateAsync(BranchName.Parse(branch!), rule, repository.Of(run), cancellationToken)
                    : branch is not null && target.IsBranch(run) ? await run.Workspace.Backups.CreateAsync(BranchName.Parse(branch), target.Database(run), target.Role(run), selection, rule, repository.Of(run), cancellationToken)
                    : await run.Workspace.Backups.CreateAsync(await target.FindAsync(run, cancellationToken), selection, rule, repository.Of(run), cancellationToken);
                await Summary.AppendAsync(run, backup, BackupSummary.MadeAsync, cancellationToken);
                run.Show(backup, () => JsonShapes.All.Backup, (made, sheet) => BackupText.Made(made, repository.Said(run), sheet));
            });
    }
}
