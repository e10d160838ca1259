using System.Diagnostics;
using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Pgd.Docker;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Runtime;

/// <summary>
/// A container for each server. It runs <c>postgres</c> itself, not the image's entry point, and sees the volume and the socket's folder at the
/// same paths as this machine: so settings, log and administration are those of a server that runs without one.
/// </summary>
internal sealed class Docker(Layout layout, DockerEngine engine) : IRuntime, IDisposable
{
    /// <summary>The network without a way out, as options and configuration call it; the other one is the engine's default.</summary>
    public const string Internal = "internal";

    private const string RootLabel = "pgd.root", ProjectLabel = "pgd.project", IdLabel = "pgd.id", GenerationLabel = "pgd.generation", DataLabel = "pgd.data", SocketLabel = "pgd.socket", ClusterLabel = "pgd.cluster";
    private const int NewestMajor = 17;
    private static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(60), LongestImmediateStop = TimeSpan.FromSeconds(5), BetweenQuestions = TimeSpan.FromMilliseconds(50);

    public string Name => "docker";

    public bool SeesClients => false;

    public string? Unavailable() => !OperatingSystem.IsLinux() ? "branches need Linux" : Refusal()?.Message;

    /// <summary>Why the engine cannot be used, and what to do; null if it can.</summary>
    public PgdException? Refusal() => engine.Unavailable();

    /// <summary>Whether an image is on this machine.</summary>
    public bool Has(ServerImage image) => engine.FindImage(image.Id) is not null;

    public void Dispose() => engine.Dispose();

    public async Task<ServerPrograms> ChooseAsync(int? major, string? image, IReporter reporter, CancellationToken cancellationToken)
    {
        if (engine.Unavailable() is { } unavailable)
            throw unavailable;
        var reference = image ?? string.Create(CultureInfo.InvariantCulture, $"postgres:{major ?? NewestMajor}-alpine");
        var found = engine.FindImage(reference);
        if (found is null)
        {
            reporter.Step($"pulling {reference}");
            await engine.PullAsync(reference, reporter, cancellationToken).ConfigureAwait(false);
            found = engine.FindImage(reference) ?? throw new PgdException(ExitCode.MachineLacks, $"the image {reference} was pulled, and is not there");
        }

        reporter.Step($"looking into {reference}");
        var inside = await ImageContents.ReadAsync(engine, found, reference, layout, cancellationToken).ConfigureAwait(false);
        if (major is not null && major != inside.Major)
            throw new PgdException(ExitCode.Misuse, $"the image {reference} has PostgreSQL {inside.Major}, not {major}", $"Leave out --pg-version, or choose another image with --image.");
        if (inside.Major is < ServerBinaries.OldestMajor or > ServerBinaries.NewestMajor)
            throw new PgdException(ExitCode.Misuse, $"the image {reference} has PostgreSQL {inside.Major}, which is not supported", $"Choose an image with a version from {ServerBinaries.OldestMajor} to {ServerBinaries.NewestMajor}.");
        return new(inside.Major, new(reference, found.Id, inside.Libc, inside.UserId, inside.GroupId, inside.Libraries));
    }

    public string HostOf(ProjectRecord project, string branch, int port, string? asked)
    {
        if (!IsFenced(project, branch))
            return asked is null or Addresses.Auto ? ReachableAddress() : asked;
        if (asked is not (null or Addresses.Auto) && !Addresses.IsLoopback(asked))
        {
            throw new PgdException(ExitCode.Misuse, $"the branches of {project.Name} are in a network that leads nowhere (--network {Internal}), and cannot be published on {asked}",
                "Reach them from this machine alone, or make a project with --network bridge.");
        }

        if (IsInContainer())
        {
            throw new PgdException(ExitCode.MachineLacks, $"this job runs in a container, from where the network of {project.Name} (--network {Internal}) cannot be reached",
                "Run the job on the machine itself, or in a container with the machine's network (--network host).");
        }

        // The port tells branches apart, so that each has the same address for as long as it lives, and nobody has to keep a list.
        var network = IPNetwork.Parse(project.Subnet!);
        // The first address is the network's name, the second this machine.
        var number = 2 + port - project.FirstPort;
        if (number >= (1L << (32 - network.PrefixLength)) - 1)
            throw new PgdException(ExitCode.NoRoom, $"the network {project.Subnet} of {project.Name} has no address for the port {port}", "Delete branches, or make a project with a smaller --port-range.");
        var bytes = network.BaseAddress.GetAddressBytes();
        BinaryPrimitives.WriteUInt32BigEndian(bytes, BinaryPrimitives.ReadUInt32BigEndian(bytes) + (uint)number);
        return new IPAddress(bytes).ToString();
    }

