namespace Pgd.Action.Reports;

/// <summary>
/// The one comment that we keep up to date. It is ours when its author is us and it begins with our marker; anybody can copy a marker,
/// so another author's comment is never touched.
/// </summary>
internal sealed class StickyComment(IPullRequests host)
{
    /// <summary>How much a marker and the line about other machines take of a comment's room.</summary>
    public const int MarkerRoom = 2500;

    // As many as there is room for.
    private const int MostOthers = 8;

    /// <summary>Writes the comment, unless it says so already; removes our other ones.</summary>
    /// <param name="pullRequest">The number.</param>
    /// <param name="project">The project: each has a comment of its own.</param>
    /// <param name="branch">The branch that the comment is about; null when it says that there is none.</param>
    /// <param name="here">What this machine is called, and was called before.</param>
    /// <param name="text">The comment without its marker.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="isThere">Whether the branch is there, and not gone already.</param>
    public async Task<Told> PutAsync(int pullRequest, string project, BranchName? branch, IReadOnlyList<string> here, string text, CancellationToken cancellationToken, bool isThere = true)
    {
        var marked = await MarkedAsync(pullRequest, project, cancellationToken);
        var login = await LoginAsync(marked, cancellationToken);
        var own = By(login, marked);
        if (await ReplaceAsync(own, Body(own), cancellationToken) is { } replaced)
            return Tell(replaced.Url, own);

        var created = await host.CreateCommentAsync(pullRequest, Body(own), cancellationToken);
        // The token of an app cannot ask who it is; its new comment tells, and the older ones can be found by it.
        if (created.Author != login && By(created.Author, marked) is { Count: > 0 } earlier
            && await ReplaceAsync([.. earlier, new Marked(created, Marker.Read(created.Body)!)], Body(earlier), cancellationToken) is { } kept)
            return Tell(kept.Url, earlier);
        return Tell(created.Url, own);

        string Body(List<Marked> before)
        {
            var others = Others(before, here);
            return new Marker(project, pullRequest, branch?.Branch ?? "") { HostName = branch is not null && isThere ? here[0] : "", Others = others }.Sign(ElsewhereText.With(text, others));
        }

        Told Tell(string url, List<Marked> before) => new(url, [.. Others(before, here).Select(o => (project, o))]);
    }

    /// <summary>
    /// Lets our comments of the pull request say that this machine's branch is deleted. One that tells of another machine's branch goes on telling
    /// of it. Where there is no comment, none is made.
    /// </summary>
    public async Task<Told> SayDeletedAsync(int pullRequest, string? project, string why, IReadOnlyList<string> here, CancellationToken cancellationToken)
    {
        var marked = await MarkedAsync(pullRequest, project, cancellationToken);
        var told = Told.Nothing;
        foreach (var own in By(await LoginAsync(marked, cancellationToken), marked).GroupBy(m => m.Marker.Project).Select(g => g.ToList()))
        {
            var (comment, marker) = own[0];
            var others = Others(own, here);
            told = told with { Elsewhere = [.. told.Elsewhere, .. others.Select(o => (marker.Project, o))] };
            // A comment that tells of no branch has nothing to take back.
            if (!BranchName.IsWellFormed(marker.Project) || (!BranchName.IsWellFormed(marker.Branch) && marker.Others.Count == 0))
                continue;
            var isOurs = BranchName.IsWellFormed(marker.Branch) && (marker.HostName.Length == 0 ? others.Count == 0 : Contains(here, marker.HostName));
            // Another machine's, of which there is nothing new to say.
            if (!isOurs && own.Count == 1 && others.Count == marker.Homes.Count())
            {
                told = told with { Url = told.Url ?? comment.Url };
                continue;
            }

            var text = isOurs
                ? DownText.Comment(BranchName.Of(marker.Project, marker.Branch), others.Count == 0 ? null : here[0], why, MigrationText.Read(comment.Body), Page.CommentLimit - MarkerRoom)
                : Marker.TextOf(comment.Body);
            // What the note says of others, it says beside the machine that the comment is about.
            var noted = others.Where(o => isOurs || o.HostName != marker.HostName).ToList();
            var replaced = await ReplaceAsync(own, (marker with { HostName = isOurs ? "" : marker.HostName, Others = noted }).Sign(ElsewhereText.With(text, noted)), cancellationToken);
            told = told with { Url = told.Url ?? replaced?.Url };
        }

        return told;
    }

    /// <summary>Lets our comment say when this machine's branch will be deleted. Where there is none, or it tells of another machine's, none is made. Returns its address.</summary>
    public async Task<string?> SayExpiresAsync(int pullRequest, BranchName branch, IReadOnlyList<string> here, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var marked = await MarkedAsync(pullRequest, branch.Project, cancellationToken);
        var own = By(await LoginAsync(marked, cancellationToken), marked).Where(m => m.Marker.Branch == branch.Branch && (m.Marker.HostName.Length == 0 || Contains(here, m.Marker.HostName))).ToList();
        if (own.Count == 0)
            return null;
        var text = ExpiryText.With(Marker.TextOf(own[0].Comment.Body), branch, time, Page.CommentLimit - MarkerRoom);
        return (await ReplaceAsync(own, own[0].Marker.Sign(text), cancellationToken))?.Url;
    }

    private static List<Home> Others(List<Marked> own, IReadOnlyList<string> here) =>
        [.. own.SelectMany(m => m.Marker.Homes).Where(h => !Contains(here, h.HostName)).DistinctBy(h => h.HostName, StringComparer.OrdinalIgnoreCase).Take(MostOthers)];

    private static bool Contains(IReadOnlyList<string> here, string name) => here.Contains(name, StringComparer.OrdinalIgnoreCase);

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
