using System.Net;
using Pgd.Migrations;

namespace Pgd.Action.Reports;

/// <summary>The comment on a pull request that has a branch: first the verdict, then what one needs next.</summary>
internal static class UpText
{
    /// <summary>The comment, without its marker.</summary>
    public static string Comment(UpReport report, int limit) =>
        Page.FitComment([.. Sections(report)], limit, report.RunUrl is null ? "in the step summary" : $"in the [summary of the run]({report.RunUrl})");

    /// <summary>The step summary.</summary>
    public static string Summary(UpReport report, int limit) => Page.FitSummary([.. Sections(report)], limit);

    /// <summary>One line for the log and the result.</summary>
    public static string Verdict(UpReport report) => VerdictOf(report, name => PlainText.Line(name));

    private static IEnumerable<Section> Sections(UpReport report)
    {
        yield return Fixed($"### {Icon(report)} {VerdictOf(report, name => Markdown.Code(name, 120))}", "", Origin(report));
        if (report.Failure is { } failure)
            yield return Fixed(Failure(failure));

        foreach (var section in MigrationText.Sections(report))
            yield return section;

        if (report.Branch is not null)
            yield return report.BranchDeleted ? Deleted(report) : Connection(report);
        if (report.RunUrl is { } run)
            yield return Fixed($"<sub>[Log of the run]({run})</sub>");
    }

    private static string Icon(UpReport report) => report.Failed ? "❌" : report.Migration is { } migration ? RehearsalText.Icon(migration) : "✅";

    private static string VerdictOf(UpReport report, Func<string, string> code)
    {
        var consequence = report.Migration is { } migration ? RehearsalText.Consequence(migration, code) : "";
        var branch = report.Branch is { } name ? code(name.ToString()) : $"pull request's branch of {code(report.Project)}";
        return report switch
        {
            { Failure: not null, Branch: null } => $"No database branch could be made in {code(report.Project)}",
            { Failure: not null } => $"The migrations could not be tried on {branch}",
            { Run: { Error.File: { } file } } => $"{code(report.PathPrefix + file)} failed on {branch}",
            { Run.Error: { ExitStatus: { } status } } => $"The migration command failed on {branch} with status {status}",
            { Run.Error: not null } => $"The migrations failed on {branch}",
            { Run: { Files.Count: > 0 } run } => $"{Words.Count(run.Files.Count, "migration")} ran on {branch} in {Measured.Time(run.Duration)}{consequence}",
            { Run: { AlreadyApplied: > 0 } run } => $"{branch} is ready, and its {Words.Count(run.AlreadyApplied, "migration")} had run before",
            { IsCommand: true, Run: { } run } => $"The migrations ran on {branch} in {Measured.Time(run.Duration)}{consequence}",
            { Run: not null } => $"{branch} is ready, without a migration to run",
            _ => $"{branch} is ready",
        };
    }

    private static string Origin(UpReport report)
    {
        var parent = Markdown.Code($"{report.Project}/{report.Parent}");
        var commit = report.HeadSha is not { } sha ? "" : ", for commit " + Markdown.Link(Markdown.Code(Words.Commit(sha)), report.RepositoryUrl is { } url ? $"{url}/commit/{sha}" : null);
        if (report.Branch is null)
            return $"It was to be a full copy of {parent}{commit}.";
        var asOf = report.DataAsOf is { } time ? $" as of {Words.Time(time)}" : "";
        var anonymized = report.Anonymized ? ", anonymized before anyone could connect" : "";
        var kept = report.DataKept ? ", kept with its changes over this push" : "";
        var severed = report.Severed.Count == 0 ? "" : $" It is cut off from its source's {Markdown.Text(string.Join(", ", report.Severed), 500)}.";
        return $"A full copy of {parent} on {Markdown.Code(report.HostName)}{asOf}{anonymized}{kept}{commit}.{severed}";
    }

    private static string[] Failure(PgdException failure)
    {
        string[] said = [Markdown.CodeLine(failure.Message, 2000), .. failure.Hint is { } hint ? [Markdown.CodeLine(hint, 1000)] : Array.Empty<string>()];
        var fence = Markdown.Fence(said);
        return [fence + "text", .. said, fence];
    }

    private static Section Connection(UpReport report)
    {
        if (report is not { Endpoint: { } endpoint, Branch: { } branch })
            return Fixed("The branch is kept.");
        var expires = report.ExpiresAt is { } time ? Words.Time(time) : "with the pull request";
        var runner = report.RunnerName is { } name ? $"the runner {Markdown.Code(name)}" : Markdown.Code(report.HostName);
        string[] kept = report.Failed ? ["The branch is kept as the failure left it:", ""] : [];
        string[] tunnel = !IsLoopback(endpoint.Host) ? [] :
        [
            $"The server listens on {runner} only. From another machine, open a tunnel:",
            "",
            "```sh",
            $"ssh -N -L {endpoint.Port}:{Bracketed(endpoint.Host)}:{endpoint.Port} {Word(report.HostName)}",
            "```",
            "",
        ];
        return Fixed([
            .. kept,
            "| Host | Port | Database | User | Expires |",
            "| :-- | :-- | :-- | :-- | :-- |",
            $"| {Markdown.Cell(endpoint.Host)} | {Markdown.Cell($"{endpoint.Port}")} | {Markdown.Cell(endpoint.Database)} | {Markdown.Cell(endpoint.User)} | {expires} |",
            "",
            "<details><summary>How to connect</summary>",
            "",
            .. tunnel,
            $"This prints the URL with its password on {runner}:",
            "",
            "```sh",
            $"dotnet pgd branch url {branch}",
            "```",
            "",
            "</details>",
        ]);
    }

    private static Section Deleted(UpReport report) => Fixed(report.Failure is null
        ? "The branch was deleted with its failed migration. With `keep-on-failure: true` it stays for a look inside."
        : "The branch was deleted.");

    private static string Bracketed(string host) => host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;

    private static bool IsLoopback(string host) => host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static string Word(string hostName) => string.Concat(hostName.Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'));

    private static Section Fixed(params string[] lines) => new() { Lines = lines };
}
