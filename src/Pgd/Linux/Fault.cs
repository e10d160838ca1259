namespace Pgd.Linux;

/// <summary>
/// Places where a test can kill this process with SIGKILL, to prove that nothing is lost or left whatever the moment.
/// Without <c>PGD_KILL_AT</c> in the environment a place costs one comparison.
/// </summary>
internal static class Fault
{
    private static readonly string? Target = Environment.GetEnvironmentVariable("PGD_KILL_AT")?.Split('#')[0];
    private static readonly int Occurrence = int.TryParse(Environment.GetEnvironmentVariable("PGD_KILL_AT")?.Split('#').ElementAtOrDefault(1), out var number) ? number : 1;
    private static readonly string? TraceFile = Environment.GetEnvironmentVariable("PGD_KILL_TRACE");

    private static int _seen;

    /// <summary>Marks a place, for example <c>create:volume</c>; <c>create:volume#2</c> is the second time that it is reached.</summary>
    public static void Here(string place)
    {
        if (TraceFile is not null)
            File.AppendAllText(TraceFile, place + "\n");
        if (Target is not null && Target == place && Interlocked.Increment(ref _seen) == Occurrence)
            _ = Libc.Kill(Environment.ProcessId, Libc.SIGKILL);
    }
}
