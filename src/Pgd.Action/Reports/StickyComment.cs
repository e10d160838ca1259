namespace Pgd.Action.Reports;

/// <summary>
/// The one comment that we keep up to date. It is ours when its author is us and it begins with our marker; anybody can copy a marker,
/// so another author's comment is never touched.
/// </summary>
internal sealed class StickyComment(IPullRequests host)
{
    /// <summary>How much a marker takes of a comment's room.</summary>
    public const int MarkerRoom = 300;

    /// <summary>Writes the comment, unless it says so already; removes our other ones. Returns its address.</summary>
    public async Task<string> PutAsync(int pullRequest, BranchName branch, string text, CancellationToken cancellationToken)
    {
        var login = await host.GetLoginAsync(cancellationToken);
        var all = await host.ListCommentsAsync(pullRequest, cancellationToken);
        var body = Marker.Sign(branch.Project, pullRequest, branch.Branch, text);
        if (await ReplaceAsync(Ours(all, login, pullRequest, branch.Project), body, cancellationToken) is { } replaced)
            return replaced.Url;

        var created = await host.CreateCommentAsync(pullRequest, body, cancellationToken);
        // The token of an app cannot ask who it is; its first comment tells.
        if (!IsBy(created, login) && Ours(all, created.Author, pullRequest, branch.Project) is { Count: > 0 } earlier
            && await ReplaceAsync([.. earlier, new Own(created, Marker.Read(body)!)], body, cancellationToken) is { } kept)
            return kept.Url;
        return created.Url;
    }

    /// <summary>Lets our comments of the pull request say that their branch is deleted. Where there is none, none is made. Returns the address of the first.</summary>
    public async Task<string?> SayDeletedAsync(int pullRequest, string? project, string why, CancellationToken cancellationToken)
    {
        var login = await host.GetLoginAsync(cancellationToken);
        var all = await host.ListCommentsAsync(pullRequest, cancellationToken);
        string? url = null;
        foreach (var group in Ours(all, login, pullRequest, project).GroupBy(o => o.Marker.Project))
        {
            var first = group.First();
            if (!BranchName.IsWellFormed(first.Marker.Project) || !BranchName.IsWellFormed(first.Marker.Branch))
                continue;
            var text = DownText.Comment(BranchName.Of(first.Marker.Project, first.Marker.Branch), why, MigrationText.Read(first.Comment.Body), Page.CommentLimit - MarkerRoom);
            var body = Marker.Sign(first.Marker.Project, pullRequest, first.Marker.Branch, text);
            var replaced = await ReplaceAsync([.. group], body, cancellationToken);
            url ??= replaced?.Url;
        }

        return url;
    }

    private async Task<PullRequestComment?> ReplaceAsync(IReadOnlyList<Own> own, string body, CancellationToken cancellationToken)
    {
        if (own.Count == 0)
            return null;
        foreach (var duplicate in own.Skip(1))
            await host.DeleteCommentAsync(duplicate.Comment.Id, cancellationToken);
        return own[0].Marker.Digest == Marker.Read(body)!.Digest ? own[0].Comment : await host.UpdateCommentAsync(own[0].Comment.Id, body, cancellationToken);
    }

    private static List<Own> Ours(IEnumerable<PullRequestComment> comments, string login, int pullRequest, string? project) =>
    [
        .. comments.Where(c => IsBy(c, login)).Select(c => new Own(c, Marker.Read(c.Body)!))
            .Where(o => o.Marker is not null && o.Marker.PullRequest == pullRequest && (project is null || o.Marker.Project == project)),
    ];

    private static bool IsBy(PullRequestComment comment, string login) => string.Equals(comment.Author, login, StringComparison.OrdinalIgnoreCase);

    private sealed record Own(PullRequestComment Comment, Marker Marker);
}
