using System.Globalization;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>What a target knows of its copy: a schema of ours in it, which goes when the copy is cut off from its source. Everything else is asked of the servers' own catalogs.</summary>
/// <param name="Name">The name of all that was made for it on either side.</param>
/// <param name="Lsn">The position of the source's write-ahead log from which its slot goes on; null for a copy that is not to be kept in sync.</param>
/// <param name="DataAsOf">The source's clock at the moment of the copy.</param>
/// <param name="IsCopied">Whether the copy is complete.</param>
/// <param name="Choice">What of the source is meant, in words that differ when that differs.</param>
/// <param name="Cutover">How far a cutover is: <c>frozen</c> from before the source is made read-only, <c>switched</c> from when the copy is on its own; null if none was begun.</param>
/// <param name="ReadOnlyWas">Whether transactions of the source's database were read-only before that, if that was set for it.</param>
internal sealed record ReplicaRecord(string Name, string? Lsn, DateTimeOffset? DataAsOf, bool IsCopied, string Choice, string? Cutover, string? ReadOnlyWas)
{
    /// <summary>The two states of a cutover.</summary>
    public const string Frozen = "frozen", Switched = "switched";

    /// <summary>The schema.</summary>
    public const string Schema = "pgd_replicate";

    /// <summary>Reads it.</summary>
    /// <returns>Null if there is none.</returns>
    public static async Task<ReplicaRecord?> FindAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if ((await replica.AskTargetAsync("select to_regclass($1)::text", cancellationToken, $"{Schema}.replica").ConfigureAwait(false))[0][0] is null)
            return null;
        return await replica.AskTargetAsync($"select name, lsn::text, (data_as_of at time zone 'UTC')::text, copied::text, choice, cutover, read_only_was from {Schema}.replica", cancellationToken).ConfigureAwait(false) is [var row, ..]
            ? new(row[0]!, row[1], row[2] is { } time ? DateTimeOffset.Parse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal) : null, row[3] == "true", row[4]!, row[5], row[6]) : null;
    }

    /// <summary>Reads the record of a complete copy.</summary>
    /// <exception cref="PgdException">The target is none of that source (<see cref="ExitCode.NotFound"/>).</exception>
    public static async Task<ReplicaRecord> RequireAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        var record = await FindAsync(replica, cancellationToken).ConfigureAwait(false);
        return record is { IsCopied: true } && record.Name == replica.Name ? record
            : throw new PgdException(ExitCode.NotFound, $"{replica.Target} is no complete copy of {replica.Source}", "Copy it first: dotnet pgd replicate init");
    }

    /// <summary>Writes a new one, into a database that has none.</summary>
    public static async Task<ReplicaRecord> BeginAsync(DatabaseReplica replica, string choice, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync("begin", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"create schema {Schema}", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"comment on schema {Schema} is 'What dotnet pgd replicate knows of this copy. It goes with replicate cutover and replicate cleanup.'", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"create table {Schema}.replica (name text primary key, lsn pg_lsn, data_as_of timestamptz, copied boolean not null default false, choice text not null, cutover text, read_only_was text)", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"create table {Schema}.done (step text primary key)", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"create table {Schema}.rows (of text primary key, condition text not null)", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"insert into {Schema}.replica (name, choice) values ($1, $2)", cancellationToken, replica.Name, choice).ConfigureAwait(false);
        await replica.AskTargetAsync("commit", cancellationToken).ConfigureAwait(false);
        return new(replica.Name, null, null, false, choice, null, null);
    }

    /// <summary>Writes down which rows of tables are meant, with the time of the copy in it.</summary>
    public static async Task MeansRowsAsync(DatabaseReplica replica, IEnumerable<SourceTable> tables, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync($"delete from {Schema}.rows", cancellationToken).ConfigureAwait(false);
        foreach (var table in tables.Where(table => table.Rows is not null))
            await replica.AskTargetAsync($"insert into {Schema}.rows values ($1, $2)", cancellationToken, table.QuotedName, table.Rows).ConfigureAwait(false);
    }

    /// <summary>The tables of which rows were copied, and those of which none were meant, by their quoted names.</summary>
    public static async Task<(IReadOnlySet<string> Tables, IReadOnlySet<string> WithoutRows)> CopiedAsync(DatabaseReplica replica, CancellationToken cancellationToken) =>
        ((await replica.AskTargetAsync($"select substr(step, {CopyJournal.Rows.Length + 1}) from {Schema}.done where starts_with(step, $1)", cancellationToken, CopyJournal.Rows).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal),
            (await replica.AskTargetAsync($"select of from {Schema}.rows where condition = $1", cancellationToken, SourceTable.NoRows).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal));

    /// <summary>The same conditions as they were when the copy was made: by now the time in them is another one.</summary>
    /// <param name="target">The copy.</param>
    /// <param name="tables">The tables of the source.</param>
    /// <param name="now">The conditions by the tables' numbers, as they would be now.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<IReadOnlyDictionary<string, string>> ThenAsync(LogicalSource target, IReadOnlyList<SourceTable> tables, IReadOnlyDictionary<string, string> now, CancellationToken cancellationToken)
    {
        if (now.Count == 0)
            return now;
        var session = await target.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        if ((await session.QueryAsync("select to_regclass($1)::text", cancellationToken, $"{Schema}.rows").ConfigureAwait(false))[0][0] is null)
            return now;
        var then = (await session.QueryAsync($"select of, condition from {Schema}.rows", cancellationToken).ConfigureAwait(false)).ToDictionary(row => row[0]!, row => row[1]!, StringComparer.Ordinal);
        return tables.Where(table => now.ContainsKey(table.Oid)).ToDictionary(table => table.Oid, table => then.GetValueOrDefault(table.QuotedName) ?? now[table.Oid], StringComparer.Ordinal);
    }

    /// <summary>Writes down of which moment the copy is that is being made.</summary>
    public async Task<ReplicaRecord> OfAsync(DatabaseReplica replica, string? lsn, DateTimeOffset dataAsOf, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync($"update {Schema}.replica set lsn = $1::pg_lsn, data_as_of = $2::timestamptz", cancellationToken, lsn, dataAsOf.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff+00", CultureInfo.InvariantCulture)).ConfigureAwait(false);
        return this with { Lsn = lsn, DataAsOf = dataAsOf };
    }

    /// <summary>Writes down what is meant, where nothing was copied yet.</summary>
    public async Task<ReplicaRecord> MeansAsync(DatabaseReplica replica, string choice, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync($"update {Schema}.replica set choice = $1", cancellationToken, choice).ConfigureAwait(false);
        return this with { Choice = choice };
    }

    /// <summary>Writes down that it is complete.</summary>
    public async Task<ReplicaRecord> CompleteAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync($"update {Schema}.replica set copied = true", cancellationToken).ConfigureAwait(false);
        return this with { IsCopied = true };
    }

    /// <summary>Writes down how far a cutover is.</summary>
    public async Task<ReplicaRecord> AtAsync(DatabaseReplica replica, string? cutover, string? readOnlyWas, CancellationToken cancellationToken)
    {
        await replica.AskTargetAsync($"update {Schema}.replica set cutover = $1, read_only_was = $2", cancellationToken, cutover, readOnlyWas).ConfigureAwait(false);
        return this with { Cutover = cutover, ReadOnlyWas = readOnlyWas };
    }

    /// <summary>Removes it.</summary>
    public static Task RemoveAsync(DatabaseReplica replica, CancellationToken cancellationToken) => replica.AskTargetAsync($"drop schema if exists {Schema} cascade", cancellationToken);
}
