using System.Globalization;
using Npgsql;
using Npgsql.Replication;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Backups;

/// <summary>
/// A server whose files are read over its replication protocol by <c>pg_basebackup</c>, while it goes on. A slot of its own keeps the write-ahead log from being recycled that was written
/// since, and ends with the connection.
/// </summary>
internal sealed class PhysicalSource : IAsyncDisposable
{
    /// <summary>The first version that can know what was written since an earlier backup.</summary>
    public const int FirstWithSummaries = 17;

    private const int OldestMajor = 12, FirstWithManifest = 13, FirstWithIdleTimeout = 14;
    private const string OneLeft = "A backup needs two of them (and one of max_replication_slots) as long as it takes: raise max_wal_senders in postgresql.conf and restart the server, or wait until a standby or another backup is gone.";
    private readonly PhysicalReplicationConnection _slot;
    private readonly string? _program;

    private PhysicalSource(ConnectionUrl url, PhysicalReplicationConnection slot, string? program, string?[] said)
    {
        (Url, _slot, _program) = (url, slot, program);
        (Major, Superuser, IsStandby, Libc) = (MajorIn(said), said[1]!, said[2] == "true", said[3]!.Contains("musl", StringComparison.Ordinal) ? "musl" : said[3]!.Contains("linux-gnu", StringComparison.Ordinal) ? "glibc" : null);
    }

    public ConnectionUrl Url { get; }

    public int Major { get; }

    /// <summary>The role that its cluster was made with.</summary>
    public string Superuser { get; }

    public bool IsStandby { get; }

    /// <summary>The C library that sorts its text, as far as its version tells.</summary>
    public string? Libc { get; }

    /// <summary>Whether this machine has the program that reads it.</summary>
    public bool IsReadable => _program is not null;

    public required string SystemIdentifier { get; init; }

    public required uint Timeline { get; init; }

    /// <summary>The server's clock when all of its files had been read.</summary>
    public DateTimeOffset? DataAsOf { get; private set; }