    public string MakeNetwork(string project)
    {
        MakeNetwork(project, null);
        var subnet = engine.FindNetwork(NetworkOf(project))?.Subnet ?? throw new PgdException(ExitCode.Failed, $"the network {NetworkOf(project)} has no addresses", $"Look at it: docker network inspect {NetworkOf(project)}");
        // The engine knows which addresses are free, and lets us choose among them only where we have chosen them.
        RemoveNetwork(project);
        MakeNetwork(project, subnet);
        return subnet;
    }

    public void RenameNetwork(string project, string name, string subnet)
    {
        RemoveNetwork(project);
        Fault.Here("rename:unnetworked");
        if (engine.FindNetwork(NetworkOf(name)) is null)
            MakeNetwork(name, subnet);
    }

    public void RemoveNetwork(string project)
    {
        if (engine.FindNetwork(NetworkOf(project)) is { } network && network.Labels.GetValueOrDefault(RootLabel) == layout.Root)
            engine.RemoveNetwork(network.Id);
    }

    public void GiveAway(Volume volume, ProjectRecord project)
    {
        // Root's servers run as the image's own account; anybody else's as himself, so that the files stay his.
        if (Libc.EffectiveUserId() == 0 && Libc.LChown(volume.Data, ImageOf(project).UserId, ImageOf(project).GroupId) != 0)
            throw Libc.LastError(volume.Data);
    }

    public Task InitializeAsync(Volume volume, ProjectRecord project, CancellationToken cancellationToken)
    {
        GiveAway(volume, project);
        return RunAsync(volume, project, ["initdb", "--pgdata", volume.Data, "--username", project.Superuser, "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums", "--auth-local", "peer", "--auth-host", "scram-sha-256"], dialsOut: false, cancellationToken);
    }

    // The image's programs need the image's libraries.
    public string? FindProgram(string name, int major) => null;

    public Task CopyServerAsync(Volume volume, ProjectRecord project, string conninfo, CancellationToken cancellationToken) =>
        RunAsync(volume, project, ["pg_basebackup", "--pgdata", volume.Data, "--format=plain", "--wal-method=fetch", "--checkpoint=fast", "--no-password", "--no-sync", "--dbname", conninfo], dialsOut: true, cancellationToken);

    /// <summary>Runs a program of the image that makes a volume's data, to its end.</summary>
    private async Task RunAsync(Volume volume, ProjectRecord project, IReadOnlyList<string> command, bool dialsOut, CancellationToken cancellationToken)
    {
        WriteAccounts(volume);
        var name = $"{NameOf(volume.Key)}-initdb";
        RemoveOwn(name, volume);
        engine.Create(new()
        {
            Name = name,
            Image = ImageOf(project).Id,
            ImageName = ImageOf(project).Reference,
            Command = command,
            User = UserOf(volume),
            Labels = LabelsOf(volume, null, null),
            Environment = ["LANG=C.UTF-8"],
            Mounts = [.. Folders(volume), Accounts(volume)],
            Network = dialsOut ? null : "none",
        });
        try
        {
            Fault.Here("initdb:container");
            engine.Start(name);
            if (await engine.WaitAsync(name, cancellationToken).ConfigureAwait(false) is var status and not 0)
            {
                var said = engine.Logs(name, 8).Trim();
                var failed = new PgdException(ExitCode.Failed, $"{command[0]} failed with status {status} in the image {ImageOf(project).Reference}: {said}");
                throw DiskFull.Is(new IOException(said)) ? DiskFull.Error(volume.Data, failed) : failed;
            }
        }
        finally
        {
            engine.Remove(name);
        }
    }

    public void PrepareSocketFolder(string folder, Volume volume)
    {
        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(folder, closed);
        File.SetUnixFileMode(folder, closed);
        GiveAway(folder, volume);
    }

