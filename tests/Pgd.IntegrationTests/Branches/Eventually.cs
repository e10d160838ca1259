using System.Diagnostics;

namespace Pgd.IntegrationTests.Branches;

/// <summary>Waits for a condition, and not for a while: what others do takes as long as it takes.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30), Pause = TimeSpan.FromMilliseconds(10);

    public static async Task TrueAsync(Func<Task<bool>> condition, string? what = null)
    {
        for (var clock = Stopwatch.StartNew(); !await condition();)
        {
            if (clock.Elapsed > Longest)
                throw new TimeoutException($"Not within {Longest.TotalSeconds} s: {what}");
            await Task.Delay(Pause);
        }
    }

    public static Task TrueAsync(Func<bool> condition, string? what = null) => TrueAsync(() => Task.FromResult(condition()), what);
}
