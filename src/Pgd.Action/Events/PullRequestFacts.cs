using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Pgd.Action.Events;

/// <summary>A pull request as whoever runs the job tells of it: by options, or as a CI system other than GitHub's says it in the environment. Null means: not said.</summary>
public sealed record PullRequestFacts
{
    /// <summary>The repository, as its host names it: <c>group/name</c>.</summary>
    public string? Repository { get; init; }

    /// <summary>The pull request's number.</summary>
    public int? Number { get; init; }

    /// <summary>The commit.</summary>
    public string? Sha { get; init; }

    /// <summary>Whether it is open.</summary>
    public bool? IsOpen { get; init; }

    /// <summary>Whether its commits come from another repository.</summary>
    public bool? IsFork { get; init; }

    /// <summary>Whether it is a draft.</summary>
    public bool? IsDraft { get; init; }

    /// <summary>Its labels.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Where people look at this run.</summary>
    public string? RunUrl { get; init; }

    /// <summary>What the CI system calls this machine.</summary>
    public string? RunnerName { get; init; }

    /// <summary>Where the repository is checked out.</summary>
    public string? Workspace { get; init; }

    /// <summary>Reads what GitLab, Azure DevOps and Jenkins tell their jobs; nothing where it is none of these.</summary>
    /// <remarks>
    /// https://docs.gitlab.com/ci/variables/predefined_variables, https://learn.microsoft.com/azure/devops/pipelines/build/variables,
    /// https://www.jenkins.io/doc/book/pipeline/multibranch/#additional-environment-variables.
    /// </remarks>
    public static PullRequestFacts FromEnvironment(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        return Has("GITLAB_CI") ? OfGitLab() : Has("TF_BUILD") ? OfAzure() : Has("JENKINS_URL") ? OfJenkins() : new();

        PullRequestFacts OfGitLab() => new()
        {
            Repository = Variable("CI_MERGE_REQUEST_PROJECT_PATH") ?? Variable("CI_PROJECT_PATH"),
            Number = Count("CI_MERGE_REQUEST_IID"),
            // Of the branch itself: a pipeline of merged results runs on a commit that is nowhere else.
            Sha = Variable("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") ?? Variable("CI_COMMIT_SHA"),
            IsFork = Variable("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") is { } source ? source != Variable("CI_MERGE_REQUEST_PROJECT_ID") : null,
            IsDraft = Variable("CI_MERGE_REQUEST_DRAFT") is { } draft ? draft == "true" : null,
            Labels = Variable("CI_MERGE_REQUEST_LABELS")?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            RunUrl = Variable("CI_JOB_URL"),
            RunnerName = Variable("CI_RUNNER_DESCRIPTION"),
            Workspace = Variable("CI_PROJECT_DIR"),
        };

        PullRequestFacts OfAzure() => new()
        {
            Repository = Variable("BUILD_REPOSITORY_NAME"),
            // The number is of a repository at GitHub, where the id is another one.
            Number = Count("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") ?? Count("SYSTEM_PULLREQUEST_PULLREQUESTID"),
            Sha = Variable("SYSTEM_PULLREQUEST_SOURCECOMMITID") ?? Variable("BUILD_SOURCEVERSION"),
            IsFork = Variable("SYSTEM_PULLREQUEST_ISFORK") is { } fork ? fork.Equals("true", StringComparison.OrdinalIgnoreCase) : null,
            RunUrl = Variable("SYSTEM_COLLECTIONURI") is { } collection && Variable("SYSTEM_TEAMPROJECT") is { } project && Variable("BUILD_BUILDID") is { } build
                ? $"{collection.TrimEnd('/')}/{Uri.EscapeDataString(project)}/_build/results?buildId={build}" : null,
            RunnerName = Variable("AGENT_NAME"),
            Workspace = Variable("BUILD_SOURCESDIRECTORY"),
        };

        PullRequestFacts OfJenkins() => new()
        {
            Repository = RepositoryOf(Variable("CHANGE_URL")),
            Number = Count("CHANGE_ID"),
            Sha = Variable("GIT_COMMIT"),
            IsFork = Variable("CHANGE_ID") is null ? null : Variable("CHANGE_FORK") is not null,
            RunUrl = Variable("BUILD_URL"),
            RunnerName = Variable("NODE_NAME"),
            Workspace = Variable("WORKSPACE"),
        };

        bool Has(string name) => Variable(name) is not null;

        string? Variable(string name) => environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

        int? Count(string name) => int.TryParse(Variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;
    }

    /// <summary>These facts, and where they are silent those.</summary>
    public PullRequestFacts Over(PullRequestFacts below)
    {
        ArgumentNullException.ThrowIfNull(below);
        return new()
        {
            Repository = Repository ?? below.Repository,
            Number = Number ?? below.Number,
            Sha = Sha ?? below.Sha,
            IsOpen = IsOpen ?? below.IsOpen,
            IsFork = IsFork ?? below.IsFork,
            IsDraft = IsDraft ?? below.IsDraft,
            Labels = Labels ?? below.Labels,
            RunUrl = RunUrl ?? below.RunUrl,
            RunnerName = RunnerName ?? below.RunnerName,
            Workspace = Workspace ?? below.Workspace,
        };
    }

    /// <summary>The event that they amount to.</summary>
    /// <param name="needsNumber">Whether it is about one pull request.</param>
    /// <exception cref="PgdException">The repository or the number is missing (<see cref="ExitCode.Misuse"/>).</exception>
    public TriggeringEvent ToEvent(bool needsNumber)
    {
        var repository = Repository ?? throw Missing("repository", "--repository GROUP/NAME");
        // Hosts other than GitHub number their repositories in ways of their own, or not at all.
        var id = (long)(BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(repository)), 0) >> 2) | (1L << 61);
        return new()
        {
            RepositoryId = id,
            Repository = repository,
            PullRequest = !needsNumber ? null : new()
            {
                Number = Number ?? throw Missing("pull request", "--number N"),
                HeadSha = Sha,
                IsOpen = IsOpen ?? true,
                IsDraft = IsDraft ?? false,
                HeadRepositoryId = IsFork == true ? 0 : id,
                Labels = Labels ?? [],
            },
        };
    }

    private static PgdException Missing(string what, string option) => new(ExitCode.Misuse, $"it is not said which {what} this is about", $"Say it: {option}. In GitLab, Azure DevOps and Jenkins a job of a pull request says it itself.");

    // https://host/group/name/pull/7, …/-/merge_requests/7, …/pull-requests/7, …/_git/name/pullrequest/7.
    private static string? RepositoryOf(string? changeUrl)
    {
        if (changeUrl is null || !Uri.TryCreate(changeUrl, UriKind.Absolute, out var url))
            return null;
        var segments = url.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries).TakeWhile(s => s is not ("-" or "pull" or "pulls" or "merge_requests" or "pull-requests" or "pullrequest")).ToList();
        return segments.Count > 0 ? string.Join('/', segments) : null;
    }
}
