using System.Globalization;
using Pgd.Replication;
using Pgd.Schema;

namespace Pgd.Tool.Output;

/// <summary>A comparison as text: a table per database, then what differs in words, then what to type next.</summary>
internal static class ComparisonText
{
    private const int MostOfAKind = 20, LongestValue = 60;

    /// <summary>Whether nothing is known to differ, but not all is decided.</summary>
    public static bool IsOnlyUndecided(Compared compared) =>
        !compared.IsEqual && compared.Databases.All(database => database.IsEqual || (database with { Tables = [.. database.Tables.Select(table => table with { Undecided = 0 })] }).IsEqual);

    public static void Write(Compared compared, string? fix, Sheet sheet)
    {
        foreach (var database in compared.Databases)
            Write(database, sheet);
        var tables = compared.Databases.Sum(database => database.Tables.Count);
        var rows = compared.Databases.Sum(database => database.Tables.Sum(table => table.SourceRows ?? 0));
        var time = Measured.Time(TimeSpan.FromSeconds(compared.Seconds));
        if (compared.IsEqual)
        {
            sheet.Line($"{sheet.Screen.Green("Equal")}: every row of {Many(tables, "table")} ({Grouped(rows)} in all){(compared.Strict ? ", to the last bit" : "")}, in {time}");
            return;
        }

        sheet.Line($"{(IsOnlyUndecided(compared) ? sheet.Screen.Yellow("Not decided") : sheet.Screen.Red("Not equal"))}, after {time}");
        foreach (var next in Next(compared, fix))
            sheet.Line(next);
    }

    private static void Write(ComparedDatabase database, Sheet sheet)
    {
        sheet.Line(sheet.Screen.Bold(database.IsMissing ? database.Name : $"{database.Name} (PostgreSQL {database.SourceMajor}{(database.SourceMajor == database.TargetMajor ? "" : $" to {database.TargetMajor}")}{(database.IsFollowing ? ", followed by a subscription" : "")})"));
        if (database.IsMissing)
        {
            sheet.Line("  The target has no such database.");
            sheet.Line();
            return;
        }

        if (database.Tables.Count > 0)
            sheet.Table(["TABLE", "ROWS", "RESULT"], [.. database.Tables.Select(table => new[] { $"{table.Schema}.{table.Name}", Rows(table), Result(table) })]);
        foreach (var table in database.Tables.Where(table => table.Rows.Count > 0))
        {
            sheet.Line();
            sheet.Line($"{table.Schema}.{table.Name}:");
            foreach (var row in table.Rows)
                sheet.Line($"  {Word(row.Kind)} {string.Join(", ", row.Key.Select(column => $"{column.Key} = {Value(column.Value)}"))}{(row.Columns.Count == 0 ? "" : ": " + string.Join(", ", row.Columns.Select(column => $"{column.Column} {Value(column.Source)} is {Value(column.Target)}")))}{(row.Times == 1 ? "" : $" ({row.Times} times)")}");
        }

        Section(sheet, "Definitions:", [.. database.Schema.Select(one => $"{one} {(one.Change switch { SchemaChange.Removed => "is missing", SchemaChange.Added => "is extra", _ => "is different" })}{Details(one)}")]);
        Section(sheet, "Sequences that would give out values again:", [.. database.Sequences.Where(sequence => !sequence.IsFollowing).Select(sequence => sequence.Target is { } at ? $"{sequence.Name} gives out {at} next, and at the source {sequence.Source}" : $"{sequence.Name} is missing")]);
        Section(sheet, "Roles that the target does not have:", database.MissingRoles);
        if (database.LargeObjects is { IsEqual: false } objects)
            Section(sheet, "Large objects:", [.. Numbers("missing", objects.Missing), .. Numbers("extra", objects.Extra), .. Numbers("different", objects.Different)]);
        if (database.Sequences.Count(sequence => sequence.IsFollowing) is > 0 and var behind)
            Section(sheet, "Note:", [$"{Many(behind, "sequence")} {(behind == 1 ? "is" : "are")} behind: a subscription does not bring them, the cutover does.", .. database.Notes]);
        else
            Section(sheet, "Note:", database.Notes);
        sheet.Line();
    }

