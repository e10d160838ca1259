using Pgd.Configuration;

namespace Pgd.Tool.Output;

/// <summary>Projects as text.</summary>
internal static class ProjectText
{
    public static void Table(IReadOnlyList<Project> projects, Sheet sheet)
    {
        if (projects.Count == 0)
        {
            sheet.Line("No projects.");
            return;
        }

        sheet.Table(["NAME", "POSTGRESQL", "STORAGE", "RUNTIME", "BRANCHES", "PORTS", "AGE"], [.. projects.Select(project => new[]
        {
            project.Name, BranchText.Number(project.PostgresMajor), project.Storage, project.Runtime,
            BranchText.Number(project.Branches), project.Ports.ToString(), sheet.Age(project.CreatedAt),
        })]);
    }

    public static void Details(Project project, Sheet sheet) => sheet.Details(
        ("Name", project.Name),
        ("PostgreSQL", BranchText.Number(project.PostgresMajor)),
        ("Storage", project.Storage),
        ("Runtime", project.Runtime),
        ("Network", project.Network),
        ("From", project.From),
        ("Follows", project.Follow is null ? null : "that server, as a standby"),
        ("Archived", project.PointInTime is { } window ? $"the write-ahead log of main, for {Duration.Format(window)}" : null),
        ("Ports", project.Ports.ToString()),
        ("Settings", project.Settings.Count == 0 ? null : string.Join(", ", project.Settings.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key} = {s.Value}"))),
        ("Branches", BranchText.Number(project.Branches)),
        ("Created", BranchText.Moment(project.CreatedAt)));
}
