using System.Diagnostics;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Following;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Recovery;
using Pgd.Runtime;
using Pgd.State;
using Pgd.Storage;
using Pgd.Tracing;

namespace Pgd.Postgres;

/// <summary>The server of one generation of a branch: started behind a closed door, settled, opened, and proved.</summary>
internal sealed class BranchServer(Workspace workspace, ProjectRecord project, BranchRecord branch, int generation)
{
    private const int LinesOfLog = 15;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1), UsualStart = TimeSpan.FromMilliseconds(250), LongestWaitForTheDoor = TimeSpan.FromSeconds(10);

    private readonly IRuntime _runtime = workspace.Runtimes.Named(project.Runtime);
    private readonly IStorage _storage = workspace.Storages.Named(project.Storage);

    public VolumeKey Key { get; } = new(project.Name, branch.Name, branch.Id, generation);

    public ServerAddress Address { get; } = new(workspace.Layout.SocketFolder(branch.Id, generation), branch.Port, project.Superuser);

    /// <summary>What the server answers to <c>show cluster_name</c>: the only thing in which it differs from its siblings.</summary>
    public string ClusterName { get; } = ClusterNameOf(branch.Id, generation);

    private bool IsMain => branch.Parent is null;

    /// <summary>Whether it is a standby of a server that is not ours. Its roles have that one's passwords, so nobody is let in but the administrator; and nobody can write.</summary>
    public bool IsFollower => project.IsFollower && IsMain;

    /// <summary>Whether it gets what is committed in a database that is not ours. It is a primary of its own all the same.</summary>
    public bool IsSubscriber => project.Subscription is not null && IsMain;

    /// <summary>Whether its data goes on coming from another server, in whichever way.</summary>
    public bool Follows => IsFollower || IsSubscriber;

    /// <summary>The settings that the host's configuration has for the project.</summary>
    private IReadOnlyDictionary<string, Configuration.ServerSetting> Chosen => workspace.Configuration.SettingsOf(project.Name);

    public static string ClusterNameOf(string branchId, int generation) => $"pgd-{branchId}-g{generation}";

    private static readonly IReadOnlyDictionary<string, string> NoSettings = new Dictionary<string, string>();

    public Volume? FindVolume() => _storage.Find(Key);

    public Volume RequireVolume() => FindVolume()
        ?? throw new PgdException(ExitCode.Failed, $"the data of {branch.FullName} is missing from the storage {project.Storage}", "See what is there: dotnet pgd doctor");

    public bool IsRunning() => FindVolume() is { } volume && (branch.IsAdopted ? AdoptedCluster.MayRun(volume.Data) : _runtime.IsRunning(volume));

    /// <summary>Whether it runs, and is not on its way down: whoever asked it to stop may have been killed before it had.</summary>
    public bool Answers()
    {
        if (!IsRunning())
            return false;
        try
        {
            Connect(CancellationToken.None).Dispose();
            return true;
        }
        catch (PostgresException e)
        {
            // One that has no connection left to give serves others.
            return e.SqlState != PostgresErrorCodes.CannotConnectNow;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>The volume, with its files reachable.</summary>
    public Volume Attach()
    {
        var volume = RequireVolume();
        _storage.Attach(volume);
        return volume;
    }

    /// <summary>Starts the server. With <paramref name="open"/> false no one but the administrator can connect.</summary>
    public async Task<AdminConnection> StartAsync(bool open, bool listen, IReadOnlyDictionary<string, string> extra, CancellationToken cancellationToken)
    {
        if (branch.IsAdopted)
            throw AdoptedCluster.NotOurs(branch.FullName);
        var volume = Attach();
        if (IsFollower)
            (open, listen) = (false, false);
        if (open)
            HostBasedAuthentication.WriteOpen(volume, project.Superuser, branch.Host, _runtime.SeesClients, branch.Tls);
        else
            HostBasedAuthentication.WriteClosed(volume, project.Superuser);
        _runtime.PrepareSocketFolder(Address.SocketFolder, volume);
        Fault.Here("start:folder");

        // Nobody listens any more to what it told; whoever did may have been killed.
        var watched = TraceSettings.Are(extra) ? null : TraceFolder.Clear(volume);
        var settings = ServerSettings.Common(ClusterName, branch.Port, listen ? Addresses.Listen(branch.Host) : "", Address.SocketFolder, volume);
        var configuration = ServerConfiguration.Read(volume.Data);
        // Before what keeps a branch apart, which is set over all else.
        foreach (var (name, setting) in Chosen)
        {
            configuration.Override(name, setting.Value);
            settings[name] = setting.Value;
        }

        var archiving = new Archiving(workspace.Layout, project, branch);
        foreach (var (name, value) in IsMain && !IsFollower ? extra.Concat(archiving.Settings(volume)) : ServerSettings.Quarantine(project.PostgresMajor).Concat(ServerSettings.Buffers(configuration, workspace.BranchMemory)).Concat(extra))
            settings[name] = name == StatementPlan.Loads ? string.Join(',', configuration.List(name).Append(value)) : value;
        foreach (var (name, value) in IsFollower ? StandbySettings.Of(project.PostgresMajor, volume, ConnectionUrl.Parse(project.Source!, LibpqEnvironment.None), configuration) : NoSettings)
            settings[name] = value;
        foreach (var (name, value) in branch.IsVolatile ? ServerSettings.Volatile : NoSettings)
            settings[name] = value;
        if (branch.Tls && !IsFollower)
            await PrepareTlsAsync(volume, settings, cancellationToken).ConfigureAwait(false);
        var logged = File.Exists(volume.Log) ? new FileInfo(volume.Log).Length : 0;
        var start = new ServerStart { Settings = settings, Host = listen ? branch.Host : null, DialsOut = IsFollower || (IsSubscriber && project.Subnet is null), Memory = IsMain ? null : workspace.BranchMemory, Libraries = PreloadLibrary.Of(configuration), Folders = archiving.Folders };
        var started = await _runtime.StartAsync(volume, project, start, cancellationToken).ConfigureAwait(false);
        var connection = await WaitUntilReadyAsync(volume, started, logged, cancellationToken).ConfigureAwait(false);
        if (watched is not null)
            TraceTriggers.Clear(Address, watched, cancellationToken);
        // While it is made, there is no such database yet.
        if (IsSubscriber && branch.Phase == BranchPhase.Ready)
            new Following.Subscriber(workspace, project, this).Settle(cancellationToken);
        return connection;
    }

    private async Task PrepareTlsAsync(Volume volume, Dictionary<string, string> settings, CancellationToken cancellationToken)
    {
        var present = File.Exists(volume.Certificate) ? await File.ReadAllTextAsync(volume.Certificate, cancellationToken).ConfigureAwait(false) : null;
        var certificate = await workspace.CertificateAuthority.IssueAsync(ClusterName, Tls.ServerNames.Of(branch.Host), present, cancellationToken).ConfigureAwait(false);
        if (certificate != present)
            DataDirectory.Write(volume, volume.Certificate, certificate);
        foreach (var (name, value) in ServerSettings.Tls(project.PostgresMajor, volume))
            settings[name] = value;
    }

    public AdminConnection Connect(CancellationToken cancellationToken, string database = "postgres") => AdminConnection.Open(Address, database, cancellationToken);

    public async Task StopAsync(StopMode mode, CancellationToken cancellationToken)
    {
        // One that was adopted is somebody else's, whatever happens to our record of it.
        if (branch.IsAdopted)
            return;
        if (FindVolume() is { } volume)
            await _runtime.StopAsync(volume, mode, cancellationToken).ConfigureAwait(false);
        Fault.Here("stop:gone");
        if (Directory.Exists(Address.SocketFolder))
            Directory.Delete(Address.SocketFolder, recursive: true);
    }

    /// <summary>Stops the server and destroys its data; what is not there is fine.</summary>
    public async Task DestroyAsync()
    {
        await StopAsync(StopMode.Immediate, CancellationToken.None).ConfigureAwait(false);
        Fault.Here("destroy:stopped");
        _storage.Delete(Key);
    }

    /// <summary>Destroys what was made, when making it failed. If something that is not ours has its place, nothing was made.</summary>
    public async Task TakeBackAsync()
    {
        try
        {
            await DestroyAsync().ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Unsafe)
        {
            // Already said: making it was refused for that.
        }
    }

    /// <summary>Lets everyone with a password in.</summary>
    public void OpenDoor(AdminConnection connection, CancellationToken cancellationToken)
    {
        if (IsFollower)
            return;
        HostBasedAuthentication.WriteOpen(RequireVolume(), project.Superuser, branch.Host, _runtime.SeesClients, branch.Tls);
        Fault.Here("door:written");
        var before = connection.Query("select pg_conf_load_time()::text, pg_reload_conf()::text", cancellationToken)[0][0];
        // The server reads its settings, tells its sessions to do so, reads its rules, and only then takes new connections: who sees the one
        // will find the other.
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < LongestWaitForTheDoor && connection.Scalar("select pg_conf_load_time()::text", cancellationToken) == before;)
            Thread.Yield();
    }

    /// <summary>The connection of a role to a database.</summary>
    public ConnectionUrl Url(string database, string role) => new()
    {
        Host = branch.Host,
        Port = branch.Port,
        Database = database,
        User = role,
        Password = workspace.HostKey.Password(branch, role),
        Parameters = branch.Tls
            ? ConnectionUrl.NoParameters.Add("sslmode", "verify-full").Add("sslrootcert", workspace.Layout.CertificateAuthority)
            : ConnectionUrl.NoParameters,
    };

    /// <summary>Asks over that very connection who answers. Nothing but the right answer is good enough.</summary>
    public Task ProveAsync(ConnectionUrl url, CancellationToken cancellationToken) => IdentityProof.RunAsync(url, ClusterName, branch.FullName, LongestWaitForTheDoor, cancellationToken);

    /// <summary>The same for a server that nobody logs into.</summary>
    public void ProveAlone(AdminConnection connection, CancellationToken cancellationToken)
    {
        if (connection.Scalar("show cluster_name", cancellationToken) is var answers && answers != ClusterName)
            throw new PgdException(ExitCode.Unsafe, $"{answers} answers where {branch.FullName} ({ClusterName}) should", $"Look at its log: dotnet pgd branch logs {branch.FullName}");
    }

    private async Task<AdminConnection> WaitUntilReadyAsync(Volume volume, StartedServer started, long logged, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var said = TimeSpan.FromSeconds(2);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (started.HasExited())
                throw Died(volume, logged);
            if (File.Exists(Address.Socket) && SaysReady(volume))
            {
                try
                {
                    return Connect(cancellationToken);
                }
                catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
                {
                    return Connect(cancellationToken, "template1");
                }
                catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow)
                {
                    // Starting up, or recovering.
                }
                catch (NpgsqlException e) when (e is not PostgresException)
                {
                    // The socket is there a moment before anyone listens, and a server that dies closes it.
                }
            }

            if (clock.Elapsed > said)
            {
                said += TimeSpan.FromSeconds(5);
                workspace.Reporter.Step($"waiting for the server of {branch.FullName}: {LastLines(volume, logged, 1)}");
            }

            // For as long as a start usually takes, on this thread: to come back on another one would take longer than the pause.
            if (clock.Elapsed < UsualStart)
                Thread.Sleep(Pause);
            else
                await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// What the server itself notes in the eighth line of its process-id file, and <c>pg_ctl</c> goes by. It only saves connections that would be
    /// turned away: where it cannot be read, connecting tells.
    /// </summary>
    private static bool SaysReady(Volume volume)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(volume.Data, "postmaster.pid")) is [_, _, _, _, _, _, _, var status, ..] && status.Trim() == "ready";
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    /// <summary>The server ended by itself, or was ended by somebody else.</summary>
    public PgdException Ended(string when, Exception? inner) =>
        new(ExitCode.Failed, $"the server of {branch.FullName} ended {when}; the last lines of its log:\n{LastLines(RequireVolume(), 0, LinesOfLog)}", inner: inner);

    private PgdException Died(Volume volume, long logged)
    {
        var lines = LastLines(volume, logged, LinesOfLog);
        return lines.Contains("Address already in use", StringComparison.Ordinal)
            ? PortTaken.Error(branch.FullName, branch.Port)
            // On a full disk even the log may be empty.
            : DiskFull.Is(new IOException(lines)) || Libc.FileSystem(volume.Data).Available < 1 << 20
            ? DiskFull.Error(volume.Data, new IOException(lines))
            : Chosen.Where(s => Regex.IsMatch(lines, $@"\b{Regex.Escape(s.Key)}\b")).ToList() is { Count: > 0 } blamed
            ? new PgdException(ExitCode.Misuse, $"the server of {branch.FullName} does not start with {string.Join(" and ", blamed.Select(s => $"{s.Key} = {s.Value.Value} ({s.Value.Source})"))}; the last lines of its log:\n{lines}",
                "Correct it there, or take it out.")
            : new PgdException(ExitCode.Failed, $"the server of {branch.FullName} ended while it started; the last lines of its log:\n{lines}");
    }

    private static string LastLines(Volume volume, long from, int lines)
    {
        using var file = new FileStream(volume.Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = Math.Max(Math.Min(from, file.Length), file.Length - 16384);
        using var reader = new StreamReader(file);
        return Processes.Shell.LastLines(reader.ReadToEnd(), lines);
    }
}
