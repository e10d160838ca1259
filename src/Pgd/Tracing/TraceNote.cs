using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pgd.Tracing;

/// <summary>What an event trigger of ours wrote into the server's log from inside the session that it watched.</summary>
internal sealed record TraceNote
{
    private const string Prefix = "pgd trace ";

    /// <summary><c>ddl_command_start</c>, <c>ddl_command_end</c> or <c>table_rewrite</c>.</summary>
    [JsonPropertyName("event")]
    public required string Event { get; init; }

    /// <summary>The command's tag: <c>ALTER TABLE</c>.</summary>
    [JsonPropertyName("tag")]
    public required string Tag { get; init; }

    /// <summary>Microseconds since 1970.</summary>
    [JsonPropertyName("at")]
    public long At { get; init; }

    /// <summary>How far the write-ahead log was, in bytes.</summary>
    [JsonPropertyName("lsn")]
    public long Lsn { get; init; }

    /// <summary>As <c>SHOW</c> shows it; <c>0</c> for none.</summary>
    [JsonPropertyName("lock_timeout")]
    public string? LockTimeout { get; init; }

    [JsonPropertyName("locks")]
    public IReadOnlyList<NotedLock> Locks { get; init; } = [];

    /// <summary>Why: a sum of 1 (persistence), 2 (default), 4 (type), 8 (access method).</summary>
    [JsonPropertyName("reason")]
    public int Reason { get; init; }

    /// <summary>What kept the trigger from telling more.</summary>
    [JsonPropertyName("error")]
    public string? Error { get; init; }

    /// <summary>Whether it was not a statement of the session itself, but one inside a function or another trigger.</summary>
    [JsonIgnore]
    public bool IsNested { get; init; }

    /// <summary>Reads one; null for any other entry, also one that somebody else begins in the same way.</summary>
    public static TraceNote? Of(ServerLogEntry entry)
    {
        if (!entry.Message.StartsWith(Prefix, StringComparison.Ordinal))
            return null;
        try
        {
            // Our own line is the first of its context; one more is what called us.
            return JsonSerializer.Deserialize(entry.Message.AsSpan(Prefix.Length), TraceNoteJson.Default.TraceNote) is { } note
                ? note with { IsNested = entry.Context?.Contains('\n', StringComparison.Ordinal) == true } : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSerializable(typeof(TraceNote))]
internal sealed partial class TraceNoteJson : JsonSerializerContext;

/// <summary>A lock that a session held when a command began or ended.</summary>
internal sealed record NotedLock([property: JsonPropertyName("relation")] uint Relation, [property: JsonPropertyName("mode")] string Mode, [property: JsonPropertyName("file")] uint File);
