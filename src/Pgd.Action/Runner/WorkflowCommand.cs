using Pgd.Action.Reports;

namespace Pgd.Action.Runner;

/// <summary>Lines of a job's log that GitHub takes for more than text.</summary>
/// <remarks>https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands</remarks>
public static class WorkflowCommand
{
    public static string Notice(string text) => Line("notice", [], text);

    public static string Warning(string text) => Line("warning", [], text);

    /// <summary>An error, shown with the run, and beside the line of the file in the pull request's diff.</summary>
    public static string Error(string title, string text, string? file = null, int? line = null) => Annotation("error", title, text, file, line);

    /// <summary>The same of any level: <c>notice</c>, <c>warning</c> or <c>error</c>.</summary>
    public static string Annotation(string level, string title, string text, string? file, int? line)
    {
        var properties = new List<string>();
        if (file is not null)
            properties.Add("file=" + Property(file));
        if (file is not null && line is not null)
            properties.Add($"line={line}");
        properties.Add("title=" + Property(title));
        return Line(level, properties, text);
    }

    internal static string Data(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("\r", "%0D", StringComparison.Ordinal).Replace("\n", "%0A", StringComparison.Ordinal);

    private static string Line(string command, List<string> properties, string text) =>
        $"::{command}{(properties.Count > 0 ? " " + string.Join(',', properties) : "")}::{Data(PlainText.Clean(text))}";

    private static string Property(string text) =>
        Data(text).Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);
}
