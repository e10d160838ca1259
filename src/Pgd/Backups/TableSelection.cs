namespace Pgd.Backups;

/// <summary>
/// Which tables of a database are meant, by patterns with <c>*</c> and <c>?</c>: <c>orders</c> in any schema, <c>sales.orders</c>, <c>sales.*</c>; between slashes they are regular
/// expressions, and in double quotes names. Nothing at all means all of them, and everything else that a database has.
/// </summary>
public sealed record TableSelection
{
    /// <summary>All of a database.</summary>
    public static TableSelection All { get; } = new();

    /// <summary>Tables that are meant.</summary>
    public IReadOnlyList<string> Tables { get; init; } = [];

    /// <summary>Schemas of which all tables are meant.</summary>
    public IReadOnlyList<string> Schemas { get; init; } = [];

    /// <summary>Tables that are not meant in spite of that.</summary>
    public IReadOnlyList<string> Except { get; init; } = [];

    /// <summary>Those of the patterns that were said of several databases: in this one they need not match.</summary>
    internal IReadOnlyCollection<string> Elsewhere { get; init; } = [];

    /// <summary>Whether tables are chosen at all.</summary>
    internal bool IsPartial => Tables.Count + Schemas.Count + Except.Count > 0;

    /// <summary>Those that are meant.</summary>
    /// <exception cref="PgdException">A pattern matches nothing (<see cref="ExitCode.NotFound"/>), or a name is that of tables in several schemas (<see cref="ExitCode.Misuse"/>).</exception>
    internal IReadOnlyList<T> Choose<T>(IReadOnlyList<T> tables, Func<T, (string Schema, string Name)> nameOf)
    {
        var schemas = Schemas.Distinct(StringComparer.Ordinal).ToDictionary(pattern => pattern, pattern => new NamePattern(pattern), StringComparer.Ordinal);
        foreach (var (pattern, matching) in schemas)
        {
            if (!tables.Any(table => matching.IsMatch(nameOf(table).Schema)))
                throw new PgdException(ExitCode.NotFound, $"no table is in a schema {pattern}", $"There are {Shown(tables.Select(table => nameOf(table).Schema))}");
        }

        var (chosen, except) = (Tables.SelectMany(Named).ToHashSet(), Except.SelectMany(Named).ToHashSet());
        var isAll = Tables.Count + Schemas.Count == 0;
        return [.. tables.Where(table => (isAll || chosen.Contains(nameOf(table)) || schemas.Values.Any(matching => matching.IsMatch(nameOf(table).Schema))) && !except.Contains(nameOf(table)))];

        IReadOnlyList<(string Schema, string Name)> Named(string pattern)
        {
            var (schema, name) = NamePattern.Split(pattern, '.', most: 2) is [var before, var after] ? (new NamePattern(before), new NamePattern(after)) : (null, new NamePattern(pattern));
            var matching = tables.Select(nameOf).Where(table => (schema?.IsMatch(table.Schema) ?? true) && name.IsMatch(table.Name)).ToList();
            if (matching.Count == 0 && Elsewhere.Contains(pattern))
                return [];
            if (matching.Count == 0)
                throw new PgdException(ExitCode.NotFound, $"no table matches {pattern}", $"There are {Shown(tables.Select(nameOf).Select(table => $"{table.Schema}.{table.Name}"))}");
            return matching.Count == 1 || schema is not null || name.Name is null ? matching
                : throw new PgdException(ExitCode.Misuse, $"{pattern} may be {string.Join(" or ", matching.Select(table => $"{table.Schema}.{table.Name}").Order(StringComparer.Ordinal))}", "Write the schema as well.");
        }
    }

    private static string Shown(IEnumerable<string> names)
    {
        var all = names.Distinct().Order(StringComparer.Ordinal).ToList();
        return all.Count == 0 ? "none that may be read" : string.Join(", ", all.Take(10)) + (all.Count > 10 ? $" and {all.Count - 10} more" : "");
    }
}
