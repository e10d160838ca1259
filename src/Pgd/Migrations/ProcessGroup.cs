using System.Runtime.InteropServices;

namespace Pgd.Migrations;

/// <summary>A process and its descendants, by the process that leads them. .NET can neither make groups nor signal them.</summary>
internal static partial class ProcessGroup
{
    public const int Probe = 0;
    public const int Interrupt = 2;
    public const int Kill = 9;
    public const int Terminate = 15;

    /// <summary>Signals every process of the group; false says that there is none.</summary>
    /// <param name="leader">The process that leads the group.</param>
    /// <param name="signal">The signal.</param>
    /// <param name="started">False as long as the leader may not have made its group yet: then the process itself gets the signal.</param>
    public static bool Signal(int leader, int signal, bool started = true) =>
        SendSignal(-leader, signal) == 0 || (!started && SendSignal(leader, signal) == 0);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
