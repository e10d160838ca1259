using System.Diagnostics;
using System.Globalization;
using Pgd.Configuration;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Runtime;

/// <summary>
/// <c>postgres</c> itself, from the server binaries on this host: in a session of its own, so that it survives the job that started it,
/// and as an ordinary account when we are root, because PostgreSQL refuses to run as root.
/// </summary>
internal sealed class Native(HostConfiguration configuration, Layout layout) : IRuntime
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2), LongestStop = TimeSpan.FromSeconds(60), LongestImmediateStop = TimeSpan.FromSeconds(5), LongestWaitForTheDead = TimeSpan.FromSeconds(5);
    private readonly ServerBinaries _binaries = new(configuration);

    public string Name => "native";

    public ServerBinaries Binaries => _binaries;

    public string? Unavailable() => !OperatingSystem.IsLinux() ? "branches need Linux"
        : _binaries.Found.Count == 0 ? "there are no PostgreSQL server binaries on this machine"
        : null;

    public bool SeesClients => true;

    public Task<ServerPrograms> ChooseAsync(int? major, string? image, IReporter reporter, CancellationToken cancellationToken)
    {
        if (image is not null)
            throw new PgdException(ExitCode.Misuse, $"the runtime {Name} runs programs of this machine, and none of an image", "Leave out --image, or choose --runtime docker.");
        if (Impassable(layout.Volumes) is { } impassable)
            throw impassable;
        return Task.FromResult(new ServerPrograms(_binaries.For(major ?? _binaries.Found[0].Major).Major, null));
    }

    public string HostOf(ProjectRecord project, string branch, int port, string? asked) => asked is null or Addresses.Auto ? "127.0.0.1" : asked;

    public string MakeNetwork(string project) =>
        throw new PgdException(ExitCode.Misuse, $"the runtime {Name} has no networks of its own: its servers are in this machine's", "Leave out --network internal, or choose --runtime docker.");

    public void RenameNetwork(string project, string name, string subnet)
    {
    }

    public void RemoveNetwork(string project)
    {
    }

    public void GiveAway(Volume volume, ProjectRecord project)
    {
        if (ServerAccount() is { } account && Libc.LChown(volume.Data, account.UserId, account.GroupId) != 0)
            throw Libc.LastError(volume.Data);
    }

    public async Task InitializeAsync(Volume volume, ProjectRecord project, CancellationToken cancellationToken)
    {
        var account = ServerAccount();
        GiveAway(volume, project);
        var binary = _binaries.For(project.PostgresMajor);
        try
        {
            await Shell.RunAsync(new(binary.Initdb, "--pgdata", volume.Data, "--username", project.Superuser, "--encoding", "UTF8", "--locale", "C.UTF-8",
                "--data-checksums", "--auth-local", "peer", "--auth-host", "scram-sha-256")
            { User = account?.Name, Environment = CleanEnvironment(), WorkingDirectory = "/" }, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (DiskFull.Is(e))
        {
            throw DiskFull.Error(volume.Data, e);
        }
    }

    public string? FindProgram(string name, int major) => _binaries.Found.Where(b => b.Major == major).Select(b => Path.Combine(b.Folder, name)).FirstOrDefault(File.Exists);

    public Task CopyServerAsync(Volume volume, ProjectRecord project, string conninfo, CancellationToken cancellationToken) =>
        throw new PgdException(ExitCode.MachineLacks, $"there is no pg_basebackup beside the server programs of PostgreSQL {project.PostgresMajor}", $"Install the package postgresql-client-{project.PostgresMajor} (apt.postgresql.org has every version).");

    public void PrepareSocketFolder(string folder, Volume volume)
    {
        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(folder, closed);
        File.SetUnixFileMode(folder, closed);
        if (AccountOf(volume) is { } account && Libc.LChown(folder, account.UserId, account.GroupId) != 0)
            throw Libc.LastError(folder);
    }

    public async Task<StartedServer> StartAsync(Volume volume, ProjectRecord project, ServerStart server, CancellationToken cancellationToken)
    {
        await WaitForTheDeadAsync(volume, cancellationToken).ConfigureAwait(false);
        var account = AccountOf(volume);
        var binary = _binaries.For(project.PostgresMajor);
        PreloadLibrary.Require(server.Libraries, binary.LibraryFolder(), File.Exists, $"PostgreSQL {binary.Major} in {binary.Folder}",
            "Install the package that has it, or take it out of the setting in the source, and try again.");
        PrepareLog(volume);
        Fault.Here("start:log");

        // The shell is gone after its redirections: setsid and postgres take its place, one after the other.
        var start = new ProcessStartInfo("/bin/sh", ["-c", """exec setsid "$@" >>"$0" 2>&1 </dev/null""", volume.Log, binary.Postgres, "-D", volume.Data])
        {
            UserName = account?.Name ?? "",
            WorkingDirectory = "/",
        };
        foreach (var (name, value) in server.Settings)
        {
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add($"{name}={value}");
        }

        // GitHub's runner ends, after the job, every process that carries its RUNNER_TRACKING_ID; and no secret of the job belongs to a server.
        start.Environment.Clear();
        foreach (var (name, value) in CleanEnvironment().Where(v => v.Value is not null))
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        Fault.Here("start:launched");
        return new(() => process.HasExited);
    }

    public bool IsRunning(Volume volume) => Find(volume) is not null;

    public async Task StopAsync(Volume volume, StopMode mode, CancellationToken cancellationToken)
    {
        if (Find(volume) is { } pid)
        {
            Fault.Here("stop:asking");
            await EndAsync(pid, mode == StopMode.Fast ? Libc.SIGINT : Libc.SIGQUIT, insist: mode == StopMode.Immediate).ConfigureAwait(false);
        }

        if (mode == StopMode.Immediate)
        {
            // An initdb, or a server that has not yet got as far as its process-id file, of a tool that was interrupted or killed.
            foreach (var other in OthersAt(volume))
                await EndAsync(other, Libc.SIGKILL, insist: true).ConfigureAwait(false);
        }

        async Task EndAsync(int pid, int signal, bool insist)
        {
            var clock = Stopwatch.StartNew();
            _ = Libc.Kill(pid, signal);
            Fault.Here("stop:asked");
            while (IsAlive(pid))
            {
                if (clock.Elapsed > (insist ? LongestImmediateStop : LongestStop))
                {
                    if (!insist)
                        throw new PgdException(ExitCode.Failed, $"the server of {volume.Key} (process {pid}) does not stop", $"Look at its log: dotnet pgd branch logs {volume.Key.Project}/{volume.Key.Branch}");
                    _ = Libc.Kill(pid, Libc.SIGKILL);
                }

                await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // A process that ended is gone.
    public IReadOnlyList<Leftover> Leftovers(IReadOnlySet<string> branchIds) => [];

    public IReadOnlyList<RunningServer> List()
    {
        var servers = new List<RunningServer>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) || CommandLine(pid) is not { } arguments)
                continue;
            // A server's children show a title instead of arguments, so only the server itself is found here.
            var data = arguments.SkipWhile(a => a != "-D").Skip(1).FirstOrDefault();
            if (data is not null && (data.StartsWith(layout.Volumes + "/", StringComparison.Ordinal) || data.StartsWith(layout.Mounts + "/", StringComparison.Ordinal)))
                servers.Add(new(data, Setting(arguments, "cluster_name="), Setting(arguments, "unix_socket_directories="), pid));
        }

        return servers;

        static string? Setting(string[] arguments, string name) => arguments.FirstOrDefault(a => a.StartsWith(name, StringComparison.Ordinal))?[name.Length..];
    }

    /// <summary>The account that servers run as; null when that is ourselves.</summary>
    public Account? ServerAccount()
    {
        if (Libc.EffectiveUserId() != 0)
            return null;
        var name = configuration.PostgresUser ?? "postgres";
        var account = Libc.FindAccount(name) ?? throw new PgdException(ExitCode.MachineLacks, $"there is no account {name}, and PostgreSQL does not run as root",
            $"Make it (useradd --system --shell /usr/sbin/nologin {name}), or name another in config.yaml under postgres: user.");
        return account.UserId != 0 ? account : throw new PgdException(ExitCode.Misuse, $"the account {name} is root, and PostgreSQL does not run as root", "Name another in config.yaml under postgres: user.");
    }

    /// <summary>The account of a volume's server: PostgreSQL runs as whom its data belongs to, which a clone has from its source.</summary>
    private static Account? AccountOf(Volume volume) => Libc.EffectiveUserId() != 0 ? null : Libc.Status(volume.Data).Owner is var owner && Libc.FindAccount(owner) is { } account ? account
        : throw new PgdException(ExitCode.MachineLacks, $"{volume.Data} belongs to the user id {owner}, which is no account of this machine, so no server of this machine can run as it",
            $"Choose --runtime docker, or make the account: useradd --system --uid {owner} --shell /usr/sbin/nologin postgres{owner}");

    /// <summary>Why the account that servers run as could not get to a folder; null if it can.</summary>
    public PgdException? Impassable(string folder)
    {
        if (ServerAccount() is not { } account)
            return null;
        for (var parent = folder; parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (!Directory.Exists(parent))
                continue;
            var status = Libc.Status(parent);
            var needed = status.Owner == account.UserId ? UnixFileMode.UserExecute : status.Group == account.GroupId ? UnixFileMode.GroupExecute : UnixFileMode.OtherExecute;
            if ((status.Mode & (needed | UnixFileMode.OtherExecute)) == 0)
            {
                return new(ExitCode.MachineLacks, $"the account {account.Name} cannot pass through {parent}, so its servers would not find their data",
                    $"chmod o+x {parent}, or choose another root with --root.");
            }
        }

        return null;
    }

    private static void PrepareLog(Volume volume)
    {
        if (File.Exists(volume.Log))
            return;
        using var log = Libc.CreateNew(volume.Log, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (AccountOf(volume) is { } account && Libc.FChown(log, account.UserId, account.GroupId) != 0)
            throw Libc.LastError(volume.Log);
    }

    // The file alone proves nothing: after a crash the number may be another process's.
    private static int? Find(Volume volume) => RecordedId(volume) is { } pid && IsAlive(pid) && IsServerOf(pid, volume) ? pid : null;

    private static int? RecordedId(Volume volume)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(volume.Data, "postmaster.pid"));
            return int.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf('\n', StringComparison.Ordinal))), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    // A server that someone started by hand may have the folder in another form on its command line, yet it works in it.
    private static bool IsServerOf(int pid, Volume volume) => CommandLine(pid) is { } arguments && (arguments.Contains(volume.Data) || WorkingDirectory(pid) == volume.Data);

    // A killed server whose parent has not noticed yet is gone, but to the next server its number is that of a running one; and
    // its children hold its shared memory until they have noticed.
    private static async Task WaitForTheDeadAsync(Volume volume, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < LongestWaitForTheDead && RecordedId(volume) is { } pid && !IsAlive(pid) && (Directory.Exists($"/proc/{pid}") || OthersAt(volume).Any());)
            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
    }

    // Told by the folder that they work in or have been given: initdb's own children know nothing else.
    private static IEnumerable<int> OthersAt(Volume volume)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid != Environment.ProcessId
                && CommandLine(pid) is [var program, ..] arguments && IsAlive(pid)
                && (arguments.Zip(arguments.Skip(1)).Any(pair => pair.First is "-D" or "--pgdata" && pair.Second == volume.Data)
                    || (Path.GetFileName(program).StartsWith("postgres", StringComparison.Ordinal) && WorkingDirectory(pid) == volume.Data)))
            {
                yield return pid;
            }
        }
    }

    private static string? WorkingDirectory(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/cwd").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string[]? CommandLine(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/cmdline");
            return text.Length == 0 ? null : text.Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // A process that ended and waits for its parent to notice is gone as far as its data is concerned.
    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')')..] is not [_, _, 'Z' or 'X', ..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static Dictionary<string, string?> CleanEnvironment()
    {
        var clean = new Dictionary<string, string?>();
        foreach (string name in Environment.GetEnvironmentVariables().Keys)
            clean[name] = null;
        foreach (var name in (string[])["PATH", "TZ"])
            clean[name] = Environment.GetEnvironmentVariable(name);
        clean["LANG"] = "C.UTF-8";
        return clean;
    }
}
