using Cake.Core;
using Cake.Core.Annotations;
using Pgd;
using Pgd.Action;
using Pgd.Action.Events;
using Pgd.Configuration;

namespace Cake.Pgd;

/// <summary>Pull requests: each has a branch as long as it is open. In a job at GitHub the pull request is known and gets a comment; elsewhere nobody is asked, and nobody comments.</summary>
[CakeAliasCategory("Pgd")]
[CakeNamespaceImport("Pgd")]
[CakeNamespaceImport("Pgd.Action")]
public static class PgdPullRequestAliases
{
    /// <summary>Makes, resets or keeps the pull request's branch, runs its migrations, and tells about it.</summary>
    /// <param name="context">The build.</param>
    /// <param name="settings">Which pull request, and where the results go; null for what the CI system says. The rest is in <c>pgd.yml</c>.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="CakeException">A migration failed (exit code 8) or exceeds a budget (9), unless <see cref="PgdPullRequestSettings.FailsBuild"/> says otherwise; or it could not be done.</exception>
    /// <example><code>var result = PgdPullRequestUp(new PgdPullRequestSettings { CommentFile = "artifacts/comment.md" });</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Pull requests")]
    public static StoryResult PgdPullRequestUp(this ICakeContext context, PgdPullRequestSettings? settings = null) =>
        Run(context, settings, isAboutOne: true, story => story.UpAsync(CancellationToken.None));

    /// <summary>Deletes the pull request's branch; one that is gone already is fine.</summary>
    /// <param name="context">The build.</param>
    /// <param name="settings">Which pull request; null for what the CI system says.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="CakeException">It could not be done. The exit code is pgd's.</exception>
    /// <example><code>PgdPullRequestDown(new PgdPullRequestSettings { Repository = "octo/shop", Number = 42 });</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Pull requests")]
    public static StoryResult PgdPullRequestDown(this ICakeContext context, PgdPullRequestSettings? settings = null) =>
        Run(context, settings, isAboutOne: true, story => story.DownAsync(CancellationToken.None));

    /// <summary>Deletes the repository's branches whose time is up and, where the host can be asked, whose pull requests are closed.</summary>
    /// <param name="context">The build.</param>
    /// <param name="settings">Which repository; null for what the CI system says.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="CakeException">It could not be done, or not for all. The exit code is pgd's.</exception>
    /// <example><code>Information(PgdPullRequestSweep().Text);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Pull requests")]
    public static StoryResult PgdPullRequestSweep(this ICakeContext context, PgdPullRequestSettings? settings = null) =>
        Run(context, settings, isAboutOne: false, story => story.SweepAsync(CancellationToken.None));

    private static StoryResult Run(ICakeContext context, PgdPullRequestSettings? settings, bool isAboutOne, Func<PullRequestStory, Task<StoryResult>> chapter)
    {
        settings ??= new();
        return PgdSession.Run(context, settings, async session =>
        {
            var repository = RepositoryFile.Load(session.WorkingDirectory);
            // To the console itself, whatever Cake's verbosity is: GitHub's runner reads in there what to mask and to annotate, and Cake's log would leave it out when it is quiet.
            var story = settings.IsAboutGitHub(session.Environment)
                ? PullRequestStory.FromEnvironment(session.Environment, repository, session.Workspace, Console.Error, Console.Error)
                : PullRequestStory.FromFacts(session.Environment, repository, settings.Facts(session.WorkingDirectory).Over(PullRequestFacts.FromEnvironment(session.Environment)), isAboutOne,
                    settings.CommentFile?.MakeAbsolute(context.Environment).FullPath, settings.Results?.MakeAbsolute(context.Environment).FullPath, session.Workspace, Console.Error, Console.Error);
            var result = await chapter(story).ConfigureAwait(false);
            return settings.FailsBuild && result.ExitCode != ExitCode.Done ? throw new PgdException(result.ExitCode, result.Text) : result;
        });
    }
}
