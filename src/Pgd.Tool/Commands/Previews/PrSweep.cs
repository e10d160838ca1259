using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrSweep
{
    public static Command Command(Surface surface)
    {
        var story = new Story(isAboutOne: false);
        return new Verb(surface, "sweep", "Delete branches of pull requests that are closed, and expired ones.", "pr sweep", "# Those whose time is up, where nobody is asked", "pr sweep --provider none --repository octo/shop")
            .With(story.Options)
            .Does((run, cancellationToken) => story.RunAsync(run, static (story, token) => story.SweepAsync(token), cancellationToken));
    }
}
