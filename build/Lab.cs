using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

namespace Pgd.IntegrationTests;

/// <summary>What the tests' lab is to the tests' files that programs of the build compile in: without xUnit, what is missing is an error.</summary>
internal static class Lab
{
    public static void Require([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool condition, string reason)
    {
        if (!condition)
            throw new InvalidOperationException(reason);
    }
}
