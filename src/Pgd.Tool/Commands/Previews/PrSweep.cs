using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrSweep
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "sweep", "Delete branches of pull requests that are closed, and expired ones.", "pr sweep")
            .Does((run, cancellationToken) => Story.RunAsync(run, static (story, token) => story.SweepAsync(token), cancellationToken));
}
