using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>What was redefined at a source and not at its copy: PostgreSQL does not bring it along, stumbles over some of it, and says nothing of the rest.</summary>
internal sealed class Drift
{
    private const int Shown = 5;

    // Of the publication's own tables the names are asked apart: one without columns has none here.
    private const string Columns = """
        select n.nspname, c.relname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), (a.attnotnull and not a.atthasdef and a.attidentity = '')::text, a.attnotnull::text, quote_literal((a.attmissingval::text::text[])[1])
        from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgd_replicate')
        order by 1, 2, a.attnum
        """;

    private readonly string _name;
    private readonly Dictionary<string, Table> _there, _here;
    private readonly IReadOnlySet<string> _published, _copied, _withoutRows;
    private readonly HashSet<string> _renamed = new(StringComparer.Ordinal);

    private Drift(string name, Dictionary<string, Table> there, Dictionary<string, Table> here, IReadOnlySet<string> published, IReadOnlySet<string> copied, IReadOnlySet<string> withoutRows) =>
        (_name, _there, _here, _published, _copied, _withoutRows) = (name, there, here, published, copied, withoutRows);

    /// <summary>Looks for it.</summary>
    /// <returns>Each with what to type.</returns>
    public static async Task<List<string>> OfAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if (await Publication.TablesAsync(replica, cancellationToken).ConfigureAwait(false) is not { } published)
            return [$"the source has no publication {replica.Name} any more; copy it anew: dotnet pgd replicate init --drop-existing"];
        var there = Tables(await replica.AskSourceAsync(Columns, cancellationToken).ConfigureAwait(false));
        var here = Tables(await replica.AskTargetAsync(Columns, cancellationToken).ConfigureAwait(false));
        var copied = await ReplicaRecord.CopiedAsync(replica, cancellationToken).ConfigureAwait(false);
        var drift = new Drift(replica.Name, there, here, published, copied.Tables, copied.WithoutRows);
        List<string> found = [.. published.Order(StringComparer.Ordinal).SelectMany(drift.OfPublished), .. drift.OfGone()];
        return [.. found, .. drift.OfUnpublished(await Publication.PublishableAsync(replica, cancellationToken).ConfigureAwait(false))];
    }

    private IEnumerable<string> OfPublished(string name)
    {
        // It may have gone since it was asked for.
        if (!_there.TryGetValue(name, out var source))
            yield break;
        if (!_here.TryGetValue(name, out var target))
        {
            if (_copied.FirstOrDefault(other => !_there.ContainsKey(other) && !_renamed.Contains(other) && _here.TryGetValue(other, out var old) && old.IsLike(source)) is { } before && _here[before] is var was)
            {
                _renamed.Add(before);
                var schema = was.Schema == source.Schema ? "" : $"ALTER TABLE {before} SET SCHEMA {AdminConnection.QuoteIdentifier(source.Schema)}; ";
                var moved = LogicalSource.QuotedName(source.Schema, was.Name);
                yield return $"the target has no table {name}; if it was {before} before, which the source has not any more: {schema}{(was.Name == source.Name ? "" : $"ALTER TABLE {moved} RENAME TO {AdminConnection.QuoteIdentifier(source.Name)};")}".TrimEnd();
            }
            else
            {
                yield return $"the target has no table {name}; make it there, empty, and then there: {Refresh}";
            }

            yield break;
        }

        var gone = target.Columns.Where(column => !source.Has(column.Name)).ToList();
        foreach (var column in source.Columns.Where(column => !target.Has(column.Name)))
        {
            var add = $"ALTER TABLE {name} ADD COLUMN {column.Name} {column.Type}{(column.Missing is null ? "" : $" DEFAULT {column.Missing}{(column.IsNotNull ? " NOT NULL" : "")}")};";
            if (gone.Find(other => other.Type == column.Type) is { } before)
            {
                gone.Remove(before);
                yield return $"the target lacks the column {column.Name} of {name}; if it was {before.Name} before, which the source has not any more: ALTER TABLE {name} RENAME COLUMN {before.Name} TO {column.Name}; if it is new: {add}";
            }
            else
            {
                yield return $"the target lacks the column {column.Name} of {name}: {add}";
            }
        }

        foreach (var column in gone.Where(column => column.IsNeeded))
            yield return $"the source has no column {column.Name} of {name} any more, and the target's takes no NULL: ALTER TABLE {name} DROP COLUMN {column.Name};";
        foreach (var (column, other) in source.Columns.Join(target.Columns, column => column.Name, column => column.Name, (column, other) => (column, other)).Where(pair => pair.column.Type != pair.other.Type))
            yield return $"the column {column.Name} of {name} is {column.Type} at the source and {other.Type} at the target: ALTER TABLE {name} ALTER COLUMN {column.Name} TYPE {column.Type} USING {column.Name}::{column.Type};";
    }

    private IEnumerable<string> OfGone() => _copied.Where(name => !_there.ContainsKey(name) && _here.ContainsKey(name) && !_renamed.Contains(name)).Order(StringComparer.Ordinal)
        .Select(name => $"the source has no table {name} any more, and the target has it as it was last: DROP TABLE {name};");

    // What nobody has copied is not sent, and PostgreSQL finds nothing wrong with that.
    private IEnumerable<string> OfUnpublished(IReadOnlyList<string> publishable)
    {
        var unpublished = publishable.Where(name => !_published.Contains(name)).ToList();
        var fresh = unpublished.Where(name => !_here.ContainsKey(name)).ToList();
        if (fresh.Count > 0)
            yield return $"the source has {Names(fresh)}, which the copy has not: {(fresh.Count == 1 ? "it was" : "they were")} left out, or made since. To have it: make it at the target, and then {Add(fresh)}";
        var both = unpublished.Where(name => _here.ContainsKey(name) && !_withoutRows.Contains(name)).ToList();
        if (both.Count > 0)
            yield return $"both sides have {Names(both)}, and what is written to {(both.Count == 1 ? "it" : "them")} does not come: {(both.Count == 1 ? "it was" : "they were")} made since the copy. To have it: make it anew at the target, empty, and then {Add(both)}";
    }

    // Of a table without an identity UPDATE and DELETE would fail in production.
    private string Add(List<string> names) => $"at the source, if each has a primary key or REPLICA IDENTITY FULL: ALTER PUBLICATION {_name} ADD TABLE {string.Join(", ", names.Take(Shown).Select(name => $"ONLY {name}"))}; and then at the target: {Refresh}";

    private string Refresh => $"ALTER SUBSCRIPTION {_name} REFRESH PUBLICATION;";

    private static string Names(List<string> names) => $"{string.Join(", ", names.Take(Shown))}{(names.Count > Shown ? $" and {names.Count - Shown} more" : "")}";

    private static Dictionary<string, Table> Tables(List<string?[]> rows) => rows.GroupBy(row => LogicalSource.QuotedName(row[0]!, row[1]!), StringComparer.Ordinal)
        .ToDictionary(table => table.Key, table => new Table(table.First()[0]!, table.First()[1]!, [.. table.Where(row => row[2] is not null).Select(row => new Column(row[2]!, row[3]!, row[4] == "true", row[5] == "true", row[6]))]), StringComparer.Ordinal);

    private sealed record Table(string Schema, string Name, IReadOnlyList<Column> Columns)
    {
        public bool Has(string column) => Columns.Any(one => one.Name == column);

        public bool IsLike(Table other) => Columns.Select(column => (column.Name, column.Type)).Order().SequenceEqual(other.Columns.Select(column => (column.Name, column.Type)).Order());
    }

    /// <param name="Name">Its name, quoted.</param>
    /// <param name="Type">Its type.</param>
    /// <param name="IsNeeded">Whether a row without it is refused.</param>
    /// <param name="IsNotNull">Whether it takes no NULL.</param>
    /// <param name="Missing">What it has in rows that were there before it, quoted; null if nothing, or if they were written anew.</param>
    private sealed record Column(string Name, string Type, bool IsNeeded, bool IsNotNull, string? Missing);
}
