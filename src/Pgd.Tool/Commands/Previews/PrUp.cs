using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrUp
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "up", "Make or renew the pull request's branch, run its migrations, and report on the pull request.", "pr up")
            .Does((run, cancellationToken) => Story.RunAsync(run, static (story, token) => story.UpAsync(token), cancellationToken));
}
