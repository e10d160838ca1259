using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrDown
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "down", "Delete the pull request's branch.", "pr down")
            .Does((run, cancellationToken) => Story.RunAsync(run, static (story, token) => story.DownAsync(token), cancellationToken));
}
