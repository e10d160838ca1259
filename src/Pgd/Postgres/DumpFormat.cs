namespace Pgd.Postgres;

/// <summary>What pg_dump or pg_dumpall wrote.</summary>
internal enum DumpFormat
{
    /// <summary>SQL text for psql.</summary>
    Plain,

    /// <summary>pg_dump's own format, <c>-Fc</c>.</summary>
    Custom,

    /// <summary><c>-Ft</c>.</summary>
    Tar,

    /// <summary><c>-Fd</c>.</summary>
    Directory,
}

/// <summary>How a plain dump was compressed.</summary>
internal enum DumpCompression
{
    None,
    Gzip,
    Zstd,
}
