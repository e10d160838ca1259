using Pgd.Action.Events;
using Pgd.Action.GitHub;
using Pgd.Action.Inputs;
using Pgd.Action.Runner;
using Pgd.Action.Story;
using Pgd.Configuration;

namespace Pgd.Action;

/// <summary>
/// The life of a pull request's branch: up when it opens or gets a push, down when it closes, and a sweep for what was missed.
/// Expected errors are <see cref="PgdException"/>s, except a failed migration: that is a result, after everybody was told.
/// </summary>
public sealed class PullRequestStory
{
    private readonly StoryContext context;

    /// <summary>Prepares a story from explicit values.</summary>
    /// <param name="setup">What to do, for whom.</param>
    /// <param name="workspace">The engine.</param>
    /// <param name="output">Gets the result in a line of words; <see cref="TextWriter.Null"/> for a front end that shows the record instead.</param>
    /// <param name="error">Gets all that is said on the way, workflow commands included.</param>
    public PullRequestStory(StorySetup setup, Workspace workspace, TextWriter output, TextWriter error)
        : this(setup, new WorkspaceEngine(workspace), output, error)
    {
    }

    internal PullRequestStory(StorySetup setup, IPreviewEngine engine, TextWriter output, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(setup);
        context = new StoryContext(setup, engine, output, new JobLog(error, setup.Runner.IsGitHubActions));
    }

    /// <summary>Prepares the story that <c>PGD_INPUT_*</c> and GitHub's variables tell.</summary>
    /// <exception cref="PgdException">An input or the event is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static PullRequestStory FromEnvironment(
        IReadOnlyDictionary<string, string> environment, RepositoryConfiguration repository, Workspace workspace, TextWriter output, TextWriter error) =>
        new(SetupFrom(environment, repository), workspace, output, error);

    /// <summary>Prepares the story of a pull request whose host is not asked: what is known of it is told, and nobody comments.</summary>
    /// <param name="environment">Has the inputs, as <c>PGD_INPUT_*</c>.</param>
    /// <param name="repository">What <c>pgd.yml</c> says.</param>
    /// <param name="facts">What is told.</param>
    /// <param name="isAboutOne">Whether it is about one pull request.</param>
    /// <param name="comment">Where what would be a comment is written to, as Markdown; null for nowhere.</param>
    /// <param name="results">The folder for the result, the connection's variables and the migration's report; null for nowhere.</param>
    /// <param name="workspace">The engine.</param>
    /// <param name="output">Gets the result in a line of words.</param>
    /// <param name="error">Gets all that is said on the way.</param>
    /// <exception cref="PgdException">An input is malformed, or the repository or the pull request is missing (<see cref="ExitCode.Misuse"/>).</exception>
    public static PullRequestStory FromFacts(
        IReadOnlyDictionary<string, string> environment, RepositoryConfiguration repository, PullRequestFacts facts, bool isAboutOne, string? comment, string? results, Workspace workspace, TextWriter output, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var setup = new StorySetup
        {
            Inputs = InputReader.Read(environment, repository),
            Event = facts.ToEvent(isAboutOne),
            Runner = new() { SummaryFile = comment, TemporaryFolder = results, Workspace = facts.Workspace ?? Environment.CurrentDirectory, RunUrl = facts.RunUrl, RunnerName = facts.RunnerName },
        };
        // It is added to, as a step summary is.
        if (comment is not null)
            File.Delete(comment);
        return new(setup, workspace, output, error);
    }

    /// <summary>Does what the input <c>command</c> says, or what the event asks for.</summary>
    public Task<StoryResult> AutoAsync(CancellationToken cancellationToken) => context.Inputs.Command switch
    {
        StoryCommand.Up => UpAsync(cancellationToken),
        StoryCommand.Down => DownAsync(cancellationToken),
        StoryCommand.Sweep => SweepAsync(cancellationToken),
        _ => ByEventAsync(cancellationToken),
    };

    /// <summary>Makes, resets or keeps the pull request's branch, runs its migrations, and tells about it.</summary>
    public Task<StoryResult> UpAsync(CancellationToken cancellationToken) => new Up(context).RunAsync(cancellationToken);

    /// <summary>Deletes the pull request's branch; one that is gone already is fine.</summary>
    public Task<StoryResult> DownAsync(CancellationToken cancellationToken) => new Down(context).RunAsync(cancellationToken);

    /// <summary>Deletes this repository's branches whose pull requests are closed or whose time is up.</summary>
    public Task<StoryResult> SweepAsync(CancellationToken cancellationToken) => new Sweep(context).RunAsync(cancellationToken);

    internal static StorySetup SetupFrom(IReadOnlyDictionary<string, string> environment, RepositoryConfiguration repository)
    {
        ArgumentNullException.ThrowIfNull(environment);
        ArgumentNullException.ThrowIfNull(repository);
        var inputs = InputReader.Read(environment, repository);
        var happened = TriggeringEvent.FromEnvironment(environment);
        var runner = RunnerEnvironment.From(environment);
        if (inputs.GitHubToken is null && runner.IsGitHubActions)
            throw new PgdException(ExitCode.Misuse, "the input github-token is empty", "Leave it out for the workflow's own token, or pass one: github-token: ${{ github.token }}");
        return new()
        {
            Inputs = inputs,
            Event = happened,
            Runner = runner,
            PullRequests = inputs.GitHubToken is { } token ? new GitHubPullRequests(runner.ApiUrl ?? "https://api.github.com", happened.Repository, token) : null,
        };
    }

    private async Task<StoryResult> ByEventAsync(CancellationToken cancellationToken)
    {
        var happened = context.Event;
        var repositoryEvent = happened.Name is "schedule" or "workflow_dispatch";
        return (happened.Name, happened.Action) switch
        {
            (null, _) => throw new PgdException(ExitCode.Misuse, "without an event it is unknown what to do", "Say which: dotnet pgd pr up, down or sweep."),
            _ when repositoryEvent => await SweepAsync(cancellationToken),
            (_, "closed") => await new Down(context).RunAsync(cancellationToken, onlyIfClosed: true),
            // With the base's rights and secrets, this is no place to run what a pull request brings.
            ("pull_request_target", var action) => await SkipAsync($"Nothing to do on pull_request_target: {action}; use pull_request for that"),
            (_, "opened" or "reopened" or "synchronize" or "ready_for_review") => await UpAsync(cancellationToken),
            (_, "labeled") when context.Inputs.Label is { } label && string.Equals(label, happened.Label, StringComparison.OrdinalIgnoreCase) => await UpAsync(cancellationToken),
            (var name, var action) => await SkipAsync($"Nothing to do on {name}: {action}"),
        };

        Task<StoryResult> SkipAsync(string why) => context.SkipAsync(StoryVerb.None, "event", why, cancellationToken);
    }
}
