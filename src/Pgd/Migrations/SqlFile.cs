using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.FileSystemGlobbing;

namespace Pgd.Migrations;

/// <summary>A migration file as it is on disk.</summary>
/// <param name="Path">Relative to the working folder, with slashes.</param>
/// <param name="Sha256">Of its bytes.</param>
/// <param name="Content">Its bytes.</param>
internal sealed partial record SqlFile(string Path, string Sha256, byte[] Content)
{
    private const string UpEnd = ".up.sql";
    private const string DownEnd = ".down.sql";

    /// <summary>The files that match, in the order in which they run.</summary>
    /// <exception cref="PgdException">None does (<see cref="ExitCode.Misuse"/>): a mistyped pattern must not pass for a migration that worked.</exception>
    public static IReadOnlyList<SqlFile> Find(string workingDirectory, string pattern)
    {
        var root = System.IO.Path.GetFullPath(workingDirectory);
        if (!Directory.Exists(root))
            throw new PgdException(ExitCode.Misuse, $"the folder of the migration files, {root}, does not exist");
        var matcher = new Matcher(StringComparison.Ordinal, preserveFilterOrder: true);
        foreach (var line in pattern.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith('!'))
                matcher.AddExclude(Relative(root, line[1..]));
            else
                matcher.AddInclude(Relative(root, line));
        }

        // The way back is no migration, unless it is asked for by name.
        var all = pattern.Split('\n', StringSplitOptions.TrimEntries).Any(line => !line.StartsWith('!') && line.Contains(DownEnd, StringComparison.Ordinal));
        var paths = matcher.GetResultsInFullPath(root).Select(path => Relative(root, path)).Where(path => all || !IsDown(path)).Distinct(StringComparer.Ordinal).ToList();
        if (paths.Count == 0)
        {
            throw new PgdException(ExitCode.Misuse, $"no file in {root} matches {pattern.Trim()}",
                "The pattern knows *, ** and nothing else, for example db/migrations/**/*.sql.");
        }

        paths.Sort(NaturalOrder.Instance);
        return [.. paths.Select(path => Read(root, path))];
    }

    /// <summary>Whether it is one that takes another back.</summary>
    public static bool IsDown(string path) => path.EndsWith(DownEnd, StringComparison.Ordinal);

    /// <summary>The file beside one that takes it back; null if there is none.</summary>
    public static string? Down(string root, string path)
    {
        var stem = path.EndsWith(UpEnd, StringComparison.Ordinal) ? path[..^UpEnd.Length] : path.EndsWith(".sql", StringComparison.Ordinal) ? path[..^".sql".Length] : path;
        return System.IO.Path.Exists(System.IO.Path.Combine(root, stem + DownEnd)) ? stem + DownEnd : null;
    }

    /// <summary>A path in the form in which files are found: relative, with slashes, without <c>./</c>.</summary>
    public static string Normalize(string path)
    {
        path = path.Replace('\\', '/');
        while (path.StartsWith("./", StringComparison.Ordinal))
            path = path[2..];
        return path;
    }

    /// <summary>Takes the content apart.</summary>
    /// <exception cref="PgdException">It is not UTF-8, or not SQL alone (<see cref="ExitCode.Misuse"/>).</exception>
    public SqlScript Parse() => SqlScript.Parse(Path, Text());

    /// <summary>Takes the content of another program's file apart, as far as that goes: what psql understands, and transactions, do not matter.</summary>
    /// <exception cref="PgdException">It is not UTF-8, or has something that does not close (<see cref="ExitCode.Misuse"/>).</exception>
    public IReadOnlyList<SqlStatement> Split() => SqlScript.Split(PsqlCommand.Replace(Text(), ""));

    private string Text()
    {
        var bytes = Content.AsSpan();
        if (bytes.StartsWith(Encoding.UTF8.Preamble))
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw new PgdException(ExitCode.Misuse, $"{Path} is not UTF-8 (byte {exception.Index + 1})", "Save it as UTF-8, for example with iconv.", exception);
        }

        return text.Contains('\0')
            ? throw new PgdException(ExitCode.Misuse, $"{Path} has a NUL character: it is not text in UTF-8", "Save it as UTF-8, for example with iconv.")
            : text;
    }

    [GeneratedRegex(@"^\\.*$", RegexOptions.Multiline)]
    private static partial Regex PsqlCommand { get; }

    private static string Relative(string root, string path) =>
        Normalize(System.IO.Path.IsPathRooted(path) ? System.IO.Path.GetRelativePath(root, path) : path);

    /// <summary>Reads one file.</summary>
    public static SqlFile Read(string root, string path)
    {
        try
        {
            var content = File.ReadAllBytes(System.IO.Path.Combine(root, path));
            return new(path, Convert.ToHexStringLower(SHA256.HashData(content)), content);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.Misuse, $"{path} cannot be read: {exception.Message}", inner: exception);
        }
    }
}