    public Task<StartedServer> StartAsync(Volume volume, ProjectRecord project, ServerStart server, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PrepareLog(volume);
        WriteAccounts(volume);
        Fault.Here("start:log");
        var name = NameOf(volume.Key);
        // Of a stop that was killed, or of a machine that went down: what it knew is in the volume.
        RemoveOwn(name, volume);

        var settings = server.Settings;
        var socket = settings["unix_socket_directories"];
        var fenced = server.Host is not null && IsFenced(project, volume.Key.Branch);
        // It may have been pruned while nothing ran in it.
        if (fenced && engine.FindNetwork(NetworkOf(project.Name)) is null)
            MakeNetwork(project.Name, project.Subnet);
        var port = int.Parse(settings["port"], CultureInfo.InvariantCulture);
        var command = new List<string> { "/bin/sh", "-c", """exec "$@" >>"$0" 2>&1 </dev/null""", volume.Log, "postgres", "-D", volume.Data };
        foreach (var (setting, value) in settings)
        {
            command.Add("-c");
            // Inside, every address is the container's own; outside, only the published one leads there.
            command.Add(setting == "listen_addresses" && server.Host is not null ? "listen_addresses=*" : $"{setting}={value}");
        }

        engine.Create(new()
        {
            Name = name,
            Image = ImageOf(project).Id,
            ImageName = ImageOf(project).Reference,
            Command = command,
            User = UserOf(volume),
            Labels = LabelsOf(volume, settings["cluster_name"], socket),
            Environment = ["LANG=C.UTF-8"],
            Mounts = [.. Folders(volume), .. server.Folders.Select(f => new Mount(f, f)), new(socket, socket), Accounts(volume)],
            Port = server.Host is null || fenced ? null : new(port, PublishedOn(server.Host), port),
            Network = server.DialsOut ? null : server.Host is null ? "none" : fenced ? NetworkOf(project.Name) : null,
            Address = fenced ? server.Host : null,
            Memory = server.Memory,
        });
        Fault.Here("start:container");
        try
        {
            var image = ImageOf(project);
            PreloadLibrary.Require(server.Libraries, image.Libraries, file => engine.HasFile(name, file), $"the image {image.Reference}",
                "Make the project with an image that has it (--image), or take it out of the setting in the source, and try again.");
            engine.Start(name);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.MachineLacks)
        {
            engine.Remove(name);
            throw;
        }
        catch (PgdException e) when (e.Message.Contains("port is already allocated", StringComparison.Ordinal) || e.Message.Contains("address already in use", StringComparison.Ordinal))
        {
            engine.Remove(name);
            throw PortTaken.Error(BranchName.Of(volume.Key.Project, volume.Key.Branch), port);
        }

        Fault.Here("start:launched");
        var asked = Stopwatch.StartNew();
        var exited = false;
        return Task.FromResult(new StartedServer(() =>
        {
            // Asked many times a second, and the engine is not that quick.
            if (!exited && asked.Elapsed > BetweenQuestions)
            {
                asked.Restart();
                exited = engine.Find(name) is not { Running: true };
            }

            return exited;
        }));
    }

    public bool IsRunning(Volume volume) => engine.Find(NameOf(volume.Key)) is { Running: true } state && IsOf(state.Labels, volume);

