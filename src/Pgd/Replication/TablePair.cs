using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>A table of the source with that of the same name at the target, and how both are read so that equal rows look equal.</summary>
internal sealed partial class TablePair
{
    private readonly RowHash _hash;
    private readonly string _conditions;
    private readonly bool _sourceHasParts, _targetHasParts;

    private TablePair(RowHash hash, SourceTable source, SourceTable target, IReadOnlyList<PairColumn> columns, IReadOnlyList<PairColumn> key, IReadOnlyList<string> conditions)
    {
        (_hash, Schema, Name, Columns, Key) = (hash, source.Schema, source.Name, columns, key);
        (_sourceHasParts, _targetHasParts) = (source.IsPartitioned, target.IsPartitioned);
        _conditions = string.Concat(conditions.Select((condition, i) => $"{(i == 0 ? " where " : " and ")}({condition})"));
    }

    public string Schema { get; }

    public string Name { get; }

    /// <summary>The larger one's size.</summary>
    public long Bytes { get; private init; }

    /// <summary>Whether another unique index than the key's is there: rows cannot be updated one by one then, because two may have swapped their values.</summary>
    public bool IsUniqueOtherwise { get; private init; }

    /// <summary>The columns that both have, by name.</summary>
    public IReadOnlyList<PairColumn> Columns { get; }

    /// <summary>Those by which rows are told from each other.</summary>
    public IReadOnlyList<PairColumn> Key { get; }

    public override string ToString() => $"{Schema}.{Name}";

    /// <summary>The name for statements about its rows at the target.</summary>
    public string Quoted => LogicalSource.QuotedName(Schema, Name);

    /// <summary>The same for those that would mean tables that inherit from it as well.</summary>
    public string QuotedAlone => $"{(_targetHasParts ? "" : "only ")}{Quoted}";

    /// <summary>How many rows there are, and the sums of their hashes.</summary>
    public string Totals(bool atSource) => $"select count(*)::text, sum(h)::text, sum(i)::text from {Rows(atSource)}";

    /// <summary>The same for each bucket.</summary>
    public string BucketTotals(bool atSource) => $"select b::text, count(*)::text, sum(h)::text, sum(i)::text from (select {Bucket} b, h, i from {Rows(atSource, KeyHash)}) t4 group by b";

    /// <summary>The rows of some buckets, with where they are; null for all buckets.</summary>
    public string RowsOf(bool atSource, IEnumerable<int>? buckets) =>
        $"copy (select h, i, o, c from {Rows(atSource, buckets is null ? [("t.ctid", "c")] : [.. KeyHash, ("t.ctid", "c")])}{(buckets is null ? "" : $" where {Bucket} in ({string.Join(',', buckets)})")}) to stdout";

    /// <summary>Rows at their places, and columns of them as text: $1 are the places.</summary>
    public string AtPlaces(bool atSource, IEnumerable<PairColumn> columns, string table) =>
        $"select t.ctid::text{string.Concat(columns.Select(column => $", (t.{column.Quoted})::text"))} from {From(atSource)} where t.ctid = any (cast($1 as tid[])) and t.tableoid = {table}";

    /// <summary>The rows with some keys: $1, $2, … are arrays of the columns' values; first comes which of them a row has.</summary>
    public string ByKeys(bool atSource) =>
        $"select n::text, h::text, i::text, x, c from {RowHashes.Rows(_hash, Expressions, FromKeys(atSource), ("pgd_n", "n"), ("t.xmin::text", "x"), ("t.ctid::text", "c"))}";

    /// <summary>The same rows, all of their columns as text.</summary>
    public string TextByKeys(bool atSource) => $"select pgd_n::text{string.Concat(Columns.Select(column => $", (t.{column.Quoted})::text"))} from {FromKeys(atSource)}";

    /// <summary>How often rows with some first hashes are there, and what is another one when any of them is written: $1 is an array of the hashes. As rows, because a parameter that is an array would be searched from its beginning for each row.</summary>
    public string ByHashes(bool atSource) => $"select h::text, i::text, count(*)::text, sum(hashtextextended(x, 0))::text from {Rows(atSource, ("concat_ws(' ', t.xmin, t.ctid)", "x"))} where h in (select unnest(cast($1 as bigint[]))) group by h, i";

    private IEnumerable<string> Expressions => Columns.Select(column => ColumnOf(column));

    private (string, string)[] KeyHash => Key.Count == 0 ? []
        : [(_hash == RowHash.Values ? $"hash_record_extended(row({string.Join(", ", Key.Select(ColumnOf))}), 7)" : $"hashtextextended(row({string.Join(", ", Key.Select(ColumnOf))})::text, 7)", "k")];

