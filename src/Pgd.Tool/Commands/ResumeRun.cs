using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class ResumeRun
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "resume", "Bring all branches back after a boot: mount their volumes, remove what killed operations left, and start what was not stopped on purpose.",
            "resume",
            "# as the unit pgd-resume.service does, which \"setup\" installs",
            "resume --root /var/lib/pgd")
            .Does(async (run, cancellationToken) =>
            {
                var resumed = await run.Workspace.Branches.ResumeAsync(cancellationToken);
                run.Show(resumed, () => JsonShapes.All.Resumed, ResumedText.Write);
                return (int)(resumed.Problems.Count == 0 ? ExitCode.Done : ExitCode.Partial);
            });
}
