using Pgd.Action;
using Pgd.Action.Events;
using Pgd.Action.Inputs;
using Pgd.Action.Runner;

namespace Pgd.Tests.Action;

/// <summary>A story with a fake engine, a fake host and the files of a runner; change what a test is about, then play.</summary>
internal sealed class StoryStage : IDisposable
{
    public const long RepositoryId = 186853002;
    public const string Sha = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("pgd-story-");
    private readonly StringWriter log = new() { NewLine = "\n" };
    private readonly StringWriter output = new() { NewLine = "\n" };

    public StoryStage()
    {
        Directory.CreateDirectory(Workspace);
        Directory.CreateDirectory(Path.Combine(Workspace, ".git"));
        Runner = new()
        {
            IsGitHubActions = true,
            OutputFile = Path.Combine(folder.FullName, "output"),
            SummaryFile = Path.Combine(folder.FullName, "summary"),
            TemporaryFolder = Path.Combine(folder.FullName, "temp"),
            Workspace = Workspace,
            ServerUrl = "https://github.example",
            RunUrl = "https://github.example/octo/shop/actions/runs/7",
            RunnerName = "linux-1",
        };
        Host.Open(42, Sha);
    }

    public FakePullRequests Host { get; } = new();

    public FakeEngine Engine { get; set; } = new();

    public FakeTime Time { get; } = new(FakeEngine.Now);

    public StoryInputs Inputs { get; set; } = new() { Project = "shop" };

    public RunnerEnvironment Runner { get; set; }

    public TriggeringEvent Event { get; set; } = OnPullRequest("opened");

    public bool HasToken { get; set; } = true;

    public string Workspace => Path.Combine(folder.FullName, "workspace");

    public string Log => log.ToString();

    public string Output => output.ToString();

    public string Summary => Read(Runner.SummaryFile!);

    public string OutputFile => Read(Runner.OutputFile!);

    public static TriggeringEvent OnPullRequest(string action, string name = "pull_request", DateTimeOffset? at = null) => new()
    {
        Name = name,
        Action = action,
        RepositoryId = RepositoryId,
        Repository = "octo/shop",
        PullRequest = new() { Number = 42, HeadSha = Sha, HeadRepositoryId = RepositoryId, UpdatedAt = at },
    };

    public static TriggeringEvent OnSchedule() => new() { Name = "schedule", RepositoryId = RepositoryId, Repository = "octo/shop" };

    public PullRequestStory Story() =>
        new(new() { Inputs = Inputs, Event = Event, Runner = Runner, PullRequests = HasToken ? Host : null, Time = Time }, Engine, output, log);

    public Task<StoryResult> PlayAsync(CancellationToken cancellationToken = default) => Story().AutoAsync(cancellationToken);

    /// <summary>The step's outputs, read as the runner reads them.</summary>
    public Dictionary<string, string> Outputs()
    {
        var outputs = new Dictionary<string, string>();
        var lines = OutputFile.Split('\n');
        for (var at = 0; at < lines.Length - 1; at++)
        {
            var (name, delimiter) = (lines[at].Split("<<")[0], lines[at].Split("<<")[1]);
            var end = Array.IndexOf(lines, delimiter, at + 1);
            outputs[name] = string.Join('\n', lines[(at + 1)..end]);
            at = end;
        }

        return outputs;
    }

    public void Write(string path, string content = "select 1;")
    {
        var file = Path.Combine(Workspace, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }

    public void Dispose()
    {
        log.Dispose();
        output.Dispose();
        folder.Delete(recursive: true);
    }

    private static string Read(string file) => File.Exists(file) ? File.ReadAllText(file) : "";
}
