using System.Collections.Concurrent;
using Npgsql;
using Pgd.Configuration;
using Pgd.Libpq;
using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>A root of its own with the project <c>shop</c> in it: 1000 orders, whose sum tells copies apart.</summary>
public sealed class Shop : IAsyncDisposable
{
    private const int PortsEach = 24, FirstPort = 22000, LastPort = 31999;
    // Other runs on this machine begin elsewhere, so that they rarely meet; the engine sees what is taken.
    private static int _nextPort = FirstPort + (Environment.ProcessId * 37 % 400 * PortsEach);
    private static readonly TimeSpan LongestCreate = TimeSpan.FromMinutes(1.5);
    private readonly Reporter _reporter = new();

    private Shop(string storage, string fileSystem, int major, string runtime, string? image)
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Mounting file systems and running servers as another account need root");
        (Storage, Major, Runtime) = (storage, major, runtime);
        // Before anything is made: it may not be there.
        Image = runtime == "docker" ? image ?? Lab.Current.Docker.Image(major) : null;
        Root = fileSystem == "zfs" ? NewFolder() : Lab.Current.FileSystem(fileSystem).NewRoot();
        Workspace = new(new() { Root = Root, Storage = storage, PortRange = NewPorts(), Runtime = runtime, PostgresBinaries = runtime == "native" ? [Lab.Current.Servers.Folder(major)] : [], Zfs = fileSystem == "zfs" ? new() { Pool = Lab.Current.Zfs.NewParent() } : null }, _reporter);
    }

    public static BranchName Main { get; } = BranchName.Of("shop", "main");

    public string Root { get; }

    public string Storage { get; }

    public int Major { get; }

    public string Runtime { get; }

    /// <summary>The image of the project's servers.</summary>
    public string? Image { get; }

    public bool IsAtomic => Storage is "btrfs" or "zfs";

    public Workspace Workspace { get; }

    /// <summary>What the engine warned of since this was last asked.</summary>
    public IReadOnlyCollection<string> TakeWarnings() => _reporter.Take();

    public static async Task<Shop> OpenAsync(string storage, string fileSystem, int major = 15, string runtime = "native", string? image = null, string? network = null)
    {
        var shop = new Shop(storage, fileSystem, major, runtime, image);
        await shop.Workspace.Projects.CreateAsync(new() { Name = "shop", PostgresMajor = major, Image = shop.Image, Network = network }, CancellationToken.None);
        await shop.AskAsync(Main, "create table orders (id int primary key, amount int not null); insert into orders select i, i from generate_series(1, 1000) i");
        return shop;
    }

    // Servers run as another account.
    private static string NewFolder()
    {
        var folder = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        return folder;
    }

    public static PortRange NewPorts()
    {
        var first = Interlocked.Add(ref _nextPort, PortsEach);
        first = FirstPort + ((first - FirstPort) % (LastPort - FirstPort - PortsEach));
        return new(first, first + PortsEach - 1);
    }

    public static BranchName Name(string branch) => BranchName.Of("shop", branch);

    /// <summary>Makes a branch. A server that waits for something that never comes is a failure, and not a test run without an end.</summary>
    public async Task<Branch> CreateAsync(string branch, string? from = null, Func<BranchCreate, BranchCreate>? with = null)
    {
        using var patience = new CancellationTokenSource(LongestCreate);
        return (await Workspace.Branches.CreateAsync((with ?? (c => c))(new() { Name = Name(branch), From = from }), patience.Token)).Branch;
    }

    public Task<Branch> ResetAsync(string branch) => Workspace.Branches.ResetAsync(new() { Name = Name(branch) }, CancellationToken.None);

    public Task<Branch> GetAsync(string branch) => Workspace.Branches.GetAsync(Name(branch), CancellationToken.None);

    public Task StopAsync(string branch) => Workspace.Branches.StopAsync(Name(branch), CancellationToken.None);

    public Task StartAsync(string branch) => Workspace.Branches.StartAsync(Name(branch), CancellationToken.None);

    public Task RestartAsync(string branch) => Workspace.Branches.RestartAsync(Name(branch), CancellationToken.None);

    public Task DeleteAsync(params IEnumerable<string> branches) => Task.WhenAll(branches.Select(b => Workspace.Branches.DeleteAsync(Name(b), ifExists: false, CancellationToken.None)));

    public Task<ConnectionUrl> ConnectAsync(string branch, string? database = null, string? role = null) => Workspace.Branches.ConnectAsync(Name(branch), database, role, CancellationToken.None);

    /// <summary>The data directory that serves a branch now.</summary>
    public async Task<string> DataAsync(string branch) => (await GetAsync(branch)).DataDirectory;

    /// <summary>The process of a branch's server.</summary>
    internal async Task<LabProcess> ServerAsync(string branch) => LabProcess.Server(await DataAsync(branch));

    /// <summary>Kills a branch's server, and waits until its children have noticed.</summary>
    public async Task KillAsync(string branch)
    {
        var data = await DataAsync(branch);
        var server = await ServerAsync(branch);
        server.Kill();
        // A container is not gone until its engine has noticed.
        if (Runtime == "docker")
        {
            var killed = await Workspace.Branches.GetAsync(Name(branch), CancellationToken.None);
            await Eventually.TrueAsync(() => !DockerLab.Listing(Root).Contains($"container pgd-{killed.Id}-g{killed.Generation} running"), "the container has ended");
        }

        await Eventually.TrueAsync(() => !LabProcess.All().Any(p => p.WorkingDirectory == data), $"no process in {data}");
    }

    public async Task<string> LogAsync(string branch) => await File.ReadAllTextAsync(Path.Combine((await GetAsync(branch)).Directory, "server.log"));

    /// <summary>The first value of the last statement, asked the way a user of the branch asks: over its own URL.</summary>
    public Task<string?> AskAsync(string branch, string sql) => AskAsync(Name(branch), sql);

    public async Task<string?> AskAsync(BranchName branch, string sql) => await Sql.AskAsync(await Workspace.Branches.ConnectAsync(branch, null, null, CancellationToken.None), sql);

    /// <summary>The same as the superuser. Statements that cannot run in a transaction go alone.</summary>
    public async Task<string?> AdministerAsync(string branch, params IReadOnlyList<string> statements)
    {
        var url = await ConnectAsync(branch, "shop", "postgres");
        string? answer = null;
        foreach (var statement in statements)
            answer = await Sql.AskAsync(url, statement);
        return answer;
    }

    public async Task<int> SumAsync(string branch) => int.Parse((await AskAsync(branch, "select sum(amount)::text from orders"))!, System.Globalization.CultureInfo.InvariantCulture);

    public Task AddAsync(string branch, int amount) => AskAsync(branch, $"insert into orders select max(id) + 1, {amount} from orders");

    public Inventory Take() => Inventory.Take(Root);

    /// <summary>What came and went since. Lock files stay on purpose: a lock on a removed file would exclude no one.</summary>
    public IReadOnlyList<string> Since(Inventory before) => [.. Inventory.Difference(before, Take()).Where(line => !line.Contains(" locks/", StringComparison.Ordinal))];

    /// <summary>Expects a refusal that leaves nothing.</summary>
    public async Task<PgdException> RefusedAsync(ExitCode exitCode, Func<Task> operation)
    {
        var before = Take();
        var error = await Assert.ThrowsAsync<PgdException>(operation);
        Assert.Equal((exitCode, error.Message), (error.ExitCode, error.Message));
        Assert.Empty(Since(before));
        return error;
    }

    public async ValueTask DisposeAsync()
    {
        PasswordScan.RefuseIn(Root);
        if (Workspace.State.FindProject("shop") is not null)
            await Workspace.Projects.DeleteAsync("shop", force: true, CancellationToken.None);
    }

    private sealed class Reporter : IReporter
    {
        private readonly ConcurrentQueue<string> _warnings = [];

        public List<string> Take()
        {
            var taken = new List<string>();
            while (_warnings.TryDequeue(out var warning))
                taken.Add(warning);
            return taken;
        }

        public void Step(string text)
        {
        }

        public void Progress(string text, long done, long total)
        {
        }

        public void Warn(string text) => _warnings.Enqueue(text);
    }
}

/// <summary>Statements over a connection of the test's own.</summary>
internal static class Sql
{
    // A branch with TLS has a URL that says so, and it is asked by that very URL.
    public static Task<string?> AskAsync(ConnectionUrl url, string sql, TimeSpan? timeout = null) =>
        url.Parameters.IsEmpty ? AskAsync(url.Host, url.Port, url.Database, url.User, url.Password, sql, timeout) : AskAsync(url.ToNpgsql(), sql);

    public static Task<string?> AskAsync(string host, int port, string? database, string? user, string? password, string sql, TimeSpan? timeout = null) =>
        AskAsync(new()
        {
            Host = host,
            Port = port,
            Database = database,
            Username = user,
            Password = password,
            Pooling = false,
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
            Passfile = "/dev/null",
            CommandTimeout = (int)(timeout ?? TimeSpan.FromSeconds(60)).TotalSeconds,
        }, sql);

    private static async Task<string?> AskAsync(NpgsqlConnectionStringBuilder connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        string? answer = null;
        do
        {
            while (await reader.ReadAsync())
                answer = reader.IsDBNull(0) ? null : Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture);
        }
        while (await reader.NextResultAsync());
        return answer;
    }
}
