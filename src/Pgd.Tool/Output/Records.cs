using Pgd.Configuration;
using Pgd.Libpq;

namespace Pgd.Tool.Output;

/// <summary>A branch whose passwords are new.</summary>
internal sealed record Rotated(string Name, int SessionsEnded);

/// <summary>A file of rows that was written.</summary>
internal sealed record Exported(string File, long Rows, long Bytes);

/// <summary>What a deletion did; false: there was nothing to delete.</summary>
internal sealed record Deleted(string Name, bool IsDeleted)
{
    [System.Text.Json.Serialization.JsonPropertyName("deleted")]
    public bool IsDeleted { get; init; } = IsDeleted;
}

/// <summary>Where to connect, in the dialect that was asked for and in parts.</summary>
internal sealed record Connection(BranchName Branch, string Url, string Host, int Port, string Database, string User, string? Password, string? SslMode, string? SslRootCert)
{
    public static Connection Of(BranchName branch, ConnectionUrl url, string text) =>
        new(branch, text, url.Host, url.Port, url.Database, url.User, url.Password, url.Parameters.GetValueOrDefault("sslmode"), url.Parameters.GetValueOrDefault("sslrootcert"));
}

/// <summary>The end of a server's log.</summary>
internal sealed record LogLines(BranchName Branch, IReadOnlyList<string> Lines);

/// <summary>A line of a log that is followed.</summary>
internal sealed record LogLine(string Line);

/// <summary>What there is, and where.</summary>
internal sealed record Status(string Version, string Root, string RootSource, IReadOnlyList<string> ConfigurationFiles, IReadOnlyList<Project> Projects, IReadOnlyList<Branch> Branches)
{
    public static Status Of(LoadedConfiguration configuration, IReadOnlyList<Project> projects, IReadOnlyList<Branch> branches) =>
        new(ToolVersion.Text, configuration.Configuration.Root!, configuration.RootSource, configuration.Files, projects, branches);
}

/// <summary>A project and what its branches are doing.</summary>
internal sealed record ProjectStatus(Project Project, IReadOnlyList<BranchActivity> Branches);

/// <summary>What the doctor found, and what it repaired if it was asked to.</summary>
internal sealed record Diagnosis(
    string Version, string Root, string RootSource, IReadOnlyList<string> ConfigurationFiles,
    bool DryRun, IReadOnlyList<Repair>? Repairs, IReadOnlyList<Finding> Findings, string? Report);

/// <summary>What was found out about a source.</summary>
internal sealed record Inspection(BranchName Source, IReadOnlyList<Finding> Findings);

/// <summary>An error under <c>--json</c>.</summary>
internal sealed record ErrorLine(ErrorLine.Content Error)
{
    internal sealed record Content(string Code, int ExitCode, string Message, string? Hint, string? Trace);
}

/// <summary>A warning under <c>--json</c>.</summary>
internal sealed record WarningLine(string Warning);
