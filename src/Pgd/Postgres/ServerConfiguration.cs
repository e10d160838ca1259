using System.Text;

namespace Pgd.Postgres;

/// <summary>
/// The settings in a data directory's own files, as its server would read them: <c>postgresql.conf</c> with what it includes, then
/// <c>postgresql.auto.conf</c>. What a server cannot start without must be known before it does.
/// </summary>
internal sealed class ServerConfiguration
{
    // The server gives up there as well, and a file may include itself.
    private const int DeepestInclude = 10;

    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);

    private ServerConfiguration()
    {
    }

    /// <summary>Reads the files; one that is not there says nothing.</summary>
    public static ServerConfiguration Read(string data)
    {
        var configuration = new ServerConfiguration();
        configuration.ReadFile(Path.Combine(data, "postgresql.conf"), 0);
        configuration.ReadFile(Path.Combine(data, "postgresql.auto.conf"), 0);
        return configuration;
    }

    /// <summary>A setting that comes before the files, on the command line.</summary>
    public void Override(string name, string value) => _values[name] = value;

    /// <summary>A setting's value; null if the files do not say it.</summary>
    public string? Find(string name) => _values.GetValueOrDefault(name);

    /// <summary>Whether a setting is on, in any of the spellings of that; <paramref name="otherwise"/> if the files do not say it.</summary>
    public bool IsOn(string name, bool otherwise) => Find(name) is { } value ? value.ToLowerInvariant() is not ("off" or "false" or "no" or "0") : otherwise;

    /// <summary>A setting that lists names, each maybe in double quotes.</summary>
    public IReadOnlyList<string> List(string name)
    {
        var names = new List<string>();
        var (text, inQuotes) = (new StringBuilder(), false);
        foreach (var c in $"{Find(name)},")
        {
            if (c == '"')
                inQuotes = !inQuotes;
            else if (c != ',' || inQuotes)
                text.Append(c);
            else
            {
                if (text.ToString().Trim() is { Length: > 0 } found)
                    names.Add(found);
                text.Clear();
            }
        }

        return names;
    }

    // A line: NAME [=] VALUE [# comment]; a value in single quotes may hold anything, two of them mean one, and a backslash escapes.
    internal static (string Name, string Value)? ParseLine(string line)
    {
        var at = Skip(line, 0);
        var start = at;
        while (at < line.Length && (char.IsLetterOrDigit(line[at]) || line[at] is '_' or '.' or '$'))
            at++;
        if (at == start)
            return null;
        var name = line[start..at];
        at = Skip(line, at);
        if (at < line.Length && line[at] == '=')
            at = Skip(line, at + 1);
        if (at >= line.Length || line[at] != '\'')
            return line[at..].Split('#', 2)[0].Trim() is { Length: > 0 } plain ? (name, plain) : null;
        var value = new StringBuilder();
        for (at++; at < line.Length; at++)
        {
            if (line[at] == '\\' && at + 1 < line.Length)
                value.Append(line[++at]);
            else if (line[at] == '\'' && !(at + 1 < line.Length && line[at + 1] == '\''))
                return (name, value.ToString());
            else
                value.Append(line[line[at] == '\'' ? at++ : at]);
        }

        return null;

        static int Skip(string text, int from)
        {
            while (from < text.Length && char.IsWhiteSpace(text[from]))
                from++;
            return from;
        }
    }

    private void ReadFile(string file, int depth)
    {
        if (depth > DeepestInclude || !File.Exists(file))
            return;
        foreach (var line in File.ReadLines(file))
        {
            if (line.Length == 0 || line[0] == '#' || ParseLine(line) is not var (name, value))
                continue;
            var path = Path.Combine(Path.GetDirectoryName(file)!, value);
            if (name is "include" or "include_if_exists")
                ReadFile(path, depth + 1);
            else if (name is not "include_dir")
                _values[name] = value;
            else if (Directory.Exists(path))
            {
                foreach (var included in Directory.EnumerateFiles(path, "*.conf").Where(f => Path.GetFileName(f)[0] != '.').Order(StringComparer.Ordinal))
                    ReadFile(included, depth + 1);
            }
        }
    }
}