    private string Bucket => $"({(Key.Count == 0 ? "h" : "k")} & {RowHashes.Buckets - 1})::int";

    private string ColumnOf(PairColumn column) => RowHashes.Column(_hash, $"t.{column.Quoted}", column.SharedType);

    private string Rows(bool atSource, params (string, string)[] further) => RowHashes.Rows(_hash, Expressions, From(atSource) + _conditions, further);

    private string From(bool atSource) => $"{((atSource ? _sourceHasParts : _targetHasParts) ? "" : "only ")}{LogicalSource.QuotedName(Schema, Name)} t";

    private string FromKeys(bool atSource) =>
        $"{From(atSource)} join unnest({string.Join(", ", Key.Select((column, i) => $"cast(${i + 1} as {(atSource ? column.SourceType : column.TargetType)}[])"))}) with ordinality k({string.Concat(Key.Select((_, i) => $"pgd_k{i}, "))}pgd_n) on {string.Join(" and ", Key.Select((column, i) => $"t.{column.Quoted} = pgd_k{i}"))}{_conditions}";

    /// <summary>Those of the same name, partitioned ones as a whole where their parts are not the same, and the names of those that are on one side only.</summary>
    public static async Task<(IReadOnlyList<TablePair> Pairs, IReadOnlyList<SourceTable> AtSourceOnly, IReadOnlyList<SourceTable> AtTargetOnly)> OfAsync(LogicalSource source, LogicalSource target, RowHash hash, IReadOnlyDictionary<string, string> conditions, CancellationToken cancellationToken)
    {
        var (left, right) = (Read(source, target), Read(target, source));
        var columns = await Task.WhenAll(ColumnsAsync(source, left.Values, cancellationToken), ColumnsAsync(target, right.Values, cancellationToken)).ConfigureAwait(false);
        var pairs = new List<TablePair>();
        foreach (var (name, one) in left)
        {
            if (!right.TryGetValue(name, out var other))
                continue;
            var there = columns[1].GetValueOrDefault(other.Oid)?.ToDictionary(column => column.Name, StringComparer.Ordinal) ?? [];
            List<PairColumn> both = [.. (columns[0].GetValueOrDefault(one.Oid) ?? []).Where(column => there.ContainsKey(column.Name)).OrderBy(column => column.Name, StringComparer.Ordinal).Select(column => column.With(there[column.Name]))];
            var key = both.Where(column => column.PlaceInKey is not null).OrderBy(column => column.PlaceInKey).ToList();
            // A key of which the target lacks a column is none.
            if (key.Count != (columns[0].GetValueOrDefault(one.Oid) ?? []).Count(column => column.PlaceInKey is not null))
                key = [];
            pairs.Add(new(hash, one, other, both, key, ConditionsOf(source, one, conditions)) { Bytes = Math.Max(one.Bytes, other.Bytes), IsUniqueOtherwise = both.Exists(column => column.IsUniqueOtherwise) });
        }

        return (pairs, [.. left.Where(table => !right.ContainsKey(table.Key)).Select(table => table.Value)], [.. right.Where(table => !left.ContainsKey(table.Key)).Select(table => table.Value)]);
    }

    // What is read: tables that are no parts, and the parts of those partitioned tables that have the same on the other side; else these.
    private static SortedDictionary<(string, string), SourceTable> Read(LogicalSource one, LogicalSource other)
    {
        var read = new SortedDictionary<(string, string), SourceTable>();
        var otherParts = PartsByRoot(other);
        foreach (var (root, parts) in PartsByRoot(one))
        {
            if (otherParts.TryGetValue(root, out var same) && same.Select(NameOf).ToHashSet().SetEquals(parts.Select(NameOf)))
            {
                foreach (var part in parts)
                    read[NameOf(part)] = part;
            }
            else
            {
                read[root] = one.Partitioned.First(table => NameOf(table) == root) with { Bytes = parts.Sum(part => part.Bytes) };
            }
        }

        foreach (var table in one.Tables.Where(table => RootOf(one, table) is null))
            read[NameOf(table)] = table;
        return read;
    }

    private static Dictionary<(string, string), List<SourceTable>> PartsByRoot(LogicalSource source)
    {
        var roots = source.Partitioned.Where(table => RootOf(source, table) is null).ToDictionary(NameOf, _ => new List<SourceTable>());
        foreach (var table in source.Tables)
        {
            if (RootOf(source, table) is { } root)
                roots[NameOf(root)].Add(table);
        }

        return roots;
    }

