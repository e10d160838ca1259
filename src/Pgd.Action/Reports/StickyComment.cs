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
    /// <param name="pullRequest">The number.</param>
    /// <param name="project">The project: each has a comment of its own.</param>
    /// <param name="branch">The branch that the comment is about; null when it says that there is none.</param>
    /// <param name="text">The comment without its marker.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string> PutAsync(int pullRequest, string project, BranchName? branch, string text, CancellationToken cancellationToken)
    {
        var body = Marker.Sign(project, pullRequest, branch?.Branch ?? "", text);
        var marked = await MarkedAsync(pullRequest, project, cancellationToken);
        var login = await LoginAsync(marked, cancellationToken);
        if (await ReplaceAsync(By(login, marked), body, cancellationToken) is { } replaced)
            return replaced.Url;

        var created = await host.CreateCommentAsync(pullRequest, body, cancellationToken);
        // The token of an app cannot ask who it is; its new comment tells, and the older ones can be found by it.
        if (created.Author != login && By(created.Author, marked) is { Count: > 0 } earlier
            && await ReplaceAsync([.. earlier, new Marked(created, Marker.Read(body)!)], body, cancellationToken) is { } kept)
            return kept.Url;
        return created.Url;
    }

    /// <summary>Lets our comments of the pull request say that their branch is deleted. Where there is none, none is made. Returns the address of the first.</summary>
    public async Task<string?> SayDeletedAsync(int pullRequest, string? project, string why, CancellationToken cancellationToken)
    {
        var marked = await MarkedAsync(pullRequest, project, cancellationToken);
        string? url = null;
        foreach (var own in By(await LoginAsync(marked, cancellationToken), marked).GroupBy(m => m.Marker.Project))
        {
            var (comment, marker) = own.First();
            // A comment that tells of no branch has nothing to take back.
            if (!BranchName.IsWellFormed(marker.Project) || !BranchName.IsWellFormed(marker.Branch))
                continue;
            var text = DownText.Comment(BranchName.Of(marker.Project, marker.Branch), why, MigrationText.Read(comment.Body), Page.CommentLimit - MarkerRoom);
            var replaced = await ReplaceAsync([.. own], Marker.Sign(marker.Project, pullRequest, marker.Branch, text), cancellationToken);
            url ??= replaced?.Url;
        }

        return url;
    }

    /// <summary>Lets our comment say when its branch will be deleted. Where there is none, none is made. Returns its address.</summary>
    public async Task<string?> SayExpiresAsync(int pullRequest, BranchName branch, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var marked = await MarkedAsync(pullRequest, branch.Project, cancellationToken);
        var own = By(await LoginAsync(marked, cancellationToken), marked).Where(m => m.Marker.Branch == branch.Branch).ToList();
        if (own.Count == 0)
            return null;
        var text = ExpiryText.With(own[0].Comment.Body[(own[0].Comment.Body.IndexOf("-->", StringComparison.Ordinal) + 3)..].TrimStart(), branch, time, Page.CommentLimit - MarkerRoom);
        return (await ReplaceAsync(own, Marker.Sign(branch.Project, pullRequest, branch.Branch, text), cancellationToken))?.Url;
    }

    private async Task<List<Marked>> MarkedAsync(int pullRequest, string? project, CancellationToken cancellationToken) =>
    [
        .. (await host.ListCommentsAsync(pullRequest, cancellationToken))
            .Select(c => (Comment: c, Marker: Marker.Read(c.Body)))
            .Where(m => m.Marker is not null && m.Marker.PullRequest == pullRequest && (project is null || m.Marker.Project == project))
            .Select(m => new Marked(m.Comment, m.Marker!)),
    ];

    // Who we are matters only when somebody has written what could be ours.
    private async Task<string?> LoginAsync(List<Marked> marked, CancellationToken cancellationToken) =>
        marked.Count == 0 ? null : await host.GetLoginAsync(cancellationToken);

    private async Task<PullRequestComment?> ReplaceAsync(List<Marked> own, string body, CancellationToken cancellationToken)
    {
        if (own.Count == 0)
            return null;
        foreach (var duplicate in own.Skip(1))
            await host.DeleteCommentAsync(duplicate.Comment.Id, cancellationToken);
        var (comment, marker) = own[0];
        return marker.Digest == Marker.Read(body)!.Digest ? comment : await host.UpdateCommentAsync(comment.Id, body, cancellationToken);
    }

    private static List<Marked> By(string? login, IEnumerable<Marked> marked) =>
        [.. marked.Where(m => string.Equals(m.Comment.Author, login, StringComparison.OrdinalIgnoreCase))];

    /// <summary>A comment that begins with our marker, whoever wrote it.</summary>
    private sealed record Marked(PullRequestComment Comment, Marker Marker);
}
