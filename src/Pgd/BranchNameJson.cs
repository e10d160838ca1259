using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pgd;

/// <summary>A branch's name is one text wherever it is JSON.</summary>
public sealed class BranchNameJson : JsonConverter<BranchName>
{
    /// <inheritdoc/>
    public override BranchName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => BranchName.Parse(reader.GetString()!);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, BranchName value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
