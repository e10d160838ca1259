using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrAuto
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "auto", "Do what the CI event asks for: make, renew or delete the pull request's branch, or sweep. Reads the job's environment and pgd.yml.", "pr auto")
            .Does((run, cancellationToken) => Story.RunByEventAsync(run, static (story, token) => story.AutoAsync(token), cancellationToken));
}
