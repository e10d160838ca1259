using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>The story where the product is at home: a runner with ZFS and Docker, on which a pull request is opened, pushed to and closed.</summary>
[Trait("Needs", "zfs")]
[Collection(nameof(WholeMachine))]
public sealed class PullRequestOnZfs : IDisposable
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("pgd");
    private string _user = "root", _root = SetUpMachine.Root, _base = "";
    private string[] _configuration = [];

    [Fact]
    public async Task An_ordinary_users_pull_request_gets_a_branch_in_a_container_and_leaves_no_dataset_snapshot_container_or_file()
    {
        using var machine = new SetUpMachine();
        SetUpMachine.Expect(0, SetUpMachine.Tool("setup", "--user", SetUpMachine.User, "--pool", machine.Pool));
        (_user, _base) = (SetUpMachine.User, machine.Base);
        await PlayAsync();
    }

    [Fact]
    [Trait("Only", "soak")]
    public async Task Roots_pull_request_gets_a_branch_in_a_container_and_leaves_no_dataset_snapshot_container_or_file()
    {
        var pool = Lab.Current.Zfs.NewParent();
        (_root, _base) = (Directory.CreateTempSubdirectory("pgd").FullName, $"{pool}/pgd");
        File.SetUnixFileMode(_root, LabFolder.Traversable);
        _configuration = [$"PGD_ROOT={_root}", $"PGD_ZFS_POOL={pool}"];
        await PlayAsync();
    }

    private async Task PlayAsync()
    {
        var image = Lab.Current.Docker.Image(17);
        Expect(0, Run([], "project", "create", "shop", "--storage", "zfs", "--runtime", "docker", "--image", image));
        Expect(0, Run([], "branch", "exec", "shop/main", "--", "psql", "--command", "create table customers (id int primary key); insert into customers select generate_series(1, 1000)"));
        var before = Left();
        Assert.Contains($"dataset {_base}/shop/main/g1", before);

        await using var github = await FakeGitHub.StartAsync();
        github.PublicAddress = github.Address;
        var repository = github.AddRepository("octo-org/shop", 4711);
        var (pull, token) = (repository.Open(42), github.WorkflowToken());
        AddMigration(pull, "db/1.sql", "alter table customers add column name text");
        Expect(0, Deliver(github, token, "pull_request", "opened", pull));
        Assert.Equal("1000", Ask("select count(*) from customers where name is null"));
        var comment = Assert.Single(pull.Comments);
        Assert.Contains("db/1.sql", comment.Body, StringComparison.Ordinal);
        Assert.Single(Left().Except(before), l => l.StartsWith("container ", StringComparison.Ordinal));

        AddMigration(pull, "db/2.sql", "create index customers_by_name on customers (name)");
        pull.Push();
        Expect(0, Deliver(github, token, "pull_request", "synchronize", pull));
        Assert.Equal("customers_by_name", Ask("select to_regclass('customers_by_name')"));
        Assert.Contains("db/2.sql", comment.Body, StringComparison.Ordinal);

        pull.Closed = true;
        Expect(0, Deliver(github, token, "pull_request_target", "closed", pull));
        Assert.Contains("deleted", comment.Body, StringComparison.Ordinal);
        Assert.Equal(before, Left());
        Expect(0, Run([], "project", "delete", "shop"));
        Assert.Equal([$"dataset {_base}"], Left());
    }

    /// <inheritdoc/>
    public void Dispose() => _work.Delete(recursive: true);

    private static void Expect(int status, (int Status, string Output, string Error) run) => Assert.True(run.Status == status, $"{run.Status}: {run.Output}{run.Error}");

    // Datasets, snapshots, containers, networks, mounts and volumes, by their own programs.
    private IReadOnlyList<string> Left() =>
    [
        .. LabCommand.Run("zfs", "list", "-H", "-r", "-t", "all", "-o", "name", _base).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(n => $"dataset {n}"),
        .. DockerLab.Listing(_root),
        .. LabCommand.Run("docker", "network", "ls", "--filter", "label=pgd.root", "--format", "{{.Name}}").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(n => $"network {n}"),
        .. LabFolder.MountPoints().Where(m => LabFolder.Contains(_root, m)).Select(m => $"mount {m}"),
        .. Directory.EnumerateFileSystemEntries($"{_root}/volumes", "*", SearchOption.AllDirectories).Where(f => !f.Contains("/main/", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(f => $"file {f}"),
        .. Directory.EnumerateFileSystemEntries($"{_root}/s").Order(StringComparer.Ordinal).Select(f => $"file {f}"),
    ];

    private string Ask(string sql)
    {
        var (status, output, error) = Run([], "branch", "exec", "shop/pr-42", "--", "psql", "--tuples-only", "--no-align", "--command", sql);
        Assert.True(status == 0, error);
        return output.Trim();
    }

    private void AddMigration(FakePullRequest pull, string path, string sql)
    {
        pull.Files.Add((path, "added"));
        Directory.CreateDirectory(Path.GetDirectoryName($"{_work.FullName}/{path}")!);
        File.WriteAllText($"{_work.FullName}/{path}", sql);
    }

    // What action.yml's last step is given, and runs.
    private (int Status, string Output, string Error) Deliver(FakeGitHub github, FakeToken token, string eventName, string action, FakePullRequest pull)
    {
        var file = $"{_work.FullName}/event.json";
        File.WriteAllText(file, Payloads.PullRequest(action, pull, github.Api));
        foreach (var name in (string[])["output", "summary", "env"])
            File.WriteAllText($"{_work.FullName}/{name}", "");
        LabCommand.Run("chown", "-R", _user, _work.FullName);
        return Run(
        [
            "CI=true", "GITHUB_ACTIONS=true", $"GITHUB_EVENT_NAME={eventName}", $"GITHUB_EVENT_PATH={file}", $"GITHUB_REPOSITORY={pull.Repository.FullName}", $"GITHUB_REPOSITORY_ID={pull.Repository.Id}",
            $"GITHUB_API_URL={github.Api}", "GITHUB_SERVER_URL=https://github.com", "GITHUB_RUN_ID=1", $"GITHUB_WORKSPACE={_work.FullName}", $"GITHUB_OUTPUT={_work.FullName}/output",
            $"GITHUB_STEP_SUMMARY={_work.FullName}/summary", $"GITHUB_ENV={_work.FullName}/env", "RUNNER_NAME=here", $"RUNNER_TEMP={_work.FullName}", "RUNNER_TRACKING_ID=1",
            "PGD_INPUT_COMMAND=auto", "PGD_INPUT_PROJECT=shop", "PGD_INPUT_MIGRATE_FILES=db/*.sql", $"PGD_INPUT_GITHUB_TOKEN={token.Value}",
        ], "pr", "auto");
    }

    // As a session begins that the user opens today, with the groups that setup gave him.
    private (int Status, string Output, string Error) Run(string[] environment, params string[] arguments) => LabCommand.Try("setpriv",
        [$"--reuid={_user}", $"--regid={_user}", "--init-groups", "--", "env", "-C", "/", $"HOME={(_user == "root" ? "/root" : $"/home/{_user}")}", .. _configuration, .. environment, "dotnet", ToolRun.Program, .. arguments]);
}
