using System.CommandLine;
using System.Globalization;
using Pgd.Action;
using Pgd.Action.Events;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

/// <summary>Runs a chapter of the pull-request story, with what GitHub says in the job's environment or with what is told by options.</summary>
internal sealed class Story
{
    private readonly Option<string?> _provider = Arguments.OneOf("--provider", "Who is asked about the pull request, and gets the comment (default github in its jobs, none elsewhere)", "github", "none");
    private readonly Option<string?> _repository = new("--repository") { HelpName = "GROUP/NAME", Description = "Repository, where nobody is asked" };
    private readonly Option<string?> _number = new("--number") { HelpName = "N", Description = "Number of the pull request, where nobody is asked" };
    private readonly Option<string?> _sha = new("--sha") { HelpName = "SHA", Description = "Its commit" };
    private readonly Option<string?> _state = Arguments.OneOf("--state", "Whether it is open (the default)", "open", "closed");
    private readonly Option<string?> _comment = new("--comment-file") { HelpName = "FILE", Description = "File to write the comment to, as Markdown" };
    private readonly Option<string?> _results = new("--results") { HelpName = "FOLDER", Description = "Folder for the result as JSON, the connection's variables (.env, with the password) and the migration's report" };
    private readonly bool _isAboutOne;

    /// <param name="isAboutOne">Whether it is about one pull request.</param>
    public Story(bool isAboutOne) => _isAboutOne = isAboutOne;

    public Symbol[] Options => _isAboutOne ? [_provider, _repository, _number, _sha, _state, _comment, _results] : [_provider, _repository, _comment, _results];

    /// <summary>As the event of a job at GitHub says.</summary>
    public static Task<int> RunByEventAsync(Run run, Func<PullRequestStory, CancellationToken, Task<StoryResult>> chapter, CancellationToken cancellationToken) =>
        RunAsync(run, PullRequestStory.FromEnvironment(run.Session.Environment, RepositoryFile.Load(run.Session.WorkingDirectory), run.Workspace, Output(run), run.Session.Error), chapter, cancellationToken);

    public Task<int> RunAsync(Run run, Func<PullRequestStory, CancellationToken, Task<StoryResult>> chapter, CancellationToken cancellationToken)
    {
        var session = run.Session;
        var told = ((IEnumerable<Option<string?>>)[_repository, _number, _sha, _state, _comment, _results]).FirstOrDefault(o => run[o] is not null);
        if ((run[_provider] ?? (session.Environment.GetValueOrDefault("GITHUB_ACTIONS") == "true" ? "github" : "none")) == "github")
        {
            return told is null ? RunByEventAsync(run, chapter, cancellationToken)
                : throw new PgdException(ExitCode.Misuse, $"{told.Name} is for where nobody is asked", "Leave it out, or say so: --provider none");
        }

        var facts = new PullRequestFacts
        {
            Repository = run[_repository],
            Number = run[_number] is not { } text ? null : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number
                : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not the number of a pull request", "Write a whole number from 1."),
            Sha = run[_sha],
            IsOpen = run[_state] is { } state ? state == "open" : null,
            Workspace = session.WorkingDirectory,
        }.Over(PullRequestFacts.FromEnvironment(session.Environment));
        return RunAsync(run, PullRequestStory.FromFacts(session.Environment, RepositoryFile.Load(session.WorkingDirectory), facts, _isAboutOne, Full(_comment), Full(_results), run.Workspace, Output(run), session.Error), chapter, cancellationToken);

        string? Full(Option<string?> option) => run[option] is { } path ? Path.GetFullPath(path, session.WorkingDirectory) : null;
    }

    private static async Task<int> RunAsync(Run run, PullRequestStory story, Func<PullRequestStory, CancellationToken, Task<StoryResult>> chapter, CancellationToken cancellationToken)
    {
        var result = await chapter(story, cancellationToken);
        run.Dispose();
        if (run.IsJson)
            run.Session.Output.WriteLine(result.ToJson());
        return (int)result.ExitCode;
    }

    private static TextWriter Output(Run run) => run.IsJson ? TextWriter.Null : run.Session.Output;
}
