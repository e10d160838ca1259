using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrDown
{
    public static Command Command(Surface surface)
    {
        var story = new Story(isAboutOne: true);
        return new Verb(surface, "down", "Delete the pull request's branch.", "pr down", "pr down --provider none --repository octo/shop --number 42")
            .With(story.Options)
            .Does((run, cancellationToken) => story.RunAsync(run, static (story, token) => story.DownAsync(token), cancellationToken));
    }
}
