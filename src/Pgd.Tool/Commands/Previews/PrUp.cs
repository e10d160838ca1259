using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrUp
{
    public static Command Command(Surface surface)
    {
        var story = new Story(isAboutOne: true);
        return new Verb(surface, "up", "Make or renew the pull request's branch, run its migrations, and report on the pull request.", "pr up", "# In any CI system", "pr up --provider none --repository octo/shop --number 42 --sha $SHA --comment-file comment.md --results out")
            .With(story.Options)
            .Does((run, cancellationToken) => story.RunAsync(run, static (story, token) => story.UpAsync(token), cancellationToken));
    }
}
