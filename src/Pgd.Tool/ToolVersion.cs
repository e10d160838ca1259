using System.Reflection;

namespace Pgd.Tool;

internal static class ToolVersion
{
    /// <summary>The version, with the commit that it was built from if that is known.</summary>
    public static string Text { get; } =
        typeof(ToolVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