    /// <exception cref="PgdException">
    /// It does not answer, the role or <c>pg_hba.conf</c> does not allow replication, it has tablespaces (<see cref="ExitCode.Unsafe"/>, with what to type), or there is no <c>pg_basebackup</c> for it
    /// (<see cref="ExitCode.MachineLacks"/>).
    /// </exception>
    public static async Task<PhysicalSource> OpenAsync(ConnectionUrl url, CancellationToken cancellationToken)
    {
        var clients = await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false);
        return await OpenAsync(url, clients.BaseBackupOf, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same with a program from elsewhere.</summary>
    /// <param name="url">The server.</param>
    /// <param name="program">The program that can read a server of that version; null if it is not on this machine.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<PhysicalSource> OpenAsync(ConnectionUrl url, Func<int, string?> program, CancellationToken cancellationToken)
    {
        // The slot and the files have to be of one server.
        if (url.FurtherHosts.Length > 0)
            throw new PgdException(ExitCode.Misuse, $"{url} names several servers, and a physical backup is of one", "Name the one to read.");
        string?[] said;
        var connection = await ScriptConnection.OpenAsync(url, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            said = (await connection.QueryAsync("""
                select current_setting('server_version_num'), (select rolname from pg_roles where oid = 10), pg_is_in_recovery()::text, version(),
                    (select rolsuper or rolreplication from pg_roles where rolname = session_user)::text, (select string_agg(quote_ident(spcname), ', ' order by spcname) from pg_tablespace where spcname not in ('pg_default', 'pg_global')),
                    host(inet_client_addr()), family(inet_client_addr())::text
                """, cancellationToken).ConfigureAwait(false))[0];
        }

        if (MajorIn(said) is var major && major < OldestMajor)
            throw new PgdException(ExitCode.Unsafe, $"{url} is PostgreSQL {major}, and versions from {OldestMajor} on can be backed up");
        if (said[4] != "true")
            throw new PgdException(ExitCode.Unsafe, $"{url.User} may not read the files of {url}: that takes the right to replicate", $"As a superuser: ALTER ROLE {AdminConnection.QuoteIdentifier(url.User)} REPLICATION;");
        if (said[5] is { } spaces)
            throw new PgdException(ExitCode.Unsafe, $"{url} has the tablespaces {spaces}, whose files are outside of its data directory, and a backup would not hold them", "Move what is in them (ALTER TABLE … SET TABLESPACE pg_default) and drop them; or make logical backups of its databases: --mode logical");
        var reader = program(major);
        var builder = url.ToNpgsql();
        builder.ApplicationName = LogicalSource.Application;
        // It says nothing for as long as the backup takes.
        if (major >= FirstWithIdleTimeout)
            builder.Options = $"{builder.Options} -c idle_session_timeout=0".Trim();
        var slot = new PhysicalReplicationConnection(builder.ConnectionString);
        try
        {
            await slot.Open(cancellationToken).ConfigureAwait(false);
            // By their general names: Cake looks at all types before it can find Npgsql, and this one has what it awaits as a field.
            Task identify = slot.IdentifySystem(cancellationToken);
            await identify.ConfigureAwait(false);
            Task create = slot.CreateReplicationSlot($"{BackupBracket.SlotPrefix}{Guid.NewGuid():N}", isTemporary: true, reserveWal: true, cancellationToken);
            await create.ConfigureAwait(false);
            var (system, timeline) = Identity(identify);
            return new(url, slot, reader, said) { SystemIdentifier = system, Timeline = timeline };
        }
        catch (Exception e)
        {
            await slot.DisposeAsync().ConfigureAwait(false);
            throw e is NpgsqlException ? Refused(url, e, said) : e;
        }
    }

    /// <summary>Why the server itself does not know what was written since an earlier backup; null if it does.</summary>
    /// <param name="earlier">What it said of the files then.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string?> WhyNotInPartAsync(ServerManifest? earlier, CancellationToken cancellationToken)
    {
        if (Major < FirstWithSummaries)
            return $"PostgreSQL {Major} does not know what was written since";
        if (!Lsn.TryParse(earlier?.StartLsn, out var start))
            return "the earlier backup does not have what the server said of its files";
        var connection = await ScriptConnection.OpenAsync(Url, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var settings = (await connection.QueryAsync("select current_setting('summarize_wal'), current_setting('block_size')", cancellationToken).ConfigureAwait(false))[0];
        if (settings[0] != "on")
            return "its summarize_wal is off";
        if (settings[1] != $"{BlockMap.BlockBytes}")
            return $"its blocks have {settings[1]} bytes";
        // From the newest one backward: what was summarized before a gap is of no use. What is not summarized yet, the server does before it begins.
        ulong? reaches = null;
        foreach (var summary in await connection.QueryAsync($"select start_lsn::text, end_lsn::text from pg_available_wal_summaries() where tli = {Timeline} order by end_lsn desc, start_lsn", cancellationToken).ConfigureAwait(false))
        {
            if (!Lsn.TryParse(summary[0], out var first) || !Lsn.TryParse(summary[1], out var end) || end < reaches)
                break;
            reaches = Math.Min(first, reaches ?? first);
        }

        return reaches <= start ? null : $"its summaries of the write-ahead log begin {(reaches is { } at ? $"at {Lsn.Format(at)}, " : "")}after that backup (see its summarize_wal and wal_summary_keep_time)";
    }

    /// <summary>How much its databases have, about.</summary>
    public async Task<long> BytesAsync(CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(Url, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        // Whoever may replicate may not look into every database; what it may not look into is small or a surprise.
        return long.Parse((await connection.QueryAsync("select coalesce(sum(pg_database_size(oid)), 0)::text from pg_database where has_database_privilege(oid, 'connect')", cancellationToken).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture);
    }

    /// <summary>Whether its commits wait for any standby that there is; null if they wait for none, or for those that it names.</summary>
    public async Task<string?> WaitsForAnyAsync(CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(Url, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var names = (await connection.QueryAsync("show synchronous_standby_names", cancellationToken).ConfigureAwait(false))[0][0]!;
        return names.Split(' ', ',', '(', ')').Any(name => name.Trim('"') == "*") ? names : null;
    }

    /// <summary>Has its files copied by something else, which makes a copy of what there is when it begins or later.</summary>
    public async Task CopyAsync(Func<Task> copy, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await AskAsync().ConfigureAwait(false);
        await copy().ConfigureAwait(false);
    }

    /// <summary>Has its files read.</summary>
    /// <param name="earlier">What the server said of the files of the backup that this one builds on, to get what was written since; null for all.</param>
    /// <param name="write">Writes them.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It ends in the middle, or what came is not what was sent (<see cref="ExitCode.Failed"/>).</exception>
    public async Task<(T Written, IReadOnlyList<string> Folders, ServerManifest? Manifest)> ReadAsync<T>(ServerManifest? earlier, Func<IClusterFiles, Task<T>> write, CancellationToken cancellationToken)
    {
        List<string> arguments = ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--no-password", "--label=" + LogicalSource.Application];
        if (Major >= FirstWithManifest)
            arguments.Add("--manifest-checksums=CRC32C");
        // It goes when it is closed.
        using var file = earlier is null ? null : new FileStream(Path.Combine(Path.GetTempPath(), $"pgd-{Path.GetRandomFileName()}"), new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.Read, Options = FileOptions.DeleteOnClose, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        if (file is not null)
        {
            await file.WriteAsync(earlier!.Text, cancellationToken).ConfigureAwait(false);
            await file.FlushAsync(cancellationToken).ConfigureAwait(false);
            arguments.Add($"--incremental={file.Name}");
        }

        var start = DumpProgram.Start(_program!, arguments);
        Url.ApplyTo(start.Environment);
        start.Environment["PGAPPNAME"] = LogicalSource.Application;
        (T Written, BaseBackupFiles Files)? read = null;
        Exception? cut = null;
        try
        {
            await DumpProgram.RunAsync(start, null, async pipe =>
            {
                var output = new ReadAhead(pipe);
                await using var __ = output.ConfigureAwait(false);
                var files = new BaseBackupFiles(output, Url.ToString(), AskAsync);
                await using var _ = files.ConfigureAwait(false);
                try
                {
                    var written = await write(files).ConfigureAwait(false);
                    read = (written, files);
                }
                catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
                {
                    // The program has said, or says now, why it ended.
                    cut = e;
                    await output.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
                }
            }, null, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.Message.Contains("max_wal_senders", StringComparison.Ordinal))
        {
            throw SendersUsedUp(Url, e);
        }

        if (read is not var (all, sent) || (sent.Manifest is null && Major >= FirstWithManifest))
            throw new PgdException(ExitCode.Failed, $"what pg_basebackup sent of {Url} has no end: {cut?.Message ?? $"{ServerManifest.File} is missing"}", "Take the backup again.", cut);
        var said = sent.Manifest is { } text ? ServerManifest.Read(text) : null;
        said?.Prove(sent.Sent);
        return (all, sent.Folders, said);
    }

    public ValueTask DisposeAsync() => _slot.DisposeAsync();

    private async Task AskAsync()
    {
        var connection = await ScriptConnection.OpenAsync(Url, LogicalSource.Application, null, CancellationToken.None).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        DataAsOf = DateTimeOffset.Parse((await connection.QueryAsync("select (clock_timestamp() at time zone 'UTC')::text", CancellationToken.None).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
    }

    private static int MajorIn(string?[] said) => int.Parse(said[0]!, CultureInfo.InvariantCulture) / 10_000;

    private static (string System, uint Timeline) Identity(Task identify)
    {
        var identity = ((Task<ReplicationSystemIdentification>)identify).Result;
        return (identity.SystemId, identity.Timeline);
    }

    private static PgdException SendersUsedUp(ConnectionUrl url, Exception e) => new(ExitCode.Unsafe, $"{url} has no connection for replication left: {ScriptConnection.Innermost(e)}", OneLeft, e);

    private static PgdException Refused(ConnectionUrl url, Exception e, string?[] said) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidAuthorizationSpecification } refused => new(ExitCode.Unsafe, $"{url} takes no replication connections from here: {refused.MessageText}",
            $"Add the line \"{DoorFor(url.User, said[6], said[7])}\" to its pg_hba.conf (SHOW hba_file), and have it read again: SELECT pg_reload_conf();", e),
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } => SendersUsedUp(url, e),
        PostgresException { SqlState: PostgresErrorCodes.ConfigurationLimitExceeded or PostgresErrorCodes.ObjectNotInPrerequisiteState } refused => new(ExitCode.Unsafe, $"{url} has no replication slot for the backup, which keeps the write-ahead log from being recycled meanwhile: {refused.MessageText}",
            "Raise its max_replication_slots (and have wal_level be replica) and restart it, or drop a slot that nothing uses (pg_replication_slots).", e),
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } refused => new(ExitCode.Unsafe, $"{url.User} may not read the files of {url}: {refused.MessageText}", $"As a superuser: ALTER ROLE {AdminConnection.QuoteIdentifier(url.User)} REPLICATION;", e),
        _ => new(ExitCode.Failed, $"{url} answers, but not as a server that can be replicated: {ScriptConnection.Innermost(e)}", "Connect to the server itself, and not through a pooler or a balancer.", e),
    };

    private static string DoorFor(string user, string? address, string? family)
    {
        var name = user.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? user : $"\"{user.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        return address is null ? $"local replication {name} scram-sha-256" : $"host replication {name} {address}/{(family == "6" ? 128 : 32)} scram-sha-256";
    }
}
