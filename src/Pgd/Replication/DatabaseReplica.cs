using System.Globalization;
using System.Security.Cryptography;
using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>A database and the one that is, or becomes, its copy: a session on each side, and the name of all that is made for the two.</summary>
internal sealed class DatabaseReplica : IAsyncDisposable
{
    /// <summary>What the servers know our sessions by.</summary>
    public const string Application = "pgd replicate";

    /// <summary>What the names of all publications, slots and subscriptions of ours begin with.</summary>
    public const string Prefix = "pgd_";

    private const int OldestMajor = 12;

    private DatabaseReplica(ConnectionUrl source, ConnectionUrl target, ScriptConnection from, ScriptConnection into, End sourceEnd, End targetEnd, string? name)
    {
        (Source, Target, From, Into, SourceMajor, TargetMajor) = (source, target, from, into, sourceEnd.Major, targetEnd.Major);
        // Not of what is meant of it: with other tables it is still the same copy.
        Name = name ?? Prefix + State.Layout.ShortHash($"{sourceEnd.System}|{source.Database}|{targetEnd.System}|{target.Database}");
    }

    /// <summary>The database.</summary>
    public ConnectionUrl Source { get; }

    /// <summary>The other one.</summary>
    public ConnectionUrl Target { get; }

    /// <summary>A session in the first.</summary>
    public ScriptConnection From { get; }

    /// <summary>A session in the second.</summary>
    public ScriptConnection Into { get; }

    /// <summary>The version of the source.</summary>
    public int SourceMajor { get; }

    /// <summary>The version of the target.</summary>
    public int TargetMajor { get; }

    /// <summary>The name of its publication, slot and subscription, which is always the same for the two.</summary>
    public string Name { get; }

