using Pgd.Action.Inputs;

namespace Pgd.Action.Story;

/// <summary>Whether a pull request gets a branch.</summary>
internal static class Gate
{
    /// <summary>Why it gets none, in a word and in a sentence; null when it does.</summary>
    public static async Task<(string Reason, string Text)?> ShutAsync(StoryContext context, CancellationToken cancellationToken)
    {
        var pull = context.Pull("up");
        var inputs = context.Inputs;

        // First of all, and by what the event says: nothing of a fork's is looked at.
        if (context.Event.IsFork && context.Event.IsTarget)
            return ("fork", $"Pull request {pull.Number} comes from a fork, and pull_request_target would run its code with this repository's secrets: it gets no database branch, whatever fork-policy says");
        if (context.Event.IsFork && inputs.ForkPolicy == ForkPolicy.Refuse)
            return ("fork", $"Pull request {pull.Number} comes from a fork, whose code must not run on this machine unasked: it gets no database branch. To allow it, set fork-policy: allow");

        if (context.PullRequests is not { } host)
        {
            // Who tells of the pull request by hand knows that nobody is asked.
            if (context.Event.Name is not null)
                context.Log.Warning("There is no github-token: nobody is asked whether the pull request is still open, and there will be no comment.");
            if (!pull.IsOpen)
                return Closed(pull.Number);
            // Events may come late, and in another order.
            return context.Event.OpenAt <= context.Engine.ClosedAt(context.Event.RepositoryId, pull.Number)
                ? ("closed", $"Pull request {pull.Number} was closed after this event: it gets no database branch")
                : Unwanted(inputs, pull.Number, pull.IsDraft, pull.Labels);
        }

        var now = await host.GetAsync(pull.Number, cancellationToken)
            ?? throw new PgdException(ExitCode.NotFound, $"{context.Event.Repository} has no pull request {pull.Number}, or the token in github-token may not see it",
                "Give the job the permission pull-requests: write.");
        if (!now.IsOpen)
            return Closed(pull.Number);
        if (pull.HeadSha is { } sha && !string.Equals(sha, now.HeadSha, StringComparison.OrdinalIgnoreCase))
            return ("stale", $"Pull request {pull.Number} has got newer commits than {Reports.Words.Commit(sha)}; the run for {Reports.Words.Commit(now.HeadSha)} makes its branch");
        return Unwanted(inputs, pull.Number, now.IsDraft, now.Labels);
    }

    private static (string, string)? Unwanted(StoryInputs inputs, int number, bool isDraft, IReadOnlyList<string> labels)
    {
        if (inputs.Label is { } label && !labels.Contains(label, StringComparer.OrdinalIgnoreCase))
            return ("label", $"Pull request {number} does not carry the label {label}: it gets no database branch");
        return isDraft && !inputs.Drafts ? ("draft", $"Pull request {number} is a draft: it gets a database branch when it is ready for review, or with drafts: true") : null;
    }

    private static (string, string) Closed(int number) => ("closed", $"Pull request {number} is closed: it gets no database branch");
}
