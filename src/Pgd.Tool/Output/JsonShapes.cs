using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pgd.Backups;
using Pgd.Configuration;
using Pgd.Replication;
using Pgd.Schema;

namespace Pgd.Tool.Output;

/// <summary>Everything that <c>--json</c> prints. Names and forms are an interface: scripts depend on them.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    Converters = [typeof(PortRangeJson), typeof(DurationJson), typeof(CamelCaseEnum<BranchStatus>), typeof(CamelCaseEnum<SnapshotStatus>), typeof(CamelCaseEnum<DatabaseStrategy>), typeof(CamelCaseEnum<BackupMode>), typeof(CamelCaseEnum<BackupKind>), typeof(CamelCaseEnum<BackupStatus>), typeof(CamelCaseEnum<VerificationLevel>), typeof(CamelCaseEnum<Severity>), typeof(CamelCaseEnum<SchemaKind>), typeof(CamelCaseEnum<SchemaChange>), typeof(CamelCaseEnum<ReplicationState>), typeof(CamelCaseEnum<SetupOutcome>), typeof(CamelCaseEnum<DataFileSystem>), typeof(CamelCaseEnum<FollowMode>), typeof(CamelCaseEnum<FollowStatus>), typeof(CamelCaseEnum<RowDifferenceKind>), typeof(CamelCaseEnum<CopyPlan>)])]
[JsonSerializable(typeof(Project))]
[JsonSerializable(typeof(IReadOnlyList<Project>))]
[JsonSerializable(typeof(Freshness))]
[JsonSerializable(typeof(IReadOnlyList<Freshness>))]
[JsonSerializable(typeof(Branch))]
[JsonSerializable(typeof(IReadOnlyList<Branch>))]
[JsonSerializable(typeof(BranchCreated))]
[JsonSerializable(typeof(IReadOnlyList<BranchCreated>))]
[JsonSerializable(typeof(Backup))]
[JsonSerializable(typeof(IReadOnlyList<Backup>))]
[JsonSerializable(typeof(Restored))]
[JsonSerializable(typeof(BackupsPruned))]
[JsonSerializable(typeof(ExportedBackup))]
[JsonSerializable(typeof(DbToolCatalog))]
[JsonSerializable(typeof(RepositoryMade))]
[JsonSerializable(typeof(BackupKeyPair))]
[JsonSerializable(typeof(DatabaseBranched))]
[JsonSerializable(typeof(IReadOnlyList<Database>))]
[JsonSerializable(typeof(Promoted))]
[JsonSerializable(typeof(Snapshot))]
[JsonSerializable(typeof(IReadOnlyList<Snapshot>))]
[JsonSerializable(typeof(SnapshotsCleanedUp))]
[JsonSerializable(typeof(SnapshotsScheduled))]
[JsonSerializable(typeof(IReadOnlyList<WriteAheadLogInfo>))]
[JsonSerializable(typeof(WriteAheadLogVerified))]
[JsonSerializable(typeof(WriteAheadLogCleaned))]
[JsonSerializable(typeof(LogPushed))]
[JsonSerializable(typeof(IReadOnlyList<ValidatedDatabase>))]
[JsonSerializable(typeof(IReadOnlyList<EstimatedDatabase>))]
[JsonSerializable(typeof(IReadOnlyList<CopiedDatabase>))]
[JsonSerializable(typeof(IReadOnlyList<SyncedDatabase>))]
[JsonSerializable(typeof(IReadOnlyList<ReplicationStatus>))]
[JsonSerializable(typeof(IReadOnlyList<SwitchedDatabase>))]
[JsonSerializable(typeof(IReadOnlyList<CleanedUp>))]
[JsonSerializable(typeof(Deleted))]
[JsonSerializable(typeof(Connection))]
[JsonSerializable(typeof(LogLines))]
[JsonSerializable(typeof(Status))]
[JsonSerializable(typeof(Diagnosis))]
[JsonSerializable(typeof(Inspection))]
[JsonSerializable(typeof(SetupReport))]
[JsonSerializable(typeof(DataDirectoryReport))]
[JsonSerializable(typeof(Resumed))]
[JsonSerializable(typeof(Collected))]
[JsonSerializable(typeof(Rotated))]
[JsonSerializable(typeof(Verified))]
[JsonSerializable(typeof(SchemaDiff))]
[JsonSerializable(typeof(BranchActivity))]
[JsonSerializable(typeof(ProjectStatus))]
[JsonSerializable(typeof(Exported))]
[JsonSerializable(typeof(Compared))]
internal sealed partial class JsonShapes : JsonSerializerContext
{
    /// <summary>The shapes, with text left readable: what we print never becomes part of a page.</summary>
    public static JsonShapes All => field ??= new(Readable.Text(Default.Options));
}

/// <summary>A line of standard error under <c>--json</c>: one object each, so that a reader of lines can follow.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ErrorLine))]
[JsonSerializable(typeof(WarningLine))]
[JsonSerializable(typeof(LogLine))]
internal sealed partial class JsonLines : JsonSerializerContext
{
    public static JsonLines All => field ??= new(Readable.Text(Default.Options));
}

internal static class Readable
{
    public static JsonSerializerOptions Text(JsonSerializerOptions options) =>
        new(options) { TypeInfoResolver = null, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}

internal sealed class PortRangeJson : JsonConverter<PortRange>
{
    public override PortRange Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => PortRange.Parse(reader.GetString()!);

    public override void Write(Utf8JsonWriter writer, PortRange value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

internal sealed class DurationJson : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Duration.Parse(reader.GetString()!);

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) => writer.WriteStringValue(Duration.Format(value));
}

internal sealed class CamelCaseEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase)
    where T : struct, Enum;
