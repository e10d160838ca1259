using Pgd.Action.Runner;
using Pgd.Backups;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Backups;

/// <summary>What a job of GitHub's shows on the run's page; nothing elsewhere.</summary>
internal static class Summary
{
    public static async Task AppendAsync(Run run, Backup backup, Func<RunnerEnvironment, Backup, CancellationToken, Task> append, CancellationToken cancellationToken)
    {
        try
        {
            await append(RunnerEnvironment.From(run.Session.Environment), backup, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The backup is what matters.
            run.Reporter.Warn($"the step summary cannot be written: {e.Message}");
        }
    }
}
