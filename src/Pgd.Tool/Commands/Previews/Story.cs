using Pgd.Action;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

/// <summary>Runs a chapter of the pull-request story with the job's environment and the repository's configuration.</summary>
internal static class Story
{
    public static async Task<int> RunAsync(Run run, Func<PullRequestStory, CancellationToken, Task<StoryResult>> chapter, CancellationToken cancellationToken)
    {
        var session = run.Session;
        var story = PullRequestStory.FromEnvironment(
            session.Environment, RepositoryFile.Load(session.WorkingDirectory), run.Workspace, run.IsJson ? TextWriter.Null : session.Output, session.Error);
        var result = await chapter(story, cancellationToken);
        run.Dispose();
        if (run.IsJson)
            session.Output.WriteLine(result.ToJson());
        return (int)result.ExitCode;
    }
}