    private static IEnumerable<string> Next(Compared compared, string? fix)
    {
        var rows = compared.Databases.Any(database => database.Tables.Any(table => table.Key.Count > 0 && table.Missing + table.Extra + table.Different > 0));
        if (fix is not null and not "-" && rows)
            yield return $"Make the rows equal: psql TARGET-URL -v ON_ERROR_STOP=1 -f {fix}";
        else if (fix is null && rows)
            yield return "See the rows, and write statements that make them equal: dotnet pgd replicate verify … --show-rows --sql-fix fix.sql";
        if (compared.Databases.Any(database => database.Tables.Any(table => table.Undecided > 0)))
            yield return "Rows that change all the time need more time: --timeout 10m";
        if (compared.Databases.Any(database => database.Schema.Any(one => one.Change == SchemaChange.Changed)))
            yield return "Definitions in full: dotnet pgd replicate verify … --json";
    }

    private static string Rows(ComparedTable table) => table switch
    {
        { SourceRows: { } source, TargetRows: { } target } => source == target ? Grouped(source) : $"{Grouped(source)} and {Grouped(target)}",
        _ => Grouped((table.SourceRows ?? table.TargetRows)!.Value),
    };

    private static string Result(ComparedTable table)
    {
        if (table.TargetRows is null)
            return "missing at the target";
        if (table.SourceRows is null)
            return "extra: not at the source";
        if (table.IsEqual)
            return "equal";
        var parts = new[] { (table.Missing, "missing"), (table.Extra, "extra"), (table.Different, "different"), (table.Undecided, "undecided") }.Where(part => part.Item1 > 0).Select(part => $"{Grouped(part.Item1)} {part.Item2}");
        return string.Join(", ", parts) + (table.AndMore ? " and more" : "") + (table.Key.Count == 0 ? " (no key)" : "");
    }

    private static string Details(SchemaDifference one)
    {
        if (one.Change != SchemaChange.Changed)
            return "";
        var (old, now) = (one.Old!.Split('\n'), one.New!.Split('\n'));
        var lines = old.Except(now, StringComparer.Ordinal).Select(line => $"without {line.Trim().TrimEnd(',')}").Concat(now.Except(old, StringComparer.Ordinal).Select(line => $"with {line.Trim().TrimEnd(',')}")).ToList();
        return lines.Count == 0 ? "" : ": " + string.Join("; ", lines.Take(4).Select(Short)) + (lines.Count > 4 ? "; …" : "");
    }

    private static IEnumerable<string> Numbers(string what, IReadOnlyList<long> numbers) =>
        numbers.Count == 0 ? [] : [$"{what}: {string.Join(", ", numbers.Take(MostOfAKind))}{(numbers.Count > MostOfAKind ? $" and {numbers.Count - MostOfAKind} more" : "")}"];

    private static void Section(Sheet sheet, string title, IReadOnlyList<string> lines)
    {
        if (lines.Count == 0)
            return;
        sheet.Line();
        sheet.Line(title);
        foreach (var line in lines.Take(MostOfAKind))
            sheet.Line($"  {line}");
        if (lines.Count > MostOfAKind)
            sheet.Line($"  and {lines.Count - MostOfAKind} more");
    }

    private static string Word(RowDifferenceKind kind) => kind switch { RowDifferenceKind.Missing => "missing  ", RowDifferenceKind.Extra => "extra    ", _ => "different" };

    private static string Value(string? value) => value is null ? "NULL" : $"'{Short(value)}'";

    // A value may have what moves a terminal's cursor.
    private static string Short(string text) =>
        string.Concat((text.Length > LongestValue ? text[..LongestValue] + "…" : text).Select(c => c < ' ' ? (char)('\u2400' + c) : c == '\x7f' ? '\u2421' : c is > '\x7f' and <= '\x9f' ? '\ufffd' : c));

    private static string Many(int count, string what) => $"{Grouped(count)} {what}{(count == 1 ? "" : "s")}";

    private static string Grouped(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
