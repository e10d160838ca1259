using System.Globalization;
using System.Text;
using Pgd.Migrations;

namespace Pgd.Postgres;

/// <summary>
/// Reads a dump's SQL and collects what must be known before it is restored. Text is Latin-1 here, one character for each byte:
/// a dump may be in any encoding, and nothing but names matters.
/// </summary>
internal sealed class DumpText
{
    private const string ClusterTitle = "-- PostgreSQL database cluster dump";
    private const string Title = "-- PostgreSQL database dump";
    private const string ServerVersion = "-- Dumped from database version ";
    private const string DumpVersion = "-- Dumped by pg_dump version ";
    private const string ClusterDumpVersion = "-- Dumped by pg_dumpall version ";

    private const int LookAgainFrom = 1 << 16;

    private readonly HashSet<string> named = new(StringComparer.Ordinal);
    private readonly HashSet<string> created = new(StringComparer.Ordinal);
    private readonly SortedSet<string> databases = new(StringComparer.Ordinal);
    private readonly StringBuilder statement = new();
    private int next;
    private bool hasTitle;
    private bool isComplete;

    public bool IsCluster { get; private set; }

    public int? ServerMajor { get; private set; }

    public int? DumpMajor { get; private set; }

    /// <summary>Whether the dump ends early: pg_dump writes a last line that says that it is complete. (Decompressing a cut file may tell nothing.)</summary>
    public bool IsCutOff => hasTitle && !isComplete;

    /// <summary>A tablespace that the dump makes.</summary>
    public string? Tablespace { get; private set; }

    /// <summary>Whether a line belongs to the data of a COPY.</summary>
    public bool InData { get; private set; }

    /// <summary>Roles that must be there before the restore.</summary>
    public IReadOnlyList<string> Roles => [.. named.Except(created, StringComparer.Ordinal).Where(IsOrdinary).Order(StringComparer.Ordinal)];

    public IReadOnlyList<string> Databases => [.. databases];

