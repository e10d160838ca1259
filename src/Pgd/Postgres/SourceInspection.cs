using Pgd.Linux;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>
/// What a source has and does that matters to the branches made from it: what they will not do, what they will do as it does, and what keeps them from being
/// made. Read from its files, and asked of its catalogs; nothing is changed.
/// </summary>
internal static class SourceInspection
{
    /// <summary>The check of collations' versions, which the making of a branch has as well.</summary>
    public const string CollationsCheck = "collations";

    private const int NamesShown = 5;

    /// <summary>What the files of its data directory say.</summary>
    public static IEnumerable<Finding> Files(BranchName source, string data, IStorage storage)
    {
        var control = ControlData.TryRead(data);
        yield return new("data directory", Severity.Ok, $"{data}, PostgreSQL {File.ReadAllText(Path.Combine(data, "PG_VERSION")).Trim()}, {(control?.State == ClusterState.ShutDown ? "shut down cleanly" : "in use, or not shut down cleanly")}");
        foreach (var finding in Links(data, storage))
            yield return finding;
        if (control is not null && WriteAheadLog.TablespaceMadeSince(Path.Combine(data, "pg_wal"), control.Redo) is { } location)
            yield return new("tablespaces", Severity.Problem, $"one was made in {location} since the last checkpoint, and recovery would follow it there: no branch can be made", $"Run the statement CHECKPOINT on {source}.");

        var configuration = ServerConfiguration.Read(data);
        yield return new("archiving", Severity.Ok, configuration.IsOn("archive_mode", otherwise: false) ? "on; branches archive nothing" : "off");
        if (DataDirectory.IsStandby(data))
            yield return new("standby", Severity.Ok, $"{source} is one; branches become primaries of their own, and never dial its primary");
        if (configuration.List("synchronous_standby_names") is { Count: > 0 } standbys)
            yield return new("synchronous standbys", Severity.Ok, $"{Names(standbys)}; commits in branches wait for none");
        // Our own copies have some for a moment.
        if (Folder("pg_replslot").Where(s => !s.StartsWith(BackupBracket.SlotPrefix, StringComparison.Ordinal)).ToList() is { Count: > 0 } slots)
            yield return new("replication slots", Severity.Ok, $"{Names(slots)}; branches have none");
        if (configuration.List("shared_preload_libraries") is { Count: > 0 } libraries)
            yield return new("libraries", Severity.Ok, $"{Names(libraries)}; branches load them, and their known jobs are off");
        if (!configuration.IsOn("fsync", otherwise: true))
            yield return new("durability", Severity.Warning, "fsync is off: after a crash of its machine the source, and any branch of it, may be corrupt", "alter system set fsync = on");
        if (!configuration.IsOn("full_page_writes", otherwise: true) && storage.Name != "zfs")
            yield return new("durability", Severity.Warning, $"full_page_writes is off, and {storage.Name} may tear pages: a branch of the running source may be corrupt", "alter system set full_page_writes = on");
        foreach (var stray in (string[])["backup_label", "recovery.signal", "tablespace_map"])
        {
            if (Libc.Exists(Path.Combine(data, stray)))
                yield return new("leftovers", Severity.Warning, $"there is a {stray}, as an interrupted backup or restore leaves it; branches start without it", $"If no backup is running, remove {Path.Combine(data, stray)}.");
        }

        List<string> Folder(string name) => Path.Combine(data, name) is var folder && Directory.Exists(folder) ? [.. Directory.EnumerateFileSystemEntries(folder).Select(e => Path.GetFileName(e)!).Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>What its catalogs say, asked of itself or of a branch that was just made from it.</summary>
    public static IReadOnlyList<Finding> Catalogs(AdminConnection connection, Func<string, AdminConnection> connect, int major, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        Add("checksums", new("", Severity.Ok, connection.Scalar("show data_checksums", cancellationToken) == "on" ? "on" : "off: damage to its files goes unnoticed, in branches as well"));
        if (Rows(connection, "select spcname::text || ' in ' || pg_tablespace_location(oid) from pg_tablespace where oid > 16383 order by 1") is { Count: > 0 } tablespaces)
            Add("tablespaces", new("", Severity.Ok, Names(tablespaces)));
        if (Rows(connection, "select subname::text || ' (' || datname || ')' from pg_subscription s join pg_database d on d.oid = subdbid order by 1") is { Count: > 0 } subscriptions)
            Add("subscriptions", new("", Severity.Ok, $"{Names(subscriptions)}; dropped in branches, and the publisher's slots are left alone"));
        if (Rows(connection, "select gid || ' (' || database || ')' from pg_prepared_xacts order by 1") is { Count: > 0 } prepared)
            Add("prepared transactions", new("", Severity.Warning, $"{Names(prepared)}; branches have them too, with the locks that they hold", "End them in the branch: ROLLBACK PREPARED '…'"));
        if (major >= 15 && Rows(connection, "select datname::text from pg_database where datcollversion <> pg_database_collation_actual_version(oid) order by 1") is { Count: > 0 } sorted)
            Add(CollationsCheck, new("", Severity.Warning, $"text in {Names(sorted)} was sorted by another version of its collation than the server has: indexes on text may be wrong", "REINDEX DATABASE …; ALTER DATABASE … REFRESH COLLATION VERSION;"));
        foreach (var database in Rows(connection, "select datname::text from pg_database where datallowconn and not datistemplate order by 1"))
        {
            try
            {
                using var inside = connect(database);
                findings.AddRange(Database(database, inside, cancellationToken));
            }
            catch (Npgsql.NpgsqlException e)
            {
                Add("databases", new("", Severity.Warning, $"{database} cannot be looked into: {e.Message}"));
            }
        }

        return findings;

        void Add(string check, Finding finding) => findings.Add(finding with { Check = check });

        List<string> Rows(AdminConnection on, string sql) => [.. on.Query(sql, cancellationToken).Select(row => row[0]!)];
    }

    private static IEnumerable<Finding> Database(string database, AdminConnection inside, CancellationToken cancellationToken)
    {
        var found = inside.Query(
            """
            select 'extension' as kind, extname::text || ' ' || extversion as name from pg_extension where extname <> 'plpgsql'
            union all select 'server', srvname::text from pg_foreign_server
            union all select 'mapping', srvname::text from pg_user_mappings
            union all select 'unlogged', oid::regclass::text from pg_class where relpersistence = 'u' and relkind in ('r', 'm')
            union all select 'trigger', evtname::text from pg_event_trigger where evtenabled <> 'D'
            union all select 'cron', '' where to_regclass('cron.job') is not null
            order by 1, 2
            """, cancellationToken).ToLookup(r => r[0]!, r => r[1]!, StringComparer.Ordinal);
        if (found["extension"].Any())
            yield return new("extensions", Severity.Ok, $"{database}: {Names([.. found["extension"]])}");
        if (found["server"].Any())
        {
            yield return new("foreign servers", Severity.Warning, $"{database}: {Names([.. found["server"]])}, with {Severed.Count(found["mapping"].Count(), "user mapping")}; a query in a branch reaches them as well",
                "Drop them by --anonymize, or make the project with --network internal.");
        }

        if (found["unlogged"].Any())
            yield return new("unlogged tables", Severity.Warning, $"{database}: {Names([.. found["unlogged"]])}; empty in branches of the running source, as after a crash");
        if (found["trigger"].Any())
            yield return new("event triggers", Severity.Ok, $"{database}: {Names([.. found["trigger"]])}; they fire in branches as well");
        if (found["cron"].Any() && inside.Scalar("select count(*)::text from cron.job", cancellationToken) is { } jobs)
            yield return new("jobs", Severity.Ok, $"{database}: {jobs} of pg_cron; branches run none");
        if (found["extension"].Any(e => e.StartsWith("timescaledb ", StringComparison.Ordinal)))
            yield return new("jobs", Severity.Ok, $"{database}: those of TimescaleDB; branches run none");
        if (found["extension"].Any(e => e.StartsWith("pg_net ", StringComparison.Ordinal)))
            yield return new("jobs", Severity.Warning, $"{database}: pg_net sends what is queued, from branches as well", "Make the project with --network internal.");
    }

    private static IEnumerable<Finding> Links(string data, IStorage storage)
    {
        var links = FolderListing.FoldersAndLinks(data, changing: true).Where(e => e.IsLink).Select(e => (Inside: e.Path[(data.Length + 1)..], Target: new FileInfo(e.Path).LinkTarget ?? "?")).ToList();
        if (links.Count == 0)
            yield return new("links", Severity.Ok, "everything is inside the data directory");
        foreach (var (inside, target) in links)
        {
            yield return storage.Follows(inside) ? new("links", Severity.Ok, $"{inside} leads to {target}, and is cloned with it")
                : new("links", Severity.Problem, $"{inside} leads to {target}: a branch would share what is there, so none can be made", "Move it into the data directory, or keep the source on ZFS.");
        }
    }

    private static string Names(IReadOnlyList<string> names) =>
        names.Count <= NamesShown ? string.Join(", ", names) : $"{string.Join(", ", names.Take(NamesShown))} and {names.Count - NamesShown} more";
}