    // The outermost that is meant itself.
    private static SourceTable? RootOf(LogicalSource source, SourceTable table) => source.Partitioned.Where(above => table.PartOf.Contains(above.Oid)).OrderBy(above => above.PartOf.Count).FirstOrDefault();

    private static (string, string) NameOf(SourceTable table) => (table.Schema, table.Name);

    private static IReadOnlyList<string> ConditionsOf(LogicalSource source, SourceTable table, IReadOnlyDictionary<string, string> conditions)
    {
        var of = (table.IsPartitioned ? source.Tables.Where(part => part.PartOf.Contains(table.Oid)) : [table]).Select(part => conditions.GetValueOrDefault(part.Oid)).Distinct().ToList();
        if (of.Count > 1)
            throw new PgdException(ExitCode.Misuse, $"the parts of {table.Schema}.{table.Name} are not the same on both servers, and have different row filters", "Give one row filter for all of it.");
        // Of an extension's table only what was added to it counts.
        return [.. of.OfType<string>(), .. string.IsNullOrWhiteSpace(table.Condition) ? Array.Empty<string>() : [Where().Replace(table.Condition, "")]];
    }

    [GeneratedRegex(@"^\s*where\b", RegexOptions.IgnoreCase)]
    private static partial Regex Where();

    private static async Task<Dictionary<string, List<PairColumn>>> ColumnsAsync(LogicalSource source, IEnumerable<SourceTable> tables, CancellationToken cancellationToken)
    {
        var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        try
        {
            var rows = await session.QueryAsync($"""
                select a.attrelid::text, a.attname, format_type(a.atttypid, -1), case when t.typnamespace = 'pg_catalog'::regnamespace and t.oid < 16384 then coalesce(e.typname || '[]', t.typname) end, (a.attgenerated <> '')::text, (a.attidentity = 'a')::text,
                    (select count(*) > 1 from pg_index i where i.indrelid = a.attrelid and i.indisunique)::text,
                    (select k.place::text from (
                        select i.indkey::int2[] as columns, i.indnkeyatts as count from pg_index i where i.indrelid = a.attrelid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
                            and not exists (select from unnest(i.indkey::int2[]) with ordinality k(attnum, place) join pg_attribute c on c.attrelid = i.indrelid and c.attnum = k.attnum where k.place <= i.indnkeyatts and not c.attnotnull)
                        order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1) as key, unnest(key.columns) with ordinality k(attnum, place) where k.place <= key.count and k.attnum = a.attnum)
                from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
                where a.attrelid in ({string.Join(',', tables.Select(table => table.Oid).DefaultIfEmpty("0"))}) and a.attnum > 0 and not a.attisdropped
                """, cancellationToken).ConfigureAwait(false);
            return rows.GroupBy(row => row[0]!, StringComparer.Ordinal).ToDictionary(of => of.Key, of => of.Select(row => new PairColumn(row[1]!, row[2]!, row[2]!, row[3], row[4] == "true", row[5] == "true", row[6] == "true", row[7] is null ? null : int.Parse(row[7]!, CultureInfo.InvariantCulture))).ToList(), StringComparer.Ordinal);
        }
        catch (PostgresException e)
        {
            throw source.Refused(e);
        }
    }
}

/// <summary>A column that both have.</summary>
/// <param name="Name">Its name.</param>
/// <param name="SourceType">Its type at the source.</param>
/// <param name="TargetType">Its type at the target.</param>
/// <param name="SharedType">The short name of a built-in type that it has on both; else null.</param>
/// <param name="IsGenerated">Whether the target computes it.</param>
/// <param name="IsAlwaysIdentity">Whether the target lets nobody update it.</param>
/// <param name="IsUniqueOtherwise">Whether its table has several unique indexes.</param>
/// <param name="PlaceInKey">Which column of the key it is; null if it is none.</param>
internal sealed record PairColumn(string Name, string SourceType, string TargetType, string? SharedType, bool IsGenerated, bool IsAlwaysIdentity, bool IsUniqueOtherwise, int? PlaceInKey)
{
    /// <summary>To be put into a statement.</summary>
    public string Quoted { get; } = AdminConnection.QuoteIdentifier(Name);

    /// <summary>The same with what the target says of it.</summary>
    public PairColumn With(PairColumn target) => target with { SourceType = SourceType, SharedType = SharedType == target.SharedType ? SharedType : null, PlaceInKey = PlaceInKey };
}
