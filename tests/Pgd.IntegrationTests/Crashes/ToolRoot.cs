using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Configuration;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>A root of the tool for one test, on a file system that fits a storage, with ports that no other root has.</summary>
internal sealed partial class ToolRoot : IDisposable
{
    public const int Sigint = 2, Sigkill = 9, Sigterm = 15;
    public const string Project = "shop";
    private const int PortsOfARoot = 40, FirstPort = 22000, Blocks = 250;
    private static int _roots = Environment.ProcessId;
    private readonly Dictionary<string, string> _environment;
    private readonly LoopFileSystem? _fileSystem;

    public ToolRoot(string storage, string? folder = null)
    {
        Storage = storage;
        var pool = storage == "zfs" ? Lab.Current.Zfs.NewParent() : null;
        _fileSystem = folder is null && pool is null ? Lab.Current.FileSystem(FileSystemOf(storage)) : null;
        Folder = folder ?? _fileSystem?.NewRoot() ?? NewFolder();
        Ports = FreePorts();
        _environment = new() { ["PGD_ROOT"] = Folder, ["PGD_STORAGE"] = storage, ["PGD_PORT_RANGE"] = Ports.ToString() };
        if (pool is not null)
            _environment["PGD_ZFS_POOL"] = pool;
        Workspace = new(new HostConfiguration { Root = Folder, Storage = storage, PortRange = Ports, Zfs = pool is null ? null : new() { Pool = pool } }, Heard);
    }

    public static BranchName Main { get; } = BranchName.Of(Project, BranchName.Main);

    public string Storage { get; }

    public string Folder { get; }

    public PortRange Ports { get; }

    /// <summary>What the tool, and whoever else uses the engine, is told where this root is by.</summary>
    public IReadOnlyDictionary<string, string> Variables => _environment;

    /// <summary>The engine in this process, for what needs no process of its own.</summary>
    public Workspace Workspace { get; }

    /// <summary>What the engine in this process said.</summary>
    public Heard Heard { get; } = new();

    public static string FileSystemOf(string storage) => storage switch { "btrfs" => "btrfs", "reflink" => "xfs", _ => "ext4" };

    public static BranchName Branch(string name) => BranchName.Of(Project, name);

    /// <summary>A root with a project that has some data to lose.</summary>
    public static async Task<ToolRoot> WithProjectAsync(string storage, string? folder = null, string? image = null)
    {
        var root = new ToolRoot(storage, folder);
        try
        {
            await root.MakeProjectAsync(image);
            return root;
        }
        catch
        {
            root.Dispose();
            throw;
        }
    }

    /// <summary>The same once its first branch has come and gone, which has more to tell than those after it.</summary>
    public static async Task<ToolRoot> WithUsedProjectAsync(string storage)
    {
        var root = await WithProjectAsync(storage);
        await root.MakeAsync("first");
        root.Succeed("branch", "delete", $"{Project}/first");
        return root;
    }

    public async Task MakeProjectAsync(string? image = null)
    {
        await Workspace.Projects.CreateAsync(new() { Name = Project, Image = image }, default);
        await SqlAsync(Main, "create table orders (id int primary key, note text); insert into orders select i, md5(i::text) from generate_series(1, 1000) i");
    }

    /// <summary>Runs the tool to its end.</summary>
    public ToolResult Tool(params IReadOnlyList<string> arguments) => ToolWith([], arguments);

    /// <summary>Runs the tool with more in its environment.</summary>
    public ToolResult ToolWith(Dictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        using var run = Start(environment, arguments);
        return run.Wait();
    }

    /// <summary>Runs the tool's own entry inside this process: everything but the process itself, and much faster.</summary>
    public Task<ToolResult> InProcessAsync(params string[] arguments) => InProcessWithAsync([], arguments);

