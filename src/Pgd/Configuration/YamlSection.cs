using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Pgd.Configuration;

/// <summary>
/// One mapping of a configuration file. Asking for a key makes it known; <see cref="RefuseUnknown"/> then complains about the others.
/// So the code that reads is the one list of keys.
/// </summary>
internal sealed class YamlSection(string file, string path, YamlMappingNode? mapping)
{
    private readonly List<string> _known = [];

    public static YamlSection Of(string file, string path, YamlNode node) => node switch
    {
        YamlMappingNode mapping => new(file, path, mapping),
        YamlScalarNode scalar when IsNull(scalar) => new(file, path, null),
        _ => throw Misuse(file, node, path.Length == 0 ? $"keys and values were expected, not {Kind(node)}" : $"\"{path}\" must hold keys and values, not {Kind(node)}"),
    };

    /// <summary>A section below this one; empty if it is not there.</summary>
    public YamlSection Section(string key) => Find(key) is { } node ? Of(file, Full(key), node) : new(file, Full(key), null);

    public string? Text(string key) => Scalar(key)?.Value;

    /// <summary>A text that <paramref name="fault"/> finds nothing wrong with; its answer ends the error message.</summary>
    public string? Text(string key, Func<string, string?> fault) =>
        Scalar(key) is not { } node ? null
        : fault(node.Value!) is { } wrong ? throw Misuse(file, node, $"\"{Full(key)}\" {wrong}") : node.Value;

    public string? OneOf(string key, params string[] values) =>
        Text(key, value => values.Contains(value, StringComparer.Ordinal) ? null : $"cannot be \"{value}\": it is one of {string.Join(", ", values)}");

    public bool? Flag(string key) => OneOf(key, "true", "false") is { } text ? text == "true" : null;

    public int? Number(string key) =>
        Text(key, value => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? null : $"must be a whole number, not \"{value}\"") is { } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : null;

    public TimeSpan? Span(string key) =>
        Text(key, value => Duration.TryParse(value, out _) ? null : $"must be a duration such as 30m, 12h, 7d or never, not \"{value}\"") is { } text
            ? Duration.Parse(text)
            : null;

    /// <summary>A list of texts; a single text counts as a list of one.</summary>
    public IReadOnlyList<string> Texts(string key) => Find(key) switch
    {
        null => [],
        YamlSequenceNode list => [.. list.Children.Select(item => ScalarOf(item, key).Value!)],
        var node => [ScalarOf(node, key).Value!],
    };

    /// <summary>All keys with their texts, whatever they are called.</summary>
    public IReadOnlyDictionary<string, string> Map() =>
        mapping?.Children.Keys.OfType<YamlScalarNode>().ToDictionary(key => key.Value!, key => Text(key.Value!)!, StringComparer.Ordinal) ?? [];

    /// <summary>The sections below this one, whatever they are called.</summary>
    public IReadOnlyList<(string Name, YamlSection Section)> Sections() =>
        [.. from key in mapping?.Children.Keys.OfType<YamlScalarNode>() ?? [] select (key.Value!, Section(key.Value!))];

    /// <summary>All keys with their texts and the line of each, whatever they are called; a text in quotes may be empty. <paramref name="fault"/> looks at the keys, as it does at a text.</summary>
    public IReadOnlyList<(string Key, string Value, string Place)> Entries(Func<string, string?> fault) =>
        [.. from entry in (IEnumerable<KeyValuePair<YamlNode, YamlNode>>?)mapping?.Children ?? []
            let key = (entry.Key as YamlScalarNode)?.Value ?? entry.Key.ToString()
            let wrong = fault(key) ?? (IsNull(entry.Value) ? "is empty" : null)
            select wrong is not null ? throw Misuse(file, entry.Key, $"\"{Full(key)}\" {wrong}")
                : (key, entry.Value is YamlScalarNode { Value: { } value } ? value : ScalarOf(entry.Value, key).Value!, $"{file}:{entry.Key.Start.Line}")];

    /// <summary>The text of a key read by <paramref name="read"/>, whose refusal gets the file and the line.</summary>
    public T? Value<T>(string key, Func<string, T> read)
        where T : struct => Scalar(key) is { } node ? Read(node, key, read) : null;

    /// <summary>The same for what is an object.</summary>
    public T? Object<T>(string key, Func<string, T> read)
        where T : class => Scalar(key) is { } node ? Read(node, key, read) : null;

    /// <summary>The same for each of a list.</summary>
    public IReadOnlyList<T> Objects<T>(string key, Func<string, T> read) => Find(key) switch
    {
        null => [],
        YamlSequenceNode list => [.. list.Children.Select(item => Read(ScalarOf(item, key), key, read))],
        var node => [Read(ScalarOf(node, key), key, read)],
    };

    private T Read<T>(YamlScalarNode node, string key, Func<string, T> read)
    {
        try
        {
            return read(node.Value!);
        }
        catch (PgdException e)
        {
            throw new PgdException(e.ExitCode, $"{file}:{node.Start.Line}: \"{Full(key)}\": {e.Message}", e.Hint, e);
        }
    }

    /// <summary>An error at the line of a key.</summary>
    public PgdException Misuse(string key, string text) => Misuse(file, Find(key)!, text);

    /// <summary>Complains about the first key that nobody asked for.</summary>
    public void RefuseUnknown()
    {
        foreach (var key in mapping?.Children.Keys ?? [])
        {
            var name = (key as YamlScalarNode)?.Value;
            if (name is not null && _known.Contains(name))
                continue;
            var nearest = name is null ? null : Spelling.Nearest(name, _known);
            throw new PgdException(ExitCode.Misuse, $"{file}:{key.Start.Line}: unknown key \"{Full(name ?? key.ToString())}\"",
                nearest is null ? $"Keys here: {string.Join(", ", _known)}." : $"Did you mean \"{nearest}\"?");
        }
    }

    private YamlNode? Find(string key)
    {
        if (!_known.Contains(key))
            _known.Add(key);
        return mapping is not null && mapping.Children.TryGetValue(new YamlScalarNode(key), out var node) && !IsNull(node) ? node : null;
    }

    private YamlScalarNode? Scalar(string key) => Find(key) is { } node ? ScalarOf(node, key) : null;

    private YamlScalarNode ScalarOf(YamlNode node, string key) => node switch
    {
        YamlScalarNode { Value.Length: > 0 } scalar => scalar,
        YamlScalarNode => throw Misuse(file, node, $"\"{Full(key)}\" is empty"),
        _ => throw Misuse(file, node, $"\"{Full(key)}\" must be one value, not {Kind(node)}"),
    };

    private string Full(string key) => path.Length == 0 ? key : $"{path}.{key}";

    private static bool IsNull(YamlNode node) => node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" };

    private static string Kind(YamlNode node) => node switch { YamlMappingNode => "keys and values", YamlSequenceNode => "a list", _ => "a single value" };

    private static PgdException Misuse(string file, YamlNode node, string text) => new(ExitCode.Misuse, $"{file}:{node.Start.Line}: {text}");
}
