using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

/// <summary>Runs a chapter of the pull-request story with the job's environment and the repository's configuration.</summary>
internal static class Story
{
    public static Task<int> RunAsync(Run run, Func<PendingStory, CancellationToken, Task<int>> chapter, CancellationToken cancellationToken) =>
        chapter(new PendingStory(), cancellationToken);
}

internal sealed class PendingStory
{
    public Task<int> AutoAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<int> UpAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<int> DownAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    public Task<int> SweepAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
}
