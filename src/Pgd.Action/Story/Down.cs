using Pgd.Action.Inputs;
using Pgd.Action.Reports;

namespace Pgd.Action.Story;

/// <summary>A pull request closes. Works with nothing but its number: no checkout, and no text that its author wrote.</summary>
internal sealed class Down(StoryContext context)
{
    public async Task<StoryResult> RunAsync(CancellationToken cancellationToken, bool onlyIfClosed = false)
    {
        var number = context.Pull("down").Number;
        using var held = await context.Engine.HoldAsync(context.Event.RepositoryId, number, cancellationToken);
        // Asked only now: the run that was waited for may have been the reopening's.
        if (onlyIfClosed && await IsOpenAgainAsync(number, cancellationToken))
            return await context.SkipAsync(StoryVerb.Down, "reopened", $"Pull request {number} is open again: its database branch stays", cancellationToken);

        // In all projects: this machine need not have the one that is asked for.
        var here = context.Here((await context.Engine.ListAsync(context.Event.RepositoryId, null, cancellationToken)).Where(b => b.PullRequest?.Number == number));
        var (deleted, left) = await context.Engine.DownAsync(context.Event.RepositoryId, number, context.Inputs.Project, context.Pull("down").UpdatedAt, cancellationToken);
        var names = string.Join(", ", deleted);
        // What stays is told when a sweep takes it.
        var told = left.Count > 0 ? null : await context.TryCommentAsync(comment => comment.SayDeletedAsync(number, context.Inputs.Project, "The pull request is closed", here, cancellationToken));
        List<LeftOver> stay = [.. left.Select(branch => new LeftOver(branch.Name.ToString(), branch.Reason)), .. (told ?? Told.Nothing).Elsewhere.Select(e => new LeftOver($"{e.Project}/{e.Home.Branch}", ElsewhereText.Where(e.Home)))];
        var text = string.Join("; ", stay.Select(branch => $"{branch.Branch} stays: {branch.Reason}").Prepend(
            deleted.Count > 0 ? $"{names} {(deleted.Count == 1 ? "is" : "are")} deleted" : left.Count == 0 ? $"Pull request {number} has no database branch on {context.Engine.HostName}" : null).OfType<string>());
        if (stay.Count > 0)
            context.Log.Notice(text + ".");
        if ((deleted.Count > 0 || stay.Count > left.Count) && context.Inputs.Comment != CommentMode.False)
            await context.Summary.AppendAsync($"{(deleted.Count > 0 ? "🧹" : "📍")} {Markdown.Text(text, 2000)}.", cancellationToken);

        return await context.EndAsync(new()
        {
            Verb = StoryVerb.Down,
            Outcome = deleted.Count == 0 ? StoryOutcome.Nothing : StoryOutcome.Deleted,
            Text = text,
            PullRequest = number,
            Branch = deleted.Count == 1 ? names : null,
            Deleted = [.. deleted.Select(d => d.ToString())],
            HostName = context.Engine.HostName,
            LeftOver = stay,
            CommentUrl = told?.Url,
        }, cancellationToken);
    }

    // GitHub does not promise an order: the run for a closing may come after the one for a reopening.
    private async Task<bool> IsOpenAgainAsync(int number, CancellationToken cancellationToken)
    {
        if (context.PullRequests is not { } host)
            return WasOpenLater(number);
        try
        {
            return await host.GetAsync(number, cancellationToken) is { IsOpen: true };
        }
        catch (PgdException e)
        {
            context.Log.Warning($"Nobody could be asked whether the pull request is open again, so what the events say holds: {e.Message}.");
            return WasOpenLater(number);
        }
    }

    // Nobody would make the branch again: the run for the reopening has been.
    private bool WasOpenLater(int number) => context.Engine.OpenAt(context.Event.RepositoryId, number) > context.Pull("down").UpdatedAt;
}
