using System.Text.RegularExpressions;
using Pgd.IntegrationTests.SqlCommands;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Databases as their own dump programs show them, with rows in the order of their text: where they are in a file is nobody's business.</summary>
internal static class Dumps
{
    public static string OfPostgres(string url)
    {
        var (lines, rows) = (new List<string>(), (List<string>?)null);
        foreach (var line in LabCommand.Run("env", "PGTZ=UTC", "/usr/lib/postgresql/15/bin/pg_dump", "--no-password", url).Split('\n'))
        {
            if (line.StartsWith("\\restrict", StringComparison.Ordinal) || line.StartsWith("\\unrestrict", StringComparison.Ordinal))
                continue;
            if (rows is not null && line == "\\.")
            {
                lines.AddRange(rows.Order(StringComparer.Ordinal));
                rows = null;
            }

            (rows ?? lines).Add(line);
            if (line.StartsWith("COPY ", StringComparison.Ordinal) && line.EndsWith("FROM stdin;", StringComparison.Ordinal))
                rows = [];
        }

        return string.Join('\n', lines);
    }

    public static string OfMariaDb(MariaDbServer server, string database)
    {
        var (lines, rows) = (new List<string>(), new List<string>());
        foreach (var line in LabCommand.Run("mariadb-dump", "--no-defaults", $"--socket={server.Socket}", "--user=root", "--single-transaction", "--routines", "--events", "--skip-comments", "--hex-blob", "--skip-extended-insert", "--complete-insert", database).Split('\n'))
        {
            if (line.StartsWith("INSERT INTO", StringComparison.Ordinal))
            {
                rows.Add(line);
                continue;
            }

            lines.AddRange(rows.Order(StringComparer.Ordinal));
            rows.Clear();
            lines.Add(Regex.Replace(line, "`(shop|copy)`\\.|^ALTER DATABASE `(shop|copy)` .*", ""));
        }

        return string.Join('\n', lines);
    }

    public static string FirstDifference(string expected, string actual)
    {
        var (one, other) = (expected.Split('\n'), actual.Split('\n'));
        var at = Enumerable.Range(0, Math.Min(one.Length, other.Length)).FirstOrDefault(i => one[i] != other[i], Math.Min(one.Length, other.Length));
        return $"expected {string.Join(" | ", one.Skip(at).Take(3))}\ngot {string.Join(" | ", other.Skip(at).Take(3))}";
    }
}