    /// <summary>Connects to both.</summary>
    /// <param name="source">The database.</param>
    /// <param name="target">The other one.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="name">The name of what is made for the two, if it is not to be told from them.</param>
    /// <exception cref="PgdException">
    /// One does not answer or refuses (<see cref="ExitCode.Failed"/>), there is no such database (<see cref="ExitCode.NotFound"/>), both are the same, or the target is of an older version (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    public static async Task<DatabaseReplica> OpenAsync(ConnectionUrl source, ConnectionUrl target, CancellationToken cancellationToken, string? name = null)
    {
        var from = await ScriptConnection.OpenAsync(source, Application, null, cancellationToken).ConfigureAwait(false);
        ScriptConnection? into = null;
        try
        {
            into = await ScriptConnection.OpenAsync(target, Application, null, cancellationToken).ConfigureAwait(false);
            // What the role or the database has set must not change what we ask; and a source that was made read-only for a cutover is opened again by us.
            const string settings = "select set_config('search_path', 'pg_catalog', false), set_config('default_transaction_read_only', 'off', false), set_config('synchronous_commit', 'local', false), set_config('statement_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false), set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false)";
            await AskAsync(from, source, settings, [], cancellationToken).ConfigureAwait(false);
            await AskAsync(into, target, settings, [], cancellationToken).ConfigureAwait(false);
            await RefuseSameAsync(source, target, from, into, cancellationToken).ConfigureAwait(false);
            var (there, here) = (await EndAsync(source, from, cancellationToken).ConfigureAwait(false), await EndAsync(target, into, cancellationToken).ConfigureAwait(false));
            if (here.Major < there.Major)
                throw new PgdException(ExitCode.Unsafe, $"{source} is PostgreSQL {there.Major}, and {target} is {here.Major}", "A target is of the same version, or of a newer one.");
            return new(source, target, from, into, there, here, name);
        }
        catch
        {
            await from.DisposeAsync().ConfigureAwait(false);
            if (into is not null)
                await into.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The same where the target need not be there yet: then its server tells what it can.</summary>
    /// <exception cref="PgdException">As above.</exception>
    public static async Task<(DatabaseReplica Replica, bool IsThere)> OpenWithServerAsync(ConnectionUrl source, ConnectionUrl target, CancellationToken cancellationToken)
    {
        try
        {
            return (await OpenAsync(source, target, cancellationToken).ConfigureAwait(false), true);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound && e.Message.Contains(target.ToString(), StringComparison.Ordinal))
        {
            return (await OpenAsync(source, target with { Database = source.Database == "postgres" ? "template1" : "postgres" }, cancellationToken).ConfigureAwait(false), false);
        }
    }

    /// <summary>Asks the source.</summary>
    /// <exception cref="PgdException">It refuses (<see cref="ExitCode.Failed"/>), also for lack of a right (<see cref="ExitCode.Unsafe"/>), or is lost.</exception>
    public Task<List<string?[]>> AskSourceAsync(string sql, CancellationToken cancellationToken, params string?[] parameters) => AskAsync(From, Source, sql, parameters, cancellationToken);

    /// <summary>Asks the target.</summary>
    /// <exception cref="PgdException">As above.</exception>
    public Task<List<string?[]>> AskTargetAsync(string sql, CancellationToken cancellationToken, params string?[] parameters) => AskAsync(Into, Target, sql, parameters, cancellationToken);

    /// <summary>What a server says, in our words.</summary>
    public static PgdException Refused(ConnectionUrl url, NpgsqlException e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } refused => new(ExitCode.Unsafe, $"{url.User} may not do that in {url}: {refused.MessageText}", refused.Hint ?? "dotnet pgd replicate validate says which rights are missing, and how to give them.", e),
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } refused => new(ExitCode.Locked, $"{url}: {refused.MessageText}", "Somebody redefines a table, and nothing shall wait behind us. Try again later.", e),
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } refused => new(ExitCode.NoRoom, $"the disk of {url} is full: {refused.MessageText}", "Make room there, and run the same again: it goes on where it was.", e),
        PostgresException refused => new(ExitCode.Failed, $"{url}: {refused.MessageText}{(refused.Detail is null ? "" : $" ({refused.Detail})")}", refused.Hint, e),
        _ => new(ExitCode.Failed, $"the connection to {url} was lost: {ScriptConnection.Innermost(e)}", "Run the same again.", e),
    };

    public async ValueTask DisposeAsync()
    {
        await From.DisposeAsync().ConfigureAwait(false);
        await Into.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<List<string?[]>> AskAsync(ScriptConnection connection, ConnectionUrl url, string sql, string?[] parameters, CancellationToken cancellationToken)
    {
        // It may have been lost before: what was asked then has told why.
        if (!connection.IsOpen)
            throw new PgdException(ExitCode.Failed, $"the connection to {url} was lost", "Run the same again.");
        try
        {
            return await connection.QueryAsync(sql, cancellationToken, parameters).ConfigureAwait(false);
        }
        catch (NpgsqlException e)
        {
            throw Refused(url, e);
        }
    }

    private static async Task<End> EndAsync(ConnectionUrl url, ScriptConnection connection, CancellationToken cancellationToken)
    {
        var major = connection.Connection.PostgreSqlVersion.Major;
        if (major < OldestMajor)
            throw new PgdException(ExitCode.Unsafe, $"{url} is PostgreSQL {major}, and versions from {OldestMajor} on can be replicated");
        try
        {
            return new(major, (await connection.QueryAsync("select system_identifier::text from pg_control_system()", cancellationToken).ConfigureAwait(false))[0][0]!);
        }
        catch (PostgresException)
        {
            // Some services keep it to themselves.
            return new(major, $"{url.Host}:{url.Port.ToString(CultureInfo.InvariantCulture)}");
        }
    }

    // An address may have many names. A lock of our own has one holder in one database, whatever it is called.
    private static async Task RefuseSameAsync(ConnectionUrl source, ConnectionUrl target, ScriptConnection from, ScriptConnection into, CancellationToken cancellationToken)
    {
        var key = RandomNumberGenerator.GetInt32(int.MaxValue).ToString(CultureInfo.InvariantCulture);
        await AskAsync(from, source, "begin", [], cancellationToken).ConfigureAwait(false);
        await AskAsync(from, source, "select pg_advisory_xact_lock($1::bigint)::text", [key], cancellationToken).ConfigureAwait(false);
        var isFree = (await AskAsync(into, target, "select pg_try_advisory_xact_lock($1::bigint)::text", [key], cancellationToken).ConfigureAwait(false))[0][0] == "true";
        await AskAsync(from, source, "rollback", [], cancellationToken).ConfigureAwait(false);
        if (!isFree)
            throw new PgdException(ExitCode.Unsafe, $"{source} and {target} are the same database", "Name another one as --target.");
    }

    private readonly record struct End(int Major, string System);
}
