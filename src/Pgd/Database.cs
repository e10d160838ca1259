namespace Pgd;

/// <summary>A database inside the server of a branch.</summary>
public sealed record Database
{
    /// <summary>The full name, <c>project/branch:database</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The role that it belongs to.</summary>
    public required string Owner { get; init; }

    /// <summary>The bytes in its files, shared ones included.</summary>
    public required long Bytes { get; init; }

    /// <summary>The database that it was made from by <see cref="Databases.BranchAsync"/>; null if it was made otherwise.</summary>
    public string? Template { get; init; }

    /// <summary>Whether everybody with the right to create databases may copy it.</summary>
    public required bool IsTemplate { get; init; }

    /// <summary>Whether anybody can connect to it.</summary>
    public required bool AllowConnections { get; init; }

    /// <summary>How many may at once; null for any number.</summary>
    public int? ConnectionLimit { get; init; }

    /// <summary>How many do.</summary>
    public required int Connections { get; init; }
}

/// <summary>What a database that is made from another one should be.</summary>
public sealed record DatabaseBranch
{
    /// <summary>The database to make it from. Nobody may be connected to it.</summary>
    public required DatabaseName Template { get; init; }

    /// <summary>Its name, in the same server.</summary>
    public required string Name { get; init; }

    /// <summary>How it is copied.</summary>
    public DatabaseStrategy Strategy { get; init; }

    /// <summary>The role that makes it, which needs the right to; null for the server's administrator.</summary>
    public string? Role { get; init; }

    /// <summary>Who it belongs to; null for the template's owner, or for <see cref="Role"/>.</summary>
    public string? Owner { get; init; }

    /// <summary>Where its files go; null for where the template's are.</summary>
    public string? Tablespace { get; init; }

    /// <summary>How many may connect at once; null for any number.</summary>
    public int? ConnectionLimit { get; init; }

    /// <summary>Whether everybody with the right to create databases may copy it.</summary>
    public bool IsTemplate { get; init; }

    /// <summary>Whether anybody can connect to it.</summary>
    public bool AllowConnections { get; init; } = true;

    /// <summary>Whether it is looked at afterwards how much of it is shared.</summary>
    public bool Measure { get; init; } = true;

    /// <summary>What its encoding has to be; a copy cannot have another one than its template. Null for that.</summary>
    public string? Encoding { get; init; }

    /// <summary>What its locale has to be; a copy cannot have another one than its template. Null for that.</summary>
    public string? Locale { get; init; }
}

/// <summary>How a database is copied inside its server.</summary>
public enum DatabaseStrategy
{
    /// <summary>By shared extents where the server and the file system have them, else block by block for a small one and file by file for a large one.</summary>
    Auto,

    /// <summary>By extents that both share, from PostgreSQL 18 on.</summary>
    Clone,

    /// <summary>File by file, with a checkpoint before and after.</summary>
    FileCopy,

    /// <summary>Block by block through the write-ahead log, from PostgreSQL 15 on.</summary>
    WalLog,
}

/// <summary>What <see cref="Databases.BranchAsync"/> made.</summary>
/// <param name="Database">The database.</param>
/// <param name="Strategy">How it was copied.</param>
/// <param name="SharedBytes">How many of its bytes share their place on the disk with others; null where the file system does not tell, or was not asked.</param>
/// <param name="Milliseconds">How long the server was at it.</param>
public sealed record DatabaseBranched(Database Database, DatabaseStrategy Strategy, long? SharedBytes, double Milliseconds);
