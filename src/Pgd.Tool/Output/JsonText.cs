using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Pgd.Tool.Output;

/// <summary>Writes records as JSON.</summary>
internal static class JsonText
{
    public static string Of<T>(T value, JsonTypeInfo<T> shape) => JsonSerializer.Serialize(value, shape);
}
