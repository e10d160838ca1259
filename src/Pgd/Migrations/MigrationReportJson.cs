using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Pgd.Lint;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Migrations;

/// <summary>A report as JSON: the form that is documented, and that files of other runs are read by. Times are in milliseconds.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    Converters = [typeof(Milliseconds), typeof(BlocksList), typeof(CamelCase<LockMode>), typeof(CamelCase<RelationKind>), typeof(CamelCase<SchemaKind>), typeof(CamelCase<SchemaChange>), typeof(CamelCase<FindingLevel>), typeof(CamelCase<ExitCode>)])]
[JsonSerializable(typeof(MigrationReport))]
[JsonSerializable(typeof(IReadOnlyList<LintFinding>))]
public sealed partial class MigrationReportJson : JsonSerializerContext
{
    private static MigrationReportJson Readable => field ??= new(new(Default.Options) { TypeInfoResolver = null, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>The form, with text left readable.</summary>
    public static JsonTypeInfo<MigrationReport> Shape => Readable.MigrationReport;

    /// <summary>That of its findings alone.</summary>
    public static JsonTypeInfo<IReadOnlyList<LintFinding>> FindingsShape => Readable.IReadOnlyListLintFinding;
}

internal sealed class Milliseconds : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => TimeSpan.FromMilliseconds(reader.GetDouble());

    // To the microsecond, which is what the server tells.
    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) => writer.WriteNumberValue(Math.Round(value.TotalMilliseconds, 3));
}

internal sealed class BlocksList : JsonConverter<Blocks>
{
    private static readonly (Blocks Value, string Name)[] Names = [(Blocks.Reads, "reads"), (Blocks.Writes, "writes"), (Blocks.SchemaChanges, "schemaChanges")];

    public override Blocks Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var blocks = Blocks.Nothing;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var name = reader.GetString();
            blocks |= Names.First(n => n.Name == name).Value;
        }

        return blocks;
    }

    public override void Write(Utf8JsonWriter writer, Blocks value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var (flag, name) in Names)
        {
            if (value.HasFlag(flag))
                writer.WriteStringValue(name);
        }

        writer.WriteEndArray();
    }
}

internal sealed class CamelCase<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase)
    where T : struct, Enum;
