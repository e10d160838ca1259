using System.Text;

namespace Pgd;

/// <summary>A database inside the server of a branch, written as <c>project/branch:database</c>.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Database">The database, as PostgreSQL spells it.</param>
public sealed record DatabaseName(BranchName Branch, string Database)
{
    // NAMEDATALEN less its end; a longer one is cut off by the server without an error.
    private const int LongestName = 63;

    /// <summary>Reads <c>project/branch:database</c>.</summary>
    /// <exception cref="PgdException">The text is not of that form (<see cref="ExitCode.Misuse"/>).</exception>
    public static DatabaseName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split(':', 2) is [var branch, { Length: > 0 } database] ? new(BranchName.Parse(branch), Check(database))
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not the name of a database", "Write it as PROJECT/BRANCH:DATABASE, for example prod/main:app.");
    }

    /// <summary>Checks what a database is to be called.</summary>
    /// <exception cref="PgdException">PostgreSQL has no such names (<see cref="ExitCode.Misuse"/>).</exception>
    public static string Check(string database)
    {
        ArgumentNullException.ThrowIfNull(database);
        if (database.StartsWith(Postgres.DatabaseCopy.HalfPrefix, StringComparison.Ordinal))
            throw new PgdException(ExitCode.Misuse, $"\"{database}\" is what half a copy is called", $"Choose a name that does not begin with {Postgres.DatabaseCopy.HalfPrefix}.");
        return database.Length > 0 && !database.Contains('\0', StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(database) <= LongestName ? database
            : throw new PgdException(ExitCode.Misuse, $"\"{database.Replace("\0", "\\0", StringComparison.Ordinal)}\" cannot be the name of a database", $"Use 1 to {LongestName} bytes.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Branch}:{Database}";
}
