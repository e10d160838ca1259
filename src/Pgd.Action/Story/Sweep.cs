using Pgd.Action.Inputs;
using Pgd.Action.Reports;

namespace Pgd.Action.Story;

/// <summary>What was missed: closings that were not delivered, and branches whose time is up.</summary>
internal sealed class Sweep(StoryContext context)
{
    // As long as a sweep by the day needs to come by once.
    private static readonly TimeSpan Notice = TimeSpan.FromHours(36);

    private readonly List<BranchName> deleted = [];
    private readonly List<LeftOver> leftOver = [];
    private readonly Dictionary<int, bool?> open = [];
    private bool couldNotAsk;
    private bool couldNotDelete;

    public async Task<StoryResult> RunAsync(CancellationToken cancellationToken)
    {
        // Told by hand, it is about those whose time is up.
        if (context.PullRequests is null && context.Event.Name is not null)
            throw new PgdException(ExitCode.Misuse, "without github-token nobody can be asked which pull requests are open", "Give github-token.");
        var host = context.PullRequests;
        var previews = await context.Engine.ListAsync(context.Event.RepositoryId, context.Inputs.Project, cancellationToken);
        foreach (var branch in previews.OrderBy(b => b.CreatedAt))
        {
            // Twice the same check: what is deleted here is gone, and the list came from elsewhere.
            if (branch.PullRequest is { } key && key.RepositoryId == context.Event.RepositoryId
                && await WhyDeleteAsync(host, branch, key.Number, cancellationToken) is not null)
                await DeleteAsync(host, branch, key.Number, cancellationToken);
            else
                await AnnounceAsync(branch, cancellationToken);
        }

        return await TellAsync(cancellationToken);
    }

    // Nobody shall find a branch gone without having been told.
    private async Task AnnounceAsync(Branch branch, CancellationToken cancellationToken)
    {
        // After a failure the host is left alone here as well.
        if (!couldNotAsk && branch is { PullRequest: { } key, ExpiresAt: { } time, ProtectedUntil: null } && key.RepositoryId == context.Event.RepositoryId && time - context.Time.GetUtcNow() <= Notice)
            await context.TryCommentAsync(comment => comment.SayExpiresAsync(key.Number, branch.Name, context.Here(branch), time, cancellationToken));
    }

    private async Task<string?> WhyDeleteAsync(IPullRequests? host, Branch branch, int number, CancellationToken cancellationToken)
    {
        if (branch.ExpiresAt is { } time && time <= context.Time.GetUtcNow())
            return $"Its time was up at {Words.Time(time)}";
        if (host is null)
            return null;
        if (!open.TryGetValue(number, out var isOpen))
            open[number] = isOpen = await IsOpenAsync(host, number, cancellationToken);
        if (isOpen is null)
            Leave(branch.Name, $"nobody could tell whether pull request {number} is open");
        return isOpen is false ? "The pull request is closed" : null;
    }

    private async Task<bool?> IsOpenAsync(IPullRequests host, int number, CancellationToken cancellationToken)
    {
        // After the first failure no further question: each would take its retries, and the quota of everybody else.
        if (couldNotAsk)
            return null;
        try
        {
            // Pull requests cannot be deleted, so an answer of none means a token that may not see them. Such a branch goes when its time is up.
            return (await host.GetAsync(number, cancellationToken))?.IsOpen;
        }
        catch (PgdException e)
        {
            couldNotAsk = true;
            context.Log.Warning($"{e.Message}. Branches of pull requests that may be open stay.");
            return null;
        }
    }

    private async Task DeleteAsync(IPullRequests? host, Branch branch, int number, CancellationToken cancellationToken)
    {
        if (branch.ProtectedUntil is { } until)
        {
            Leave(branch.Name, $"it is protected{(until == DateTimeOffset.MaxValue ? "" : $" until {Words.Time(until)}")}{(branch.ProtectedFor is { } reason ? $" ({reason})" : "")}");
            return;
        }

        if (deleted.Count >= context.Inputs.SweepLimit)
        {
            Leave(branch.Name, $"the next sweep takes it: sweep-limit is {context.Inputs.SweepLimit}");
            return;
        }

        try
        {
            using var held = await context.Engine.HoldAsync(context.Event.RepositoryId, number, cancellationToken);
            // The run that was waited for may have been the reopening's, or have given the branch more time.
            open.Remove(number);
            if (await FindAsync(branch.Name, number, cancellationToken) is not { } still || await WhyDeleteAsync(host, still, number, cancellationToken) is not { } why)
                return;
            await context.Engine.DeleteAsync(branch.Name, cancellationToken);
            deleted.Add(branch.Name);
            await context.TryCommentAsync(comment => comment.SayDeletedAsync(number, branch.Name.Project, why, context.Here(still), cancellationToken));
        }
        catch (PgdException e)
        {
            // A lock is somebody at work on the branch: not a failure of the sweep.
            couldNotDelete |= e.ExitCode != ExitCode.Locked;
            Leave(branch.Name, e.Message);
        }
    }

    private async Task<Branch?> FindAsync(BranchName name, int number, CancellationToken cancellationToken) =>
        (await context.Engine.ListAsync(context.Event.RepositoryId, context.Inputs.Project, cancellationToken)).FirstOrDefault(b => b.Name == name && b.PullRequest?.Number == number);

    private void Leave(BranchName name, string reason) => leftOver.Add(new(name.ToString(), reason));

    private async Task<StoryResult> TellAsync(CancellationToken cancellationToken)
    {
        var text = deleted.Count == 0 ? "Nothing swept" : $"Swept {Words.Count(deleted.Count, "branch", "branches")}: {string.Join(", ", deleted)}";
        if (leftOver.Count > 0)
            text += $"; left over: {string.Join(", ", leftOver.Select(l => $"{l.Branch} ({l.Reason})"))}";
        context.Log.Notice(text + ".");
        if (context.Inputs.Comment != CommentMode.False)
            await context.Summary.AppendAsync(SweepText.Summary(deleted, leftOver), cancellationToken);
        return await context.EndAsync(new()
        {
            Verb = StoryVerb.Sweep,
            Outcome = deleted.Count == 0 ? StoryOutcome.Nothing : StoryOutcome.Deleted,
            ExitCode = couldNotAsk || couldNotDelete ? ExitCode.Partial : ExitCode.Done,
            Text = text,
            Deleted = [.. deleted.Select(d => d.ToString())],
            LeftOver = leftOver,
        }, cancellationToken);
    }
}
