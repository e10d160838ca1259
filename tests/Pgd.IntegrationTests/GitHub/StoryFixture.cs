using System.Diagnostics;
using Npgsql;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A runner's machine with the project <c>shop</c>: the real tool, built as the action builds it, and real PostgreSQL on the embedded default.</summary>
public sealed class StoryFixture : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly GitHubFixture _github = new();
    private int _runners;
    private string _root = "";
    private string _tool = "";
    private string _binaries = "";

    /// <summary>The project.</summary>
    public const string Project = "shop";

    private const int PostgresMajor = 15;

    internal GitHubFixture GitHub => _github;

    /// <summary>Where the tool keeps everything.</summary>
    internal string Root => _root;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _binaries = Lab.Current.Servers.Folder(PostgresMajor);
        await _github.InitializeAsync();
        _root = NewRoot();
        _tool = await InstallAsync();
        Run("project", "create", Project, "--pg-version", $"{PostgresMajor}");
        await ExecuteAsync($"{Project}/main",
            "create table customers (id int primary key, name text not null); insert into customers select i, 'customer ' || i from generate_series(1, 1000) i");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        PasswordScan.RefuseIn(_root);
        // A project that could not be made is its tests' failure already.
        if (_tool.Length > 0)
            _ = TryRun("project", "delete", Project, "--force");
        await _github.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A runner of this machine: its own workspace, the machine's tool cache.</summary>
    /// <param name="action">The folder of what a job runs; null for our action.</param>
    internal RunnerHarness NewRunner(string? action = null) => new(Path.Combine(_folder.Path, $"runner-{Interlocked.Increment(ref _runners)}"), ToolCache, action);

    /// <summary>What the machine's configuration says to every job on it.</summary>
    internal Dictionary<string, string> Environment => new()
    {
        ["PGD_ROOT"] = Root,
        ["PGD_PORT_RANGE"] = Ports,
        ["PGD_POSTGRES_BINARIES"] = _binaries,
        // Not the configuration of whoever runs the tests.
        ["XDG_CONFIG_HOME"] = _folder.Path,
    };

    /// <summary>Runs the tool by hand and returns its result.</summary>
    internal string Run(params IEnumerable<string> arguments)
    {
        var (status, output, error) = TryRun(arguments);
        return status == 0 ? output : throw new InvalidOperationException($"dotnet pgd {string.Join(' ', arguments)}: status {status}: {error}");
    }

    /// <summary>Runs the tool by hand.</summary>
    internal (int Status, string Output, string Error) TryRun(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(_tool) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in Environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Trim(), error.Result.Trim());
    }

    /// <summary>The names of the branches that there are.</summary>
    internal IReadOnlyList<string> Branches() =>
        [.. System.Text.Json.Nodes.JsonNode.Parse(Run("branch", "list", "--json"))!.AsArray().Select(branch => branch!["name"]!.GetValue<string>())];

    /// <summary>For migrations that call psql; a server's package need not have it.</summary>
    internal static void RequirePsql() => Lab.Require(LabCommand.Exists("psql"), "psql is not installed");

    /// <summary>Waits for something that another process does.</summary>
    internal static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!condition())
            await Task.Delay(5, patience.Token);
    }

    /// <summary>Whether there is such a branch.</summary>
    internal bool Exists(string branch) => TryRun("branch", "get", branch).Status == 0;

    /// <summary>Asks a branch something over the URL that the tool tells.</summary>
    internal Task<string> QueryAsync(string branch, string sql) => QueryUrlAsync(Run("branch", "url", branch, "--format", "npgsql"), sql);

    /// <summary>Asks something over a connection string of Npgsql.</summary>
    internal static async Task<string> QueryUrlAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture) ?? "";
    }

    /// <summary>Changes something in a branch.</summary>
    internal Task ExecuteAsync(string branch, string sql) => QueryAsync(branch, sql);

    // Away from other roots' ports: each port that turns out to be taken costs a start.
    private string Ports { get; } = NewPorts();

    // Kept over runs of the tests: the name of what is in it is a digest of the sources.
    private static string ToolCache => Path.Combine(Checkout.Folder, "artifacts", "tool-cache");

    // Where the machine has it, the storage that takes the least of it: the many branches of these tests are then snapshots.
    private string NewRoot()
    {
        if (System.Environment.IsPrivilegedProcess && LabCommand.Exists("mkfs.btrfs"))
            return Lab.Current.FileSystem("btrfs").NewRoot();
        var root = Path.Combine(_folder.Path, "root");
        Directory.CreateDirectory(root, LabFolder.Traversable);
        return root;
    }

    private static string NewPorts()
    {
        var first = 22000 + (Random.Shared.Next(100) * 100);
        return new PortRange(first, first + 99).ToString();
    }

    private async Task<string> InstallAsync()
    {
        var added = Path.Combine(_folder.Path, "added");
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(Checkout.Folder, "build", "action-install.sh"));
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        start.Environment["RUNNER_TOOL_CACHE"] = ToolCache;
        start.Environment["GITHUB_ACTION_PATH"] = Checkout.Folder;
        start.Environment["GITHUB_PATH"] = added;
        start.Environment["GITHUB_ENV"] = Path.Combine(_folder.Path, "env");
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? Path.Combine((await File.ReadAllTextAsync(added)).Trim(), "dotnet-pgd")
            : throw new InvalidOperationException($"{output}\n{await error}");
    }
}