    /// <summary>The same with more in its environment.</summary>
    public async Task<ToolResult> InProcessWithAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        var all = new Dictionary<string, string>(_environment) { ["HOME"] = "/nonexistent" };
        foreach (var (name, value) in environment)
            all[name] = value;
        var status = await Pgd.Tool.Entry.RunAsync(arguments, new() { Output = output, Error = error, Environment = all });
        return new(status, output.ToString(), error.ToString());
    }

    public ToolRun Start(Dictionary<string, string> environment, params IReadOnlyList<string> arguments) => StartAs(null, environment, arguments);

    /// <summary>Starts the tool through another program, such as one that changes the account.</summary>
    public ToolRun StartAs(IReadOnlyList<string>? through, Dictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        var all = new Dictionary<string, string>(_environment);
        foreach (var (name, value) in environment)
            all[name] = value;
        return ToolRun.Start(all, arguments, through);
    }

    /// <summary>Runs the tool, which must succeed.</summary>
    public string Succeed(params IReadOnlyList<string> arguments)
    {
        var result = Tool(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }

    public Task<Branch> MakeAsync(string branch, string? from = null) => MakeAsync(Branch(branch), from);

    public async Task<Branch> MakeAsync(BranchName branch, string? from = null) =>
        (await Workspace.Branches.CreateAsync(new() { Name = branch, From = from }, default)).Branch;

    /// <summary>Asks a branch over its public address, as its superuser, and returns the first column of the first row.</summary>
    public async Task<string?> SqlAsync(BranchName branch, string sql)
    {
        await using var connection = await OpenAsync(branch);
        await using var command = new NpgsqlCommand(sql, connection);
        return (await command.ExecuteScalarAsync())?.ToString();
    }

    public async Task<NpgsqlConnection> OpenAsync(BranchName branch)
    {
        var connection = new NpgsqlConnection(await ConnectionStringAsync(branch));
        await connection.OpenAsync();
        return connection;
    }

    public async Task<string> ConnectionStringAsync(BranchName branch)
    {
        var url = await Workspace.Branches.ConnectAsync(branch, Project, "postgres", default);
        return new NpgsqlConnectionStringBuilder
        {
            Host = url.Host, Port = url.Port, Username = url.User, Password = url.Password, Database = url.Database, Pooling = false, CommandTimeout = 120,
        }.ConnectionString;
    }

    /// <summary>The content of the branch's table, in one number.</summary>
    public async Task<string?> ChecksumAsync(BranchName branch) => await SqlAsync(branch, "select count(*) || '/' || sum(hashtextextended(o::text, 0)) from orders o");

    /// <summary>
    /// What the root has, by listings that ask neither state nor storage; but for lock files, which also an operation makes that only looks.
    /// </summary>
    public IReadOnlyList<string> Listing() => [.. Inventory.Take(Folder).Entries.Where(entry => !LockFile().IsMatch(entry))];

    /// <summary>The lock files of what is not there.</summary>
    public IReadOnlyList<string> StrayLocks() =>
        [.. from file in Directory.GetFiles($"{Folder}/locks")
            let name = Path.GetFileName(file)
            where name != "ports.lock" && !File.Exists($"{Folder}/state/{name.Replace(".lock", ".json", StringComparison.Ordinal).Replace("!project", "_project", StringComparison.Ordinal).Replace('+', '/')}")
            select name];

    /// <summary>The same, with what changes when a branch's server is restarted or its data replaced; the source's own must not change.</summary>
    public IReadOnlyList<string> SteadyListing() =>
        [.. Listing().Select(entry => entry.Contains("/main/", StringComparison.Ordinal) && entry.StartsWith("process ", StringComparison.Ordinal) ? entry : Varying().Replace(entry, "#")).Order(StringComparer.Ordinal)];

    /// <summary>Ends the servers that live in the root, and removes it, unless the test brought the folder.</summary>
    public void Dispose()
    {
        // Until all have ended: a volume that is made when this one is gone gets its number, and its server would take what is left of one of these for another of its own.
        while (LabProcess.All().Where(process => process.IsServer && LabFolder.Contains(Folder, process.WorkingDirectory)).ToList() is { Count: > 0 } servers)
        {
            servers.ForEach(server => server.Kill());
            Thread.Sleep(10);
        }

        PasswordScan.RefuseIn(Folder);
        _fileSystem?.RemoveRoot(Folder);
    }

    // Servers run as another account.
    private static string NewFolder()
    {
        var folder = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        return folder;
    }

    // Another run of the tests on this machine may have begun at the same block.
    private static PortRange FreePorts()
    {
        var listening = System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Select(end => end.Port).ToHashSet();
        while (true)
        {
            var first = FirstPort + (Interlocked.Increment(ref _roots) % Blocks * PortsOfARoot);
            if (!Enumerable.Range(first, PortsOfARoot).Any(listening.Contains))
                return new(first, first + PortsOfARoot - 1);
        }
    }

    [GeneratedRegex(@"^(file|folder) locks(/|$)")]
    private static partial Regex LockFile();

    [GeneratedRegex(@"(?<=^process )\d+ started \d+|(?<=/s/|\bs/)[0-9a-f]{8}\b|(?<=[/-]g)\d+\b|(?<=pgd-)[0-9a-f]{12}")]
    private static partial Regex Varying();
}

/// <summary>Keeps what the engine says.</summary>
internal sealed class Heard : IReporter
{
    private readonly List<string> _warnings = [];

    /// <summary>Called with each step before it is done, and with "progress" while data is copied: the moments at which a test can interfere.</summary>
    public Action<string>? OnStep { get; set; }

    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (_warnings)
                return [.. _warnings];
        }
    }

    public void Step(string text) => OnStep?.Invoke(text);

    public void Progress(string text, long done, long total) => OnStep?.Invoke("progress");

    public void Warn(string text)
    {
        lock (_warnings)
            _warnings.Add(text);
    }
}

/// <summary>Waits for a condition, not for a while.</summary>
internal static class Until
{
    public static async Task TrueAsync(Func<bool> condition, string what, int seconds = 60)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed.TotalSeconds > seconds)
                throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"{what}: not within {seconds} s."));
            await Task.Delay(2);
        }
    }
}
