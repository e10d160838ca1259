using System.Globalization;

namespace Pgd.Action.Runner;

/// <summary>Where the story runs: the files and the facts that a CI system gives its steps. Null means: not there.</summary>
public sealed record RunnerEnvironment
{
    /// <summary>Whether the log is read by GitHub, which obeys <c>::commands::</c> in it.</summary>
    public bool IsGitHubActions { get; init; }

    public string? OutputFile { get; init; }

    public string? SummaryFile { get; init; }

    /// <summary>A folder that is gone after the job.</summary>
    public string? TemporaryFolder { get; init; }

    /// <summary>Where the repository is checked out.</summary>
    public string Workspace { get; init; } = System.Environment.CurrentDirectory;

    /// <summary>Where people look at the repository, for example <c>https://github.com</c>.</summary>
    public string? ServerUrl { get; init; }

    public string? ApiUrl { get; init; }

    /// <summary>Where people look at this run.</summary>
    public string? RunUrl { get; init; }

    /// <summary>What the CI system calls this machine.</summary>
    public string? RunnerName { get; init; }

    /// <summary>Reads the variables that GitHub's runner sets.</summary>
    public static RunnerEnvironment From(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var server = Variable("GITHUB_SERVER_URL")?.TrimEnd('/');
        var repository = Variable("GITHUB_REPOSITORY");
        var run = long.TryParse(Variable("GITHUB_RUN_ID"), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0;
        return new()
        {
            IsGitHubActions = Variable("GITHUB_ACTIONS") == "true",
            OutputFile = Variable("GITHUB_OUTPUT"),
            SummaryFile = Variable("GITHUB_STEP_SUMMARY"),
            TemporaryFolder = Variable("RUNNER_TEMP"),
            Workspace = Variable("GITHUB_WORKSPACE") ?? System.Environment.CurrentDirectory,
            ServerUrl = server,
            ApiUrl = Variable("GITHUB_API_URL"),
            RunUrl = server is not null && repository is not null && run > 0 ? $"{server}/{repository}/actions/runs/{run}" : null,
            RunnerName = Variable("RUNNER_NAME"),
        };

        string? Variable(string name) => environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;
    }
}
