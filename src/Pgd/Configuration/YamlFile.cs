using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Pgd.Configuration;

/// <summary>Reads a configuration file to its nodes: their lines are what a good error needs, and no reflection is involved.</summary>
internal static class YamlFile
{
    /// <summary>The file's top section; null if there is no such file. An empty file is an empty section.</summary>
    public static YamlSection? Read(string file)
    {
        if (!File.Exists(file))
        {
            // A file that is silently not read is the worst of typing errors.
            var sibling = Path.ChangeExtension(file, Path.GetExtension(file) == ".yml" ? ".yaml" : ".yml");
            return File.Exists(sibling)
                ? throw new PgdException(ExitCode.Misuse, $"{sibling} is not read: the file must be called {Path.GetFileName(file)}", $"Rename it: mv {sibling} {file}")
                : null;
        }

        try
        {
            using var reader = new StreamReader(file);
            return Parse(file, reader);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.Misuse, $"{file} cannot be read: {e.Message}", inner: e);
        }
    }

    public static YamlSection Parse(string file, TextReader reader)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(reader);
        }
        catch (YamlException e)
        {
            throw new PgdException(ExitCode.Misuse, $"{file}:{e.Start.Line}: {Sentence(e)}", "The file must be YAML.", e);
        }

        if (stream.Documents.Count > 1)
            throw new PgdException(ExitCode.Misuse, $"{file}:{stream.Documents[1].RootNode.Start.Line}: a second YAML document begins here", "Keep one document in the file.");
        return stream.Documents.Count == 0 ? new YamlSection(file, "", null) : YamlSection.Of(file, "", stream.Documents[0].RootNode);
    }

    // The parser's messages are terse ("Duplicate key", "While scanning …"): the position in front makes them useful.
    private static string Sentence(YamlException e)
    {
        var message = (e.InnerException?.Message ?? e.Message).TrimEnd('.');
        return message.Length == 0 ? "not YAML" : char.ToLowerInvariant(message[0]) + message[1..];
    }
}
