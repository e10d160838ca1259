using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pgd.Backups;

/// <summary>What a backup is: everything that a restore and a verification need to know. Written once, before the mark that the backup is whole, and never changed.</summary>
internal sealed record BackupManifest
{
    /// <summary>The newest format that this version writes and reads.</summary>
    public const int CurrentFormat = 2;

    /// <summary>The oldest that has what it needs: 2 for a backup by column.</summary>
    public int Format { get; init; } = 1;

    /// <summary>When it was begun, by this machine's clock, and what tells it from others of that moment: <c>20261129T101500.123Z-F-1a2b3c</c>.</summary>
    public required string Id { get; init; }

    public BackupMode Mode { get; init; }

    public BackupKind Kind { get; init; }

    /// <summary>The backup that it builds on; null for a full one.</summary>
    public string? Parent { get; init; }

    /// <summary>Why it is full, if something else was asked for.</summary>
    public string? FullBecause { get; init; }

    /// <summary>What has to be the same for another one to build on it: the cluster's timeline, and a branch's generation. Without it none does.</summary>
    public string? History { get; init; }

    /// <summary>The full name of the branch, or the server and database without secrets, that it was made of.</summary>
    public required string Source { get; init; }

    /// <summary>The branch's identity: a later one of that name is another branch.</summary>
    public string? BranchId { get; init; }

    /// <summary>Which of its servers it was: a reset begins another history.</summary>
    public int? Generation { get; init; }

    /// <summary>PostgreSQL's major version; null for another database.</summary>
    public int? PostgresMajor { get; init; }

    /// <summary>The database that is none of PostgreSQL's, and its version.</summary>
    public string? Engine { get; init; }

    public string? EngineVersion { get; init; }

    /// <summary>The cluster's own number, which all of its clones have.</summary>
    public required string SystemIdentifier { get; init; }

    /// <summary>The C library that sorted its text, where that is known: <c>glibc</c> or <c>musl</c>.</summary>
    public string? Libc { get; init; }

    /// <summary>The cluster's bootstrap superuser; null for a logical one.</summary>
    public string? Superuser { get; init; }

    /// <summary>What a logical one holds.</summary>
    public DatabaseContent? Database { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was complete, by the same clock; null where an older version made it.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>The source's clock when the data was taken; null if it was not asked.</summary>
    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>The end of its write-ahead log.</summary>
    public string? Lsn { get; init; }

    public bool IsRecovering { get; init; }

    public int Slots { get; init; }

    public bool IsAdopted { get; init; }

    public bool IsAnonymized { get; init; }

    public string? AnonymizationDigest { get; init; }

    /// <summary>The folders of the data directory, by their paths in it, each after the one that it is in.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];

    /// <summary>The files, in the order in which they are in the parts.</summary>
    public IReadOnlyList<BackedUpFile> Files { get; init; } = [];

    /// <summary>The objects that hold the files.</summary>
    public IReadOnlyList<StoredPart> Parts { get; init; } = [];

    /// <summary>The objects with the digests of the files' blocks, by which a later one knows what changed: one of a part at most, with the maps of its files in their order.</summary>
    public IReadOnlyList<StoredPart> BlockMaps { get; init; } = [];

    /// <summary>The object with what the server said of the files that it sent, by which it knows what a later backup needs.</summary>
    public StoredPart? ServerManifest { get; init; }

    [JsonIgnore]
    public long Bytes => Parts.Sum(part => part.Bytes);

    /// <summary>All objects of it but this.</summary>
    [JsonIgnore]
    public IEnumerable<StoredPart> Objects => [.. Parts, .. BlockMaps, .. ServerManifest is { } server ? [server] : Array.Empty<StoredPart>()];

    [JsonIgnore]
    public long StoredBytes => Objects.Sum(part => part.StoredBytes);

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, BackupJson.Default.BackupManifest);

    /// <exception cref="PgdException">It is damaged, was edited, or is of a newer format (<see cref="ExitCode.Failed"/>).</exception>
    public static BackupManifest Read(string key, byte[] json)
    {
        try
        {
            var manifest = JsonSerializer.Deserialize(json, BackupJson.Default.BackupManifest) ?? throw new JsonException("it is null");
            return manifest.Format <= CurrentFormat ? manifest
                : throw new PgdException(ExitCode.Failed, $"{key} is of format {manifest.Format}, and this version reads formats up to {CurrentFormat}", "Update pgd: dotnet tool update Pgd.Tool");
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Failed, $"{key} is no manifest: {e.Message}", "What is damaged is not restored; choose another backup: dotnet pgd backup list", e);
        }
    }
}

/// <summary>A file in a backup.</summary>
/// <param name="Path">Its path in the data directory.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Part">Which of the parts it is in, from 0; -1 if it is as in the backup before.</param>
/// <param name="Digest">The digest of its content, see <see cref="BlockMap"/>.</param>
internal sealed record BackedUpFile(string Path, long Bytes, int Part, string Digest)
{
    /// <summary>Where a file is that is nowhere but in an earlier backup.</summary>
    public const int AsBefore = -1;

    /// <summary>What of it is stored; null for all. The rest of it is in the backup before.</summary>
    public BlockChanges? Changes { get; init; }

    [JsonIgnore]
    public bool IsAsBefore => Part == AsBefore;
}

/// <summary>The blocks of a file that changed.</summary>
/// <param name="Windows">How many pieces they are in.</param>
/// <param name="Bytes">The length of these pieces.</param>
/// <param name="Digest">The digest of them all (XXH128), one after the other.</param>
internal sealed record BlockChanges(int Windows, long Bytes, string Digest);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectRequiredConstructorParameters = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BackupManifest))]
[JsonSerializable(typeof(BackupVerification))]
[JsonSerializable(typeof(BackupPin))]
internal sealed partial class BackupJson : JsonSerializerContext;
