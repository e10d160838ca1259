using System.Text;

namespace Pgd.Schema;

/// <summary>How the schema of a database differs between two branches.</summary>
public sealed record SchemaDiff
{
    /// <summary>The branch that was asked about: what is there alone is added.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>What it was compared with: what is there alone is removed.</summary>
    public required BranchName Base { get; init; }

    /// <summary>The database.</summary>
    public required string Database { get; init; }

    /// <summary>How many there are of each kind of change, by kind; what a table that came or went has in it does not count.</summary>
    public required IReadOnlyList<SchemaGroup> Groups { get; init; }

    /// <summary>The objects that differ, by kind and name.</summary>
    public required IReadOnlyList<SchemaDifference> Objects { get; init; }

    /// <summary>All of it as a unified diff, three lines of context around each change; empty if nothing differs. Control characters are shown by their pictures.</summary>
    public required string Text { get; init; }

    /// <summary>Whether the schemas are the same.</summary>
    public bool IsEmpty => Objects.Count == 0;

    /// <summary>The groups in words: <c>2 tables added, 1 column changed</c>; <c>no difference</c> without any.</summary>
    public string Summary => IsEmpty ? "no difference" : string.Join(", ", Groups);

    internal static SchemaDiff Of(BranchName branch, BranchName @base, string database, IReadOnlyList<SchemaObject> old, IReadOnlyList<SchemaObject> @new)
    {
        var (counts, objects, text) = (new SortedDictionary<(SchemaKind, SchemaChange), int>(), new List<SchemaDifference>(), new StringBuilder());
        foreach (var (was, now) in Pairs(old, @new))
        {
            var difference = Difference(was, now);
            objects.Add(difference);
            foreach (var change in was is null || now is null ? [(difference.Kind, difference.Change)] : Changes(was, now))
                counts[change] = counts.GetValueOrDefault(change) + 1;
            if (text.Length == 0)
                text.Append("--- ").Append(@base).Append("\n+++ ").Append(branch).Append('\n');
            UnifiedDiff.Write(text, $"{SchemaWords.One(difference.Kind)} {difference.Name}", difference.Old ?? "", difference.New ?? "");
        }

        return new()
        {
            Branch = branch,
            Base = @base,
            Database = database,
            Groups = [.. counts.Select(c => new SchemaGroup(c.Key.Item1, c.Key.Item2, c.Value))],
            Objects = objects,
            Text = text.ToString(),
        };
    }

    /// <summary>What differs, object by object.</summary>
    internal static IEnumerable<SchemaDifference> Differences(IReadOnlyList<SchemaObject> old, IReadOnlyList<SchemaObject> @new) => Pairs(old, @new).Select(pair => Difference(pair.Was, pair.Now));

    private static IEnumerable<(SchemaObject? Was, SchemaObject? Now)> Pairs(IReadOnlyList<SchemaObject> old, IReadOnlyList<SchemaObject> @new)
    {
        var before = old.ToDictionary(o => (o.Kind, o.Name));
        var after = @new.ToDictionary(o => (o.Kind, o.Name));
        return from key in before.Keys.Union(after.Keys).OrderBy(k => k.Kind).ThenBy(k => k.Name, StringComparer.Ordinal)
               let was = before.GetValueOrDefault(key)
               let now = after.GetValueOrDefault(key)
               where was?.Text != now?.Text
               select (was, now);
    }

    private static SchemaDifference Difference(SchemaObject? was, SchemaObject? now) =>
        new((was ?? now)!.Kind, (was ?? now)!.Name, was is null ? SchemaChange.Added : now is null ? SchemaChange.Removed : SchemaChange.Changed, was?.Text, now?.Text);

    private static IEnumerable<(SchemaKind, SchemaChange)> Changes(SchemaObject was, SchemaObject now)
    {
        var (old, @new) = (was.Parts, now.Parts);
        var parts = old.Keys.Union(@new.Keys).Where(p => old.GetValueOrDefault(p) != @new.GetValueOrDefault(p))
            .Select(p => (p.Kind, !old.ContainsKey(p) ? SchemaChange.Added : !@new.ContainsKey(p) ? SchemaChange.Removed : SchemaChange.Changed)).ToList();
        // Where all parts are the same, their order is not.
        return was.Frame != now.Frame || parts.Count == 0 ? parts.Append((was.Kind, SchemaChange.Changed)) : parts;
    }
}

/// <summary>How many of one kind were changed in one way.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Change">The way.</param>
/// <param name="Count">How many.</param>
public sealed record SchemaGroup(SchemaKind Kind, SchemaChange Change, int Count)
{
    /// <summary>In words: <c>2 tables added</c>.</summary>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Count} {(Count == 1 ? SchemaWords.One(Kind) : SchemaWords.Many(Kind))} {(Change switch { SchemaChange.Added => "added", SchemaChange.Removed => "removed", _ => "changed" })}");
}

/// <summary>An object that differs.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Name">Its name, with its schema; for a function also the types of its arguments, for a trigger its table, …</param>
/// <param name="Change">What happened to it.</param>
/// <param name="Old">How it reads in what was compared with; null if it is not there.</param>
/// <param name="New">How it reads in the branch; null if it is not there.</param>
public sealed record SchemaDifference(SchemaKind Kind, string Name, SchemaChange Change, string? Old, string? New)
{
    /// <summary>What it is called: <c>foreign table sales.orders</c>.</summary>
    public override string ToString() => $"{SchemaWords.One(Kind)} {Name}";
}
