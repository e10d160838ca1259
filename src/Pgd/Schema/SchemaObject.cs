namespace Pgd.Schema;

/// <summary>An object of a database's schema, as the lines that make it.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Name">Its name, with its schema and all else that tells it from others.</param>
internal sealed record SchemaObject(SchemaKind Kind, string Name)
{
    /// <summary>The lines, in an order that does not depend on that of creation.</summary>
    public List<SchemaLine> Lines { get; } = [];

    /// <summary>All of it.</summary>
    public string Text => string.Join('\n', Lines.Select(l => l.Text));

    /// <summary>What counts by itself, by kind and name.</summary>
    public Dictionary<(SchemaKind Kind, string Name), string> Parts => Lines.Where(l => l.Part is not null).ToDictionary(l => (l.Part!.Value, l.Name), l => l.Text);

    /// <summary>The rest.</summary>
    public string Frame => string.Join('\n', Lines.Where(l => l.Part is null).Select(l => l.Text));
}

/// <summary>A line of an object; a statement in it may have several.</summary>
/// <param name="Text">It.</param>
/// <param name="Part">What it is the text of; null for the object itself.</param>
/// <param name="Name">Which one.</param>
internal sealed record SchemaLine(string Text, SchemaKind? Part, string Name);
