using System.Text.Json;
using Pgd.Migrations;

namespace Pgd.Action.Reports;

/// <summary>A report in each of its forms, for whoever comes later: <c>report.json</c>, <c>report.md</c> and <c>report.html</c>.</summary>
public static class RehearsalFiles
{
    /// <summary>Writes them.</summary>
    /// <param name="report">The report.</param>
    /// <param name="folder">Where to; made if it is not there.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task WriteAsync(MigrationReport report, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "report.json"), JsonSerializer.Serialize(report, MigrationReportJson.Shape) + "\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "report.md"), RehearsalText.Page(report), cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "report.html"), RehearsalHtml.Page(report), cancellationToken);
    }
}
