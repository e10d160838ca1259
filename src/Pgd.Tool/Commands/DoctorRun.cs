using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class DoctorRun
{
    public static Command Command(Surface surface)
    {
        var fix = new Option<bool>("--fix") { Description = "Remove what killed operations left, and nothing else" };
        var dryRun = new Option<bool>("--dry-run") { Description = "With --fix: only say what would be done" };
        var report = new Option<string?>("--report") { HelpName = "FILE", Description = "Write a zip for a bug report, without secrets" };
        var source = new Option<string?>("--source") { HelpName = "PROJECT/BRANCH", Description = "Only look at a source: what branches of it do not do, what they do as it does, what keeps them from being made" };
        source.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "doctor", "Check this machine and everything that was made on it. Exits with 1 if there is a problem.",
            "doctor",
            "doctor --fix --dry-run",
            "doctor --source prod/main",
            "doctor --report pgd-report.zip")
            .With(fix, dryRun, report, source)
            .Does(async (run, cancellationToken) =>
            {
                if (run[dryRun] && !run[fix])
                    throw new PgdException(ExitCode.Misuse, "--dry-run goes with --fix", "Write: dotnet pgd doctor --fix --dry-run");

                var doctor = run.Workspace.Doctor;
                if (run[source] is { } name)
                {
                    if (run[fix] || run[report] is not null)
                        throw new PgdException(ExitCode.Misuse, "--source goes without --fix and --report", $"Write: dotnet pgd doctor --source {name}");
                    var inspected = doctor.Inspect(BranchName.Parse(name), cancellationToken);
                    run.Show(new Inspection(BranchName.Parse(name), inspected), () => JsonShapes.All.Inspection, DiagnosisText.Write);
                    return (int)(inspected.Any(finding => finding.Severity == Severity.Problem) ? ExitCode.Unsafe : ExitCode.Done);
                }

                var repairs = run[fix] ? await doctor.FixAsync(run[dryRun], cancellationToken) : null;
                // Checked after the repairs, so that what is shown is what is left.
                var findings = await doctor.CheckAsync(cancellationToken);
                var file = run[report] is { } path ? Path.GetFullPath(path, run.Session.WorkingDirectory) : null;
                if (file is not null)
                    await doctor.WriteReportAsync(file, cancellationToken);

                var (configuration, from, files) = run.Configuration;
                var diagnosis = new Diagnosis(ToolVersion.Text, configuration.Root!, from, files, run[dryRun], repairs, findings, file);
                run.Show(diagnosis, () => JsonShapes.All.Diagnosis, DiagnosisText.Write);
                return (int)StatusOf(diagnosis, run[dryRun]);
            });
    }

    private static ExitCode StatusOf(Diagnosis diagnosis, bool dryRun) =>
        !dryRun && diagnosis.Repairs?.Any(repair => !repair.Done) == true ? ExitCode.Partial
        : diagnosis.Findings.Any(finding => finding.Severity == Severity.Problem) ? ExitCode.Failed
        : ExitCode.Done;
}
