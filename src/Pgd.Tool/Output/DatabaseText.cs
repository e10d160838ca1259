namespace Pgd.Tool.Output;

/// <summary>Databases as text.</summary>
internal static class DatabaseText
{
    public static void Table(IReadOnlyList<Database> databases, Sheet sheet) =>
        sheet.Table(["NAME", "OWNER", "SIZE", "COPY OF", "CONNECTIONS"], [.. databases.Select(database => new[]
        {
            database.Name + (database.IsTemplate ? " (template)" : ""), database.Owner, Measured.Size(database.Bytes), database.Template ?? "-",
            !database.AllowConnections ? "none allowed" : BranchText.Number(database.Connections) + (database.ConnectionLimit is { } limit ? $" of {BranchText.Number(limit)}" : ""),
        })]);

    public static void Made(DatabaseBranched made, Sheet sheet)
    {
        var name = DatabaseName.Parse(made.Database.Name);
        var shared = made.SharedBytes is { } bytes ? $", {Measured.Size(bytes)} of it shared" : "";
        sheet.Line($"Created {made.Database.Name} from {made.Database.Template}: {Measured.Size(made.Database.Bytes)}{shared}, {How(made.Strategy)} in {BranchText.Number((int)Math.Ceiling(made.Milliseconds))} ms");
        if (!made.Database.AllowConnections)
            return;
        sheet.Line();
        sheet.Line($"Connect: dotnet pgd branch url {name.Branch} --database {name.Database}");
    }

    private static string How(DatabaseStrategy strategy) => strategy switch
    {
        DatabaseStrategy.Clone => "by shared extents",
        DatabaseStrategy.WalLog => "through the write-ahead log",
        _ => "file by file",
    };
}
