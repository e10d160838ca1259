namespace Pgd.Tool.Output;

/// <summary>The status as text.</summary>
internal static class StatusText
{
    public static void Write(Status status, Sheet sheet)
    {
        sheet.Details(
            ("Root", $"{status.Root} ({status.RootSource})"),
            ("Configuration", status.ConfigurationFiles.Count == 0 ? "no files" : string.Join(", ", status.ConfigurationFiles)));
        sheet.Line();
        ProjectText.Table(status.Projects, sheet);
        sheet.Line();
        BranchText.Table(status.Branches, sheet);
    }
}
