namespace Pgd.Tool.Output;

/// <summary>What the doctor says, as text.</summary>
internal static class DiagnosisText
{
    // A severity and two blanks.
    private const int Marks = 9;

    public static void Write(Diagnosis diagnosis, Sheet sheet)
    {
        sheet.Details(
            ("Version", diagnosis.Version),
            ("Root", $"{diagnosis.Root} ({diagnosis.RootSource})"),
            ("Configuration", diagnosis.ConfigurationFiles.Count == 0 ? "no files" : string.Join(", ", diagnosis.ConfigurationFiles)));
        sheet.Line();
        if (diagnosis.Repairs is { } repairs)
        {
            foreach (var repair in repairs)
                sheet.Line($"{(diagnosis.DryRun ? "would  " : repair.Done ? sheet.Screen.Green("fixed  ") : sheet.Screen.Yellow("left   "))}  {repair.Kind} {repair.Subject}: {repair.Text}");
            sheet.Line(repairs.Count == 0 ? "Nothing to repair." : "");
        }

        Write(diagnosis.Findings, sheet);
        if (diagnosis.Report is not null)
            sheet.Line($"\nReport written to {diagnosis.Report}");
    }

    public static void Write(Inspection inspection, Sheet sheet) => Write(inspection.Findings, sheet);

    public static void Write(IReadOnlyList<Finding> findings, Sheet sheet)
    {
        var width = findings.Select(finding => finding.Check.Length).DefaultIfEmpty().Max();
        foreach (var finding in findings)
        {
            sheet.Hanging($"{Mark(finding.Severity, sheet.Screen)}  {finding.Check.PadRight(width)}  ", Marks + width + 2, finding.Text);
            // It is there to be copied, so it stays one line.
            if (finding.Remedy is not null)
                sheet.Line($"{new string(' ', Marks + width)}  {sheet.Screen.Bold("→")} {finding.Remedy}");
        }
    }

    // Padded before it is colored: escape codes have no width.
    private static string Mark(Severity severity, Screen screen) => severity switch
    {
        Severity.Ok => screen.Green("ok     "),
        Severity.Warning => screen.Yellow("warning"),
        _ => screen.Red("problem"),
    };
}
