namespace Pgd.Tracing;

/// <summary>The strength of a lock on a table or index, weakest first.</summary>
/// <remarks>Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES.</remarks>
public enum LockMode
{
    /// <summary>Of a reader.</summary>
    AccessShare,

    /// <summary>Of <c>SELECT … FOR UPDATE</c> and its like.</summary>
    RowShare,

    /// <summary>Of a writer.</summary>
    RowExclusive,

    /// <summary>Of <c>VACUUM</c>, <c>ANALYZE</c>, <c>CREATE INDEX CONCURRENTLY</c>, <c>VALIDATE CONSTRAINT</c>, …</summary>
    ShareUpdateExclusive,

    /// <summary>Of <c>CREATE INDEX</c>.</summary>
    Share,

    /// <summary>Of <c>CREATE TRIGGER</c>, and of a foreign key's two tables.</summary>
    ShareRowExclusive,

    /// <summary>Of <c>REFRESH MATERIALIZED VIEW CONCURRENTLY</c>.</summary>
    Exclusive,

    /// <summary>Of most forms of <c>ALTER TABLE</c>, of <c>DROP TABLE</c>, <c>TRUNCATE</c>, <c>VACUUM FULL</c>, …</summary>
    AccessExclusive,
}

/// <summary>What others have to wait with while a lock is held.</summary>
[Flags]
public enum Blocks
{
    /// <summary>Nothing that is usual.</summary>
    Nothing = 0,

    /// <summary>Changes of the schema, and maintenance such as <c>VACUUM</c>.</summary>
    SchemaChanges = 1,

    /// <summary><c>INSERT</c>, <c>UPDATE</c>, <c>DELETE</c>.</summary>
    Writes = 2,

    /// <summary>Even <c>SELECT</c>.</summary>
    Reads = 4,
}

/// <summary>What the modes mean.</summary>
public static class LockModes
{
    /// <summary>What others have to wait with while a lock of that mode is held.</summary>
    public static Blocks Blocks(this LockMode mode) => mode switch
    {
        LockMode.AccessExclusive => Tracing.Blocks.Reads | Tracing.Blocks.Writes | Tracing.Blocks.SchemaChanges,
        >= LockMode.Share => Tracing.Blocks.Writes | Tracing.Blocks.SchemaChanges,
        // A reader and a writer hold off only those who change what they read and write.
        _ => Tracing.Blocks.SchemaChanges,
    };

    /// <summary>The name that the server shows for it: <c>AccessExclusiveLock</c>.</summary>
    internal static LockMode? Parse(string shown) =>
        shown.EndsWith("Lock", StringComparison.Ordinal) && Enum.TryParse<LockMode>(shown.AsSpan(0, shown.Length - 4), out var mode) ? mode : null;

    /// <summary>In words, the worst of it: <c>reads and writes</c>.</summary>
    public static string InWords(this Blocks blocks) => blocks.HasFlag(Tracing.Blocks.Reads) ? "reads and writes" : blocks.HasFlag(Tracing.Blocks.Writes) ? "writes" : "schema changes";

    /// <summary>As SQL writes it: <c>ACCESS EXCLUSIVE</c>.</summary>
    public static string Sql(this LockMode mode) => mode switch
    {
        LockMode.AccessShare => "ACCESS SHARE",
        LockMode.RowShare => "ROW SHARE",
        LockMode.RowExclusive => "ROW EXCLUSIVE",
        LockMode.ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
        LockMode.Share => "SHARE",
        LockMode.ShareRowExclusive => "SHARE ROW EXCLUSIVE",
        LockMode.Exclusive => "EXCLUSIVE",
        _ => "ACCESS EXCLUSIVE",
    };
}
