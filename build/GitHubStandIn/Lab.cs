using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

namespace Pgd.IntegrationTests;

/// <summary>What the tests' lab is to the tests' files that are compiled in here.</summary>
internal static class Lab
{
    public static void Require(bool condition, string reason)
    {
        if (!condition)
            throw new InvalidOperationException(reason);
    }
}
