namespace Pgd.Tool.Output;

/// <summary>What setup did, as text.</summary>
internal static class SetupText
{
    public static void Write(SetupReport report, Sheet sheet)
    {
        foreach (var step in report.Steps)
            sheet.Line($"{Mark(step.Outcome, sheet.Screen)}  {step.Subject}: {step.Text}");
        if (report.Steps.Count > 0)
            sheet.Line();
        foreach (var note in report.Notes)
            sheet.Line($"{sheet.Screen.Bold("→")} {note}");
        if (report.Steps.Count > 0)
            sheet.Line(Summary(report));
    }

    private static string Summary(SetupReport report)
    {
        var changes = report.Steps.Count(step => step.Outcome != SetupOutcome.Unchanged);
        return changes == 0 ? "Nothing had to be changed."
            : report.DryRun ? $"{changes} of {report.Steps.Count} steps would change something; nothing was done."
            : $"{changes} of {report.Steps.Count} steps changed something.";
    }

    // Padded before it is colored: escape codes have no width.
    private static string Mark(SetupOutcome outcome, Screen screen) => outcome switch
    {
        SetupOutcome.Done => screen.Green("done "),
        SetupOutcome.Planned => screen.Yellow("would"),
        _ => screen.Dim("as is"),
    };
}