    /// <summary>The major version in <c>15.3 (Debian …)</c>, <c>18beta1</c>, <c>9.6.24</c>.</summary>
    public static int? Major(string version)
    {
        var digits = version.AsSpan().TrimStart();
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return int.TryParse(end < 0 ? digits : digits[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
    }

    public void Add(string line)
    {
        if (InData)
        {
            InData = line != "\\.";
            return;
        }

        if (statement.Length == 0)
        {
            if (line.Length == 0)
                return;
            if (line.StartsWith("--", StringComparison.Ordinal))
            {
                ReadComment(line);
                return;
            }

            if (line[0] == '\\')
            {
                ReadCommand(line);
                return;
            }
        }

        statement.Append(line).Append('\n');
        // Every statement that pg_dump writes ends at the end of a line.
        if (!line.EndsWith(';') || statement.Length < next)
            return;
        if (Tokens(statement.ToString()) is { } tokens)
        {
            statement.Clear();
            next = 0;
            Read(tokens);
        }
        else if (statement.Length > LookAgainFrom)
        {
            // A long one is looked at again only when it has grown a good deal, or looking would take quadratic time.
            next = statement.Length * 2;
        }
    }

    private void ReadComment(string line)
    {
        if (line == ClusterTitle)
            IsCluster = hasTitle = true;
        else if (line == Title)
            hasTitle = true;
        else if (line == (IsCluster ? ClusterTitle : Title) + " complete")
            isComplete = true;
        else if (line.StartsWith(ServerVersion, StringComparison.Ordinal))
            ServerMajor = Larger(ServerMajor, Major(line[ServerVersion.Length..]));
        else if (line.StartsWith(DumpVersion, StringComparison.Ordinal))
            DumpMajor = Larger(DumpMajor, Major(line[DumpVersion.Length..]));
        else if (line.StartsWith(ClusterDumpVersion, StringComparison.Ordinal))
            DumpMajor = Larger(DumpMajor, Major(line[ClusterDumpVersion.Length..]));
    }

    private void ReadCommand(string line)
    {
        var words = line.Split(' ', 2, StringSplitOptions.RemoveEmptyEntries);
        if (words is not ["\\connect" or "\\c", var argument])
            return;
        // \connect app, \connect "my app", \connect -reuse-previous=on "dbname='my app'"
        argument = argument.Replace("-reuse-previous=on", "", StringComparison.Ordinal).Trim().Trim('"');
        if (argument.StartsWith("dbname=", StringComparison.Ordinal))
            argument = argument["dbname=".Length..].Trim('\'').Replace("\\'", "'", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);
        databases.Add(Decode(argument));
    }

    private void Read(List<string> tokens)
    {
        for (var i = 1; i < tokens.Count; i++)
        {
            if (tokens[i] == "to" && tokens[i - 1] == "owner")
                AddRoles(tokens, i + 1);
            else if (tokens[i] == "by" && tokens[i - 1] == "granted")
                AddRoles(tokens, i + 1);
        }

        switch (tokens)
        {
            case ["copy", .., "from", "stdin", ";"]:
                InData = true;
                break;
            case ["grant", ..]:
                AddRoles(tokens, tokens.LastIndexOf("to") + 1);
                break;
            case ["revoke", ..]:
                AddRoles(tokens, tokens.LastIndexOf("from") + 1);
                break;
            case ["alter", "default", "privileges", ..]:
                if (tokens.IndexOf("role") is > 0 and var role && tokens[role - 1] == "for")
                    AddRoles(tokens, role + 1);
                AddRoles(tokens, Math.Max(tokens.LastIndexOf("to"), tokens.LastIndexOf("from")) + 1);
                break;
            case ["create", "policy", ..]:
                if (tokens.IndexOf("to") is > 0 and var to)
                    AddRoles(tokens, to + 1);
                break;
            case ["create", "user", "mapping", "for", ..]:
                AddRoles(tokens, 4);
                break;
            case ["set", "session", "authorization", ..]:
                AddRoles(tokens, 3);
                break;
            case ["create", "role" or "user" or "group", var name, ..]:
                created.Add(Name(name));
                break;
            case ["create", "database", var name, ..]:
                databases.Add(Name(name));
                break;
            case ["create", "tablespace", var name, ..]:
                Tablespace = Name(name);
                break;
        }
    }

    private void AddRoles(List<string> tokens, int at)
    {
        for (; at > 0 && at < tokens.Count; at += 2)
        {
            if (tokens[at] is not ("public" or "current_user" or "session_user" or "current_role" or "default"))
                named.Add(Name(tokens[at]));
            if (at + 1 >= tokens.Count || tokens[at + 1] != ",")
                break;
        }
    }

    // Such names are the server's own; they cannot be made.
    private static bool IsOrdinary(string role) => role.Length > 0 && !role.StartsWith("pg_", StringComparison.Ordinal);

    /// <summary>The statement's tokens outside of parentheses, words in lower case; null when it is not finished yet.</summary>
    private static List<string>? Tokens(string sql)
    {
        var scanner = new SqlScanner(sql);
        var tokens = new List<string>();
        var depth = 0;
        var blocks = 0;
        while (true)
        {
            var token = scanner.Next();
            switch (token)
            {
                case SqlToken.End:
                    return depth == 0 && blocks == 0 && tokens.Count > 0 && tokens[^1] == ";" ? tokens : null;
                case SqlToken.UnclosedString or SqlToken.UnclosedIdentifier or SqlToken.UnclosedComment:
                    return null;
                case SqlToken.Open:
                    depth++;
                    continue;
                case SqlToken.Close:
                    depth--;
                    continue;
                case SqlToken.Space or SqlToken.LineComment or SqlToken.BlockComment:
                    continue;
            }

            if (depth > 0)
                continue;
            var text = token == SqlToken.Word ? scanner.Token.ToString().ToLowerInvariant() : scanner.Token.Length <= 300 ? scanner.Token.ToString() : "…";
            if (text == "atomic" && tokens.Count > 0 && tokens[^1] == "begin")
                blocks = 1;
            else if (blocks > 0 && text == "case")
                blocks++;
            else if (blocks > 0 && text == "end")
                blocks--;
            // A large INSERT outside of parentheses is short; what is long is of no interest beyond its beginning and end.
            tokens.Add(text);
        }
    }

    private static string Name(string token) => Decode(token switch
    {
        ['"', .. var inner, '"'] => inner.Replace("\"\"", "\"", StringComparison.Ordinal),
        ['\'', .. var inner, '\''] => inner.Replace("''", "'", StringComparison.Ordinal),
        _ => token,
    });

    private static string Decode(string latin1) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(latin1));

    private static int? Larger(int? one, int? other) => one is null || other > one ? other : one;
}