    public async Task StopAsync(Volume volume, StopMode mode, CancellationToken cancellationToken)
    {
        var name = NameOf(volume.Key);
        if (mode == StopMode.Immediate)
            RemoveOwn($"{name}-initdb", volume);
        if (engine.Find(name) is not { } state || !IsOf(state.Labels, volume))
            return;
        if (state.Running)
        {
            Fault.Here("stop:asking");
            try
            {
                await engine.StopAsync(name, mode == StopMode.Fast ? "SIGINT" : "SIGQUIT", mode == StopMode.Fast ? LongestStop : LongestImmediateStop, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException) when (mode == StopMode.Immediate)
            {
                // Removing it ends it.
            }
            catch (TimeoutException e)
            {
                throw new PgdException(ExitCode.Failed, $"the server of {volume.Key} (container {name}) does not stop", $"Look at its log: dotnet pgd branch logs {volume.Key.Project}/{volume.Key.Branch}", e);
            }

            Fault.Here("stop:asked");
        }

        engine.Remove(name);
    }

    public IReadOnlyList<RunningServer> List() =>
        [.. engine.List($"{RootLabel}={layout.Root}").Where(c => c.Running && c.Labels.ContainsKey(ClusterLabel))
            .Select(c => new RunningServer(c.Labels.GetValueOrDefault(DataLabel, ""), c.Labels.GetValueOrDefault(ClusterLabel), c.Labels.GetValueOrDefault(SocketLabel), 0))];

    public IReadOnlyList<Leftover> Leftovers(IReadOnlySet<string> branchIds) =>
        [.. engine.List($"{RootLabel}={layout.Root}")
            .Where(c => c.Labels.TryGetValue(IdLabel, out var id) ? !branchIds.Contains(id) && !(c.Running && c.Labels.ContainsKey(ClusterLabel)) : ImageContents.IsAbandoned(c))
            .Select(c => new Leftover("container", c.Name, () => engine.Remove(c.Id))),
        .. engine.ListNetworks($"{RootLabel}={layout.Root}").Where(n => !File.Exists(layout.ProjectFile(n.Labels.GetValueOrDefault(ProjectLabel, ""))))
            .Select(n => new Leftover("network", n.Name, () => engine.RemoveNetwork(n.Id)))];

    /// <summary>The name of a server's container: no two branches have the same, whatever they are called.</summary>
    internal static string NameOf(VolumeKey key) => BranchServer.ClusterNameOf(key.BranchId, key.Generation);

    // The gateway of the engine's default network is an address of the machine itself. Containers reach it from any network, and it outlives
    // every job's own; from other machines no way leads there.
    private string ReachableAddress() => IsInContainer() && Gateway() is { } gateway ? gateway : "127.0.0.1";

    // A name, or an address that others translate, need not be one of this machine's.
    private string PublishedOn(string host) => Addresses.IsLoopback(host) ? "127.0.0.1" : host == Gateway() ? host : "0.0.0.0";

    private string? Gateway() => engine.FindNetwork("bridge")?.Gateway;

    // One of this engine's, with a loopback of its own.
    private bool IsInContainer() => OwnContainer.Find() is { } id && engine.Find(id) is { NetworkMode: not "host" };

    private static bool IsFenced(ProjectRecord project, string branch) => project.Subnet is not null && branch != BranchName.Main;

    private string NetworkOf(string project) => $"pgd-{project}-{Layout.ShortHash($"{layout.Root}/{project}")}";

    private void MakeNetwork(string project, string? subnet)
    {
        var name = NetworkOf(project);
        engine.CreateInternalNetwork(name, subnet, new Dictionary<string, string> { [RootLabel] = layout.Root, [ProjectLabel] = project });
        if (engine.FindNetwork(name)?.Labels.GetValueOrDefault(RootLabel) != layout.Root)
            throw new PgdException(ExitCode.Exists, $"there is a network {name} already, and it was not made by pgd", $"Look at it: docker network inspect {name}");
    }

    private static ServerImage ImageOf(ProjectRecord project) =>
        project.Image ?? throw new PgdException(ExitCode.Failed, $"the record of the project {project.Name} names no image");

    // PostgreSQL runs as whom its data belongs to, which a clone has from its source.
    private static (uint User, uint Group) AccountOf(Volume volume) => Libc.Status(volume.Data) is var status ? (status.Owner, status.Group) : default;

    private static string UserOf(Volume volume) => string.Create(CultureInfo.InvariantCulture, $"{AccountOf(volume).User}:{AccountOf(volume).Group}");

    private static IEnumerable<Mount> Folders(Volume volume) => volume.Folders.Select(f => new Mount(f, f));

    private static void GiveAway(string path, Volume volume)
    {
        var (user, group) = AccountOf(volume);
        if (Libc.EffectiveUserId() == 0 && Libc.LChown(path, user, group) != 0)
            throw Libc.LastError(path);
    }

    private static void PrepareLog(Volume volume)
    {
        if (File.Exists(volume.Log))
            return;
        Libc.CreateNew(volume.Log, UnixFileMode.UserRead | UnixFileMode.UserWrite).Dispose();
        GiveAway(volume.Log, volume);
    }

    // The server must know its own account and ours by name, which the image's list does not.
    private static void WriteAccounts(Volume volume)
    {
        var (user, group) = AccountOf(volume);
        var lines = new List<string> { string.Create(CultureInfo.InvariantCulture, $"{Environment.UserName}:x:{Libc.EffectiveUserId()}:{Libc.EffectiveGroupId()}::/:/bin/false") };
        if (user != Libc.EffectiveUserId())
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"postgres:x:{user}:{group}::/:/bin/false"));
        File.WriteAllLines(AccountsFile(volume), lines);
        File.SetUnixFileMode(AccountsFile(volume), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    private static Mount Accounts(Volume volume) => new(AccountsFile(volume), "/etc/passwd", ReadOnly: true);

    private static string AccountsFile(Volume volume) => Path.Combine(volume.Directory, "passwd");

    private Dictionary<string, string> LabelsOf(Volume volume, string? cluster, string? socket)
    {
        var labels = new Dictionary<string, string>
        {
            [RootLabel] = layout.Root,
            [ProjectLabel] = volume.Key.Project,
            ["pgd.branch"] = volume.Key.Branch,
            [IdLabel] = volume.Key.BranchId,
            [GenerationLabel] = volume.Key.Generation.ToString(CultureInfo.InvariantCulture),
            [DataLabel] = volume.Data,
        };
        if (cluster is not null && socket is not null)
            (labels[ClusterLabel], labels[SocketLabel]) = (cluster, socket);
        return labels;
    }

    private bool IsOf(IReadOnlyDictionary<string, string> labels, Volume volume) =>
        labels.GetValueOrDefault(RootLabel) == layout.Root && labels.GetValueOrDefault(IdLabel) == volume.Key.BranchId
        && labels.GetValueOrDefault(GenerationLabel) == volume.Key.Generation.ToString(CultureInfo.InvariantCulture);

    // Only what carries our labels for that very volume: the name alone says nothing.
    private void RemoveOwn(string name, Volume volume)
    {
        if (engine.Find(name) is { } state && IsOf(state.Labels, volume))
            engine.Remove(name);
    }
}
