namespace Pgd.Linux;

/// <summary>
/// Places where a test can kill this process with SIGKILL, to prove that nothing is lost or left whatever the moment.
/// Without <c>PGD_KILL_AT</c> in the environment a place costs one comparison.
/// </summary>
internal static class Fault
{
    private static readonly string? Target = Environment.GetEnvironmentVariable("PGD_KILL_AT");
    private static readonly string? TraceFile = Environment.GetEnvironmentVariable("PGD_KILL_TRACE");

    /// <summary>Marks a place, for example <c>create:volume</c>.</summary>
    public static void Here(string place)
    {
        if (TraceFile is not null)
            File.AppendAllText(TraceFile, place + "\n");
        if (Target is not null && Target == place)
            _ = Libc.Kill(Environment.ProcessId, Libc.SIGKILL);
    }
}
