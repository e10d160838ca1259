using System.Globalization;
using Pgd.Postgres;

namespace Pgd.Tracing;

/// <summary>The tables and indexes of a database at one moment, with their files and sizes.</summary>
internal sealed class Catalog
{
    private const string Statement =
        """
        select c.oid::bigint::text, c.relname, format('%I.%I', n.nspname, c.relname), c.relkind::text, coalesce(pg_relation_filenode(c.oid), 0)::bigint::text, coalesce(pg_relation_size(c.oid), 0)::text,
            coalesce(i.indrelid, 0)::bigint::text, c.reltoastrelid::bigint::text, c.reltuples::bigint::text, coalesce(s.n_dead_tup, 0)::text, coalesce(i.indisvalid, true)::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid left join pg_stat_all_tables s on s.relid = c.oid
        where c.oid >= 16384 and c.relkind in ('r', 'p', 'm', 'v', 'i', 'I', 't', 'S', 'f') and n.nspname not like 'pg\_temp\_%' and n.nspname not like 'pg\_toast\_temp\_%'
        """;

    private const string Constraints = "select format('%I on %s', c.conname, c.conrelid::regclass) from pg_constraint c where not c.convalidated and c.conrelid <> 0 order by 1";

    private readonly ILookup<uint, Relation> _indexes;

    private Catalog(Dictionary<uint, Relation> relations, IReadOnlyList<string> unvalidated, long lsn)
    {
        (Relations, Unvalidated, Lsn) = (relations, unvalidated, lsn);
        _indexes = relations.Values.Where(r => r.Table != 0).ToLookup(r => r.Table);
    }

    public IReadOnlyDictionary<uint, Relation> Relations { get; }

    /// <summary>Constraints that hold for new rows only.</summary>
    public IReadOnlyList<string> Unvalidated { get; }

    /// <summary>How far the write-ahead log was.</summary>
    public long Lsn { get; }

    public static Catalog Read(AdminConnection connection, CancellationToken cancellationToken)
    {
        var lsn = Number(connection.Scalar("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint::text", cancellationToken));
        var relations = connection.Query(Statement, cancellationToken).Select(r => new Relation
        {
            Oid = (uint)Number(r[0]),
            BareName = r[1]!,
            Name = r[2]!,
            Letter = r[3]![0],
            File = (uint)Number(r[4]),
            Bytes = Number(r[5]),
            Table = (uint)Number(r[6]),
            Toast = (uint)Number(r[7]),
            Rows = Number(r[8]),
            DeadRows = Number(r[9]),
            IsValid = r[10] == "true",
        }).ToDictionary(r => r.Oid);
        return new(relations, [.. connection.Query(Constraints, cancellationToken).Select(r => r[0]!)], lsn);
    }

    /// <summary>A table's size with what is stored beside it, in bytes.</summary>
    public long Size(Relation table) => table.Bytes + (Relations.TryGetValue(table.Toast, out var toast) ? toast.Bytes + _indexes[toast.Oid].Sum(r => r.Bytes) : 0);

    /// <summary>A table's size with that of its indexes, in bytes.</summary>
    public long TotalSize(Relation table) => Size(table) + _indexes[table.Oid].Sum(r => r.Bytes);

    private static long Number(string? text) => long.Parse(text!, CultureInfo.InvariantCulture);
}

/// <summary>A table, index or the like.</summary>
internal sealed record Relation
{
    public required uint Oid { get; init; }

    public required string Name { get; init; }

    /// <summary>The name alone, as it is without quotes.</summary>
    public required string BareName { get; init; }

    /// <summary>What it is, as <c>pg_class.relkind</c> says it.</summary>
    public required char Letter { get; init; }

    /// <summary>The name of its file; 0 if it has none.</summary>
    public required uint File { get; init; }

    public required long Bytes { get; init; }

    /// <summary>The table of an index; 0 for others.</summary>
    public required uint Table { get; init; }

    /// <summary>The table beside it for what is large; 0 for none.</summary>
    public required uint Toast { get; init; }

    /// <summary>-1 if the server has never counted.</summary>
    public required long Rows { get; init; }

    public required long DeadRows { get; init; }

    public required bool IsValid { get; init; }

    public RelationKind? Kind => Letter switch
    {
        'r' or 'p' or 'f' => RelationKind.Table,
        'i' or 'I' => RelationKind.Index,
        'm' => RelationKind.MaterializedView,
        'v' => RelationKind.View,
        'S' => RelationKind.Sequence,
        _ => null,
    };
}
