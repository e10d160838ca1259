using System.Globalization;
using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Schema;

/// <summary>
/// Reads the schema of one database from its catalogs. Subscriptions (a branch has none), operator classes and families, conversions, transforms, languages, access
/// methods and security labels are left out, and so is what belongs to extensions.
/// </summary>
internal static class SchemaReader
{
    // Below are the objects that every database begins with.
    private const uint FirstOwn = 16384;

    // Whatever was set for the database or the role, the same object reads the same.
    private const string Plainly =
        """
        begin isolation level repeatable read read only;
        set local search_path = pg_catalog; set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = postgres; set local bytea_output = hex;
        set local extra_float_digits = 1; set local quote_all_identifiers = off; set local standard_conforming_strings = on; set local xmloption = content; set local lc_monetary = 'C'; set local jit = off
        """;

    /// <summary>Reads it, by kind and name.</summary>
    /// <exception cref="PgdException">Somebody changed it meanwhile (<see cref="ExitCode.Failed"/>).</exception>
    public static IReadOnlyList<SchemaObject> Read(AdminConnection connection, BranchName branch, int major, bool privileges, CancellationToken cancellationToken)
    {
        try
        {
            connection.Execute(Plainly, cancellationToken);
            var read = new Reading(branch.ToString(), connection.Query(SchemaQueries.Foreign, cancellationToken));
            foreach (var query in SchemaQueries.Of(major, privileges))
                read.Add(connection.Query(query, cancellationToken));
            connection.Execute("rollback", cancellationToken);
            return read.Objects();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InternalError)
        {
            throw Changed(branch.ToString(), e);
        }
    }

    /// <summary>The same of a database of any server.</summary>
    /// <exception cref="PgdException">It does not answer, or somebody changed it meanwhile (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task<IReadOnlyList<SchemaObject>> ReadAsync(ConnectionUrl url, string application, int major, bool privileges, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(url, application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        try
        {
            await connection.QueryAsync(Plainly, cancellationToken).ConfigureAwait(false);
            var read = new Reading(url.ToString(), await connection.QueryAsync(SchemaQueries.Foreign, cancellationToken).ConfigureAwait(false));
            foreach (var query in SchemaQueries.Of(major, privileges))
                read.Add(await connection.QueryAsync(query, cancellationToken).ConfigureAwait(false));
            return read.Objects();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InternalError)
        {
            throw Changed(url.ToString(), e);
        }
    }

    private static bool IsOwn(string key, string kind, string? name) =>
        kind is nameof(SchemaKind.Schema) or nameof(SchemaKind.Extension)
        || (uint.Parse(key.AsSpan(key.IndexOf('/', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture) >= FirstOwn && name?.StartsWith("pg_temp_", StringComparison.Ordinal) != true);

    // A partition that differs in nothing has no columns of its own to tell.
    private static void CloseEmptyList(List<SchemaLine> lines)
    {
        if (lines is [{ Text: var first }, { Text: [')', ..] } last, ..] && first.EndsWith(" (", StringComparison.Ordinal))
        {
            lines[0] = new(first[..^2] + last.Text[1..], null, "");
            lines.RemoveAt(1);
        }
    }

    private static PgdException Changed(string of, Exception? inner = null) =>
        new(ExitCode.Failed, $"the schema of {of} was changed while it was read{(inner is null ? "" : $": {inner.Message}")}", "Run it again when no migration runs there.", inner);

    /// <summary>What the answers come to.</summary>
    private sealed class Reading(string of, IReadOnlyList<string?[]> foreign)
    {
        private readonly HashSet<string> _foreign = foreign.Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        private readonly Dictionary<string, SchemaObject> _objects = new(StringComparer.Ordinal);

        public void Add(IReadOnlyList<string?[]> rows)
        {
            foreach (var row in rows)
            {
                if (row is not [{ } key, var kind, var name, var part, var partName, var line])
                    throw Changed(of);
                if (kind is not null && !_foreign.Contains(key) && IsOwn(key, kind, name))
                    _objects.Add(key, new(Enum.Parse<SchemaKind>(kind), name ?? throw Changed(of)));
                if (_objects.TryGetValue(key, out var found))
                    // What vanished meanwhile has no definition any more.
                    found.Lines.Add(new(line ?? throw Changed(of), part is null ? null : Enum.Parse<SchemaKind>(part), partName ?? ""));
            }
        }

        public IReadOnlyList<SchemaObject> Objects()
        {
            foreach (var whole in _objects.Values)
                CloseEmptyList(whole.Lines);
            return [.. _objects.Values.OrderBy(o => o.Kind).ThenBy(o => o.Name, StringComparer.Ordinal)];
        }
    }
}
