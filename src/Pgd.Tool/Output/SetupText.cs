namespace Pgd.Tool.Output;

/// <summary>What setup did, as text.</summary>
internal static class SetupText
{
    public static void Write(SetupReport report, Sheet sheet) => Write(report.Steps, report.Notes, report.DryRun, sheet);

    public static void Write(DataDirectoryReport report, Sheet sheet) => Write(report.Steps, report.Notes, report.DryRun, sheet);

    private static void Write(IReadOnlyList<SetupStep> steps, IReadOnlyList<string> notes, bool dryRun, Sheet sheet)
    {
        foreach (var step in steps)
            sheet.Line($"{Mark(step.Outcome, sheet.Screen)}  {step.Subject}: {step.Text}");
        if (steps.Count > 0)
            sheet.Line();
        foreach (var note in notes)
            sheet.Line($"{sheet.Screen.Bold("→")} {note}");
        if (steps.Count > 0)
            sheet.Line(Summary(steps, dryRun));
    }

    private static string Summary(IReadOnlyList<SetupStep> steps, bool dryRun)
    {
        var changes = steps.Count(step => step.Outcome != SetupOutcome.Unchanged);
        return changes == 0 ? "Nothing had to be changed."
            : dryRun ? $"{changes} of {steps.Count} steps would change something; nothing was done."
            : $"{changes} of {steps.Count} steps changed something.";
    }

    // Padded before it is colored: escape codes have no width.
    private static string Mark(SetupOutcome outcome, Screen screen) => outcome switch
    {
        SetupOutcome.Done => screen.Green("done "),
        SetupOutcome.Planned => screen.Yellow("would"),
        _ => screen.Dim("as is"),
    };
}
