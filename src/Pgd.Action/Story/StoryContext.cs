using Pgd.Action.Events;
using Pgd.Action.Inputs;
using Pgd.Action.Reports;
using Pgd.Action.Runner;

namespace Pgd.Action.Story;

/// <summary>What the chapters of a story share.</summary>
internal sealed class StoryContext(StorySetup setup, IPreviewEngine engine, TextWriter output, JobLog log)
{
    public StoryInputs Inputs => setup.Inputs;

    public TriggeringEvent Event => setup.Event;

    public RunnerEnvironment Runner => setup.Runner;

    public IPullRequests? PullRequests => setup.PullRequests;

    public TimeProvider Time => setup.Time;

    public IPreviewEngine Engine => engine;

    public JobLog Log => log;

    public StepOutputs Outputs { get; } = new(setup.Runner.OutputFile);

    public StepSummary Summary { get; } = new(setup.Runner.SummaryFile);

    public StickyComment? Comment { get; } =
        setup is { PullRequests: { } host, Inputs.Comment: CommentMode.True } ? new StickyComment(host) : null;

    public string? RepositoryUrl => Runner.ServerUrl is { } server ? $"{server}/{Event.Repository}" : null;

    /// <summary>What this machine is called, and was called when these branches were made: a comment may tell of them by either.</summary>
    public IReadOnlyList<string> Here(params IEnumerable<Branch> branches) =>
        [.. branches.Select(b => b.HostName).OfType<string>().Prepend(engine.HostName).Distinct(StringComparer.OrdinalIgnoreCase)];

    /// <summary>The pull request that this is about.</summary>
    public EventPullRequest Pull(string verb) => Event.PullRequest
        ?? throw new PgdException(ExitCode.Misuse, $"the event {Event.Name ?? "given"} is about no pull request, so there is nothing to bring {verb}",
            "Run this on pull_request, or use command: sweep.");

    /// <summary>Says that and why nothing is done.</summary>
    public async Task<StoryResult> SkipAsync(StoryVerb verb, string reason, string text, CancellationToken cancellationToken)
    {
        log.Notice(text + ".");
        await Outputs.WriteAsync([("skipped", reason)], cancellationToken);
        if (Inputs.Comment != CommentMode.False)
            await Summary.AppendAsync($"⏭️ {Markdown.Text(text, 2000)}.", cancellationToken);
        return new() { Verb = verb, Outcome = StoryOutcome.Skipped, Skipped = reason, Text = text, PullRequest = Event.PullRequest?.Number };
    }

    /// <summary>Ends a story: the report file, the last outputs, the line on standard output.</summary>
    public async Task<StoryResult> EndAsync(StoryResult result, CancellationToken cancellationToken)
    {
        if (Runner.TemporaryFolder is { } folder)
        {
            var name = $"pgd-{result.Verb.ToString().ToLowerInvariant()}{(result.PullRequest is { } number ? $"-{number}" : "")}.json";
            result = result with { ReportFile = Path.Combine(folder, name) };
            await TemporaryFile.WriteAsync(folder, name, result.ToJson(), cancellationToken);
        }

        await Outputs.WriteAsync([("report-file", result.ReportFile), ("comment-url", result.CommentUrl)], cancellationToken);
        await output.WriteLineAsync(result.Text);
        return result;
    }

    /// <summary>Marks the commit, if that is possible.</summary>
    public async Task TryMarkAsync(string sha, CommitStatus status, CancellationToken cancellationToken)
    {
        if (PullRequests is not { } host || Comment is null)
            return;
        try
        {
            await host.SetStatusAsync(sha, status, cancellationToken);
        }
        catch (PgdException e)
        {
            log.Warning($"No commit status {status.Context}: {e.Message}.{(e.Hint is null ? "" : " " + e.Hint)}");
        }
    }

    /// <summary>Comments, if that is possible: a comment is never a reason to fail a job whose branch is fine.</summary>
    public async Task<T?> TryCommentAsync<T>(Func<StickyComment, Task<T>> comment)
        where T : class?
    {
        if (Comment is not { } sticky)
            return null;
        try
        {
            return await comment(sticky);
        }
        catch (PgdException e)
        {
            log.Warning($"No comment on the pull request: {e.Message}.{(e.Hint is null ? "" : " " + e.Hint)}{(Summary.Exists ? " The step summary has it all." : "")}");
            return null;
        }
    }
}
