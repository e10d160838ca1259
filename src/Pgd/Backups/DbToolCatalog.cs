using System.Globalization;
using System.Text.Json.Serialization;

namespace Pgd.Backups;

/// <summary>A list of backups in the form of the file <c>backup_catalog.json</c> of DB Backup Utility (<c>dbtool.py</c>), for scripts that read that.</summary>
/// <param name="Backups">The complete ones, the oldest first.</param>
public sealed record DbToolCatalog([property: JsonPropertyName("backups")] IReadOnlyList<DbToolBackup> Backups);

/// <summary>A backup in that form.</summary>
public sealed record DbToolBackup
{
    /// <summary>Its identity there, such as <c>full_shop_20251101_120000_a1b2</c>, which is also the name of its folder.</summary>
    [JsonPropertyName("id")]
    public required string Id { get; init; }

    /// <summary><c>full</c>, or <c>partial</c> if it has only some of the tables.</summary>
    [JsonPropertyName("type")]
    public required string Type { get; init; }

    /// <summary>The version of pgd that says so.</summary>
    [JsonPropertyName("version")]
    public required string Version { get; init; }

    /// <summary><c>postgresql</c> or <c>mysql</c>, also for MariaDB.</summary>
    [JsonPropertyName("database_type")]
    public required string DatabaseType { get; init; }

    /// <summary>The server's version.</summary>
    [JsonPropertyName("database_version")]
    public required string DatabaseVersion { get; init; }

    /// <summary>The database; the branch, if it is of a whole cluster.</summary>
    [JsonPropertyName("database_name")]
    public required string DatabaseName { get; init; }

    /// <summary>When it was begun.</summary>
    [JsonPropertyName("timestamp_start")]
    public required string TimestampStart { get; init; }

    /// <summary>When it was complete, if that is known.</summary>
    [JsonPropertyName("timestamp_end")]
    public string? TimestampEnd { get; init; }

    /// <summary>How long it took, if that is known.</summary>
    [JsonPropertyName("duration_seconds")]
    public double? DurationSeconds { get; init; }

    /// <summary>The backup that an incremental one continues.</summary>
    [JsonPropertyName("parent_backup_id")]
    public string? ParentBackupId { get; init; }

    /// <summary>The full backup that a differential one belongs to.</summary>
    [JsonPropertyName("base_backup_id")]
    public string? BaseBackupId { get; init; }

    /// <summary>Always.</summary>
    [JsonPropertyName("compress")]
    public bool Compress { get; init; } = true;

    /// <summary>By what.</summary>
    [JsonPropertyName("compress_format")]
    public string CompressFormat { get; init; } = "zstd";

    /// <summary>Always <c>completed</c>: nothing else is a backup.</summary>
    [JsonPropertyName("status")]
    public string Status { get; init; } = "completed";

    /// <summary>The tables by their names, with their schemas where that is not <c>public</c>.</summary>
    [JsonPropertyName("tables")]
    public required IReadOnlyDictionary<string, DbToolTable> Tables { get; init; }

    /// <summary>How much it is.</summary>
    [JsonPropertyName("statistics")]
    public required DbToolStatistics Statistics { get; init; }

    /// <summary>The folder of an exported one; else where it is in the repository, which ends in the identity that pgd's commands take.</summary>
    [JsonPropertyName("backup_location")]
    public required string BackupLocation { get; init; }

    /// <summary>The definitions of an exported one.</summary>
    [JsonPropertyName("schema_file")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? SchemaFile { get; init; }

    internal static DbToolBackup Of(StoredBackup found, string store, bool isWhole)
    {
        var manifest = found.Manifest!;
        var name = manifest.Database?.Name ?? manifest.Source;
        var type = manifest.Parent is not null && !isWhole ? "differential" : manifest.Database is { IsPartial: true } ? "partial" : "full";
        return new()
        {
            Id = $"{type}_{FileName(name)}_{TimeIn(manifest)}_{manifest.Id[^4..]}",
            Type = type,
            ParentBackupId = isWhole ? null : manifest.Parent,
            Version = typeof(DbToolBackup).Assembly.GetName().Version!.ToString(3),
            DatabaseType = manifest.Engine is null ? "postgresql" : "mysql",
            DatabaseVersion = manifest.Engine is null ? $"PostgreSQL {manifest.PostgresMajor}" : manifest.EngineVersion?.Split('-')[0] ?? manifest.Engine,
            DatabaseName = name,
            TimestampStart = Iso(manifest.CreatedAt),
            TimestampEnd = manifest.CompletedAt is { } end ? Iso(end) : null,
            DurationSeconds = (manifest.CompletedAt - manifest.CreatedAt)?.TotalSeconds,
            Tables = (manifest.Database?.Tables ?? []).ToDictionary(table => NameOf(manifest, table), table => new DbToolTable(table.Rows < 0 ? null : table.Rows, table.Bytes, table.Part), StringComparer.Ordinal),
            Statistics = new(manifest.Database?.Tables.Count ?? 0, found.Backup.Rows ?? (manifest.Database is null ? 0 : null), manifest.StoredBytes),
            BackupLocation = $"{store.TrimEnd('/')}/{found.Prefix.TrimEnd('/')}",
        };
    }

    /// <summary>A backup's moment as it is in names of files.</summary>
    internal static string TimeIn(BackupManifest manifest) => manifest.CreatedAt.UtcDateTime.ToString("yyyyMMdd_HHmmss", CultureInfo.InvariantCulture);

    /// <summary>A database's name in that of a file: it leads nowhere else.</summary>
    internal static string FileName(string database) => string.Concat(database.Select((c, i) => c == '/' || char.IsControl(c) || (c == '.' && i == 0) ? '_' : c));

    internal static string Iso(DateTimeOffset moment) => moment.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);

    private static string NameOf(BackupManifest manifest, BackedUpTable table) => manifest.Engine is not null || table.Schema == "public" ? table.Name : $"{table.Schema}.{table.Name}";
}

/// <summary>A table in that form.</summary>
/// <param name="RowsCount">How many rows; null where nobody counted them.</param>
/// <param name="FileSizeBytes">How long they are as text.</param>
/// <param name="FilePath">Where they are.</param>
public sealed record DbToolTable([property: JsonPropertyName("rows_count")] long? RowsCount, [property: JsonPropertyName("file_size_bytes")] long FileSizeBytes, [property: JsonPropertyName("file_path")] string FilePath);

/// <summary>How much a backup is, in that form.</summary>
/// <param name="TotalTables">How many tables; 0 for a whole cluster.</param>
/// <param name="TotalRowsProcessed">How many rows; null where nobody counted them.</param>
/// <param name="TotalSizeBytes">How much it takes, compressed.</param>
public sealed record DbToolStatistics([property: JsonPropertyName("total_tables")] int TotalTables, [property: JsonPropertyName("total_rows_processed")] long? TotalRowsProcessed, [property: JsonPropertyName("total_size_bytes")] long TotalSizeBytes);

/// <summary>The chain of differential backups beside an exported one: there is none yet.</summary>
internal sealed record DbToolChain([property: JsonPropertyName("base_backup")] string BaseBackup, [property: JsonPropertyName("diff_chain")] IReadOnlyList<string> DiffChain, [property: JsonPropertyName("last_diff_timestamp")] string LastDiffTimestamp);

[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(DbToolBackup))]
[JsonSerializable(typeof(DbToolChain))]
internal sealed partial class DbToolJson : JsonSerializerContext;
