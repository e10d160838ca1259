namespace Pgd.IntegrationTests;

/// <summary>Whether there is time to repeat everything: <c>./build.sh soak</c> sets PGD_SOAK.</summary>
internal static class Soak
{
    public static bool IsOn { get; } = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("PGD_SOAK"));
}
