using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Runtime;

/// <summary>What runs PostgreSQL servers. A server belongs to a volume; nothing else says which server is whose.</summary>
internal interface IRuntime
{
    /// <summary>The name that configuration and records use.</summary>
    string Name { get; }

    /// <summary>Why this runtime cannot be used here; null if it can.</summary>
    string? Unavailable();

    /// <summary>Whether servers see the addresses that their clients have on this machine.</summary>
    bool SeesClients { get; }

    /// <summary>Chooses what a new project's servers run: a major, or an image with one in it. Fetches what is missing and can be fetched.</summary>
    /// <exception cref="PgdException">There is none of that kind (<see cref="ExitCode.MachineLacks"/>).</exception>
    Task<ServerPrograms> ChooseAsync(int? major, string? image, IReporter reporter, CancellationToken cancellationToken);

    /// <summary>The address at which a branch with that port will be found. A branch keeps it.</summary>
    /// <param name="project">The project.</param>
    /// <param name="branch">The branch's own name.</param>
    /// <param name="port">The branch's port.</param>
    /// <param name="asked">The address to publish it on; null for one that only this machine reaches.</param>
    /// <exception cref="PgdException">It cannot be published there (<see cref="ExitCode.Misuse"/>).</exception>
    string HostOf(ProjectRecord project, string branch, int port, string? asked);

    /// <summary>Makes the network for a project's branches that leads nowhere but to this machine. Returns its addresses.</summary>
    /// <exception cref="PgdException">This runtime has no networks (<see cref="ExitCode.Misuse"/>).</exception>
    string MakeNetwork(string project);

    /// <summary>Gives that network to a project's new name, with the same addresses, while no server of its branches runs. May be repeated.</summary>
    void RenameNetwork(string project, string name, string subnet);

    /// <summary>Removes that network; none is fine.</summary>
    void RemoveNetwork(string project);

    /// <summary>Gives an empty volume to the account that the project's servers run as: what is put into it is to be that one's.</summary>
    void GiveAway(Volume volume, ProjectRecord project);

    /// <summary>Makes a new cluster in an empty volume.</summary>
    Task InitializeAsync(Volume volume, ProjectRecord project, CancellationToken cancellationToken);

    /// <summary>A program that comes with its servers of that version, if it can be run on this machine as it is; null if not.</summary>
    string? FindProgram(string name, int major);

    /// <summary>Has the files of another server copied into an empty volume, by the program that comes with its servers.</summary>
    /// <param name="volume">The volume, which has what the server lets in by.</param>
    /// <param name="project">Whose it is.</param>
    /// <param name="conninfo">Where it connects, and with which password file.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task CopyServerAsync(Volume volume, ProjectRecord project, string conninfo, CancellationToken cancellationToken);

    /// <summary>Makes what a server's account must be able to enter: the socket folder.</summary>
    void PrepareSocketFolder(string folder, Volume volume);

    /// <summary>Starts a server and returns at once; whether it can be used is asked by connecting to it.</summary>
    /// <exception cref="PgdException">A library that it names is missing (<see cref="ExitCode.MachineLacks"/>), its port is taken, …</exception>
    Task<StartedServer> StartAsync(Volume volume, ProjectRecord project, ServerStart start, CancellationToken cancellationToken);

    /// <summary>Whether the volume's server runs.</summary>
    bool IsRunning(Volume volume);

    /// <summary>Stops the volume's server and waits until it is gone; one that does not run is fine.</summary>
    Task StopAsync(Volume volume, StopMode mode, CancellationToken cancellationToken);

    /// <summary>What killed operations left that belongs to none of these branches, and is not a running server: that serves someone.</summary>
    IReadOnlyList<Leftover> Leftovers(IReadOnlySet<string> branchIds);

    /// <summary>The volume folders whose servers run, found without any record.</summary>
    IReadOnlyList<RunningServer> List();
}

/// <summary>What a project's servers run.</summary>
/// <param name="Major">PostgreSQL's major version.</param>
/// <param name="Image">The image that it is in; null for programs of this machine.</param>
internal sealed record ServerPrograms(int Major, ServerImage? Image);

/// <summary>How to start a server.</summary>
internal sealed record ServerStart
{
    /// <summary>Settings, which come before those in the data directory.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>The address at which clients find it; null if it is to listen nowhere.</summary>
    public required string? Host { get; init; }

    /// <summary>Whether it connects to another server by itself, and so needs a way out.</summary>
    public bool DialsOut { get; init; }

    /// <summary>The bytes of memory that it may use, where the runtime can see to that; null for as much as there is.</summary>
    public required long? Memory { get; init; }

    /// <summary>Folders that it has to see beside its volume's.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];

    /// <summary>What it cannot start without.</summary>
    public required IReadOnlyList<PreloadLibrary> Libraries { get; init; }
}

/// <summary>A server that was just started and may still die of what it finds.</summary>
/// <param name="HasExited">Asks whether it has.</param>
internal sealed record StartedServer(Func<bool> HasExited);

/// <summary>Something of ours that nobody needs any more.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Which one.</param>
/// <param name="Remove">Removes it.</param>
internal sealed record Leftover(string Kind, string Name, Action Remove);

/// <summary>How a server is stopped.</summary>
internal enum StopMode
{
    /// <summary>Disconnects everyone and leaves the data clean.</summary>
    Fast,

    /// <summary>Leaves the data as after a crash; for data that is about to be destroyed.</summary>
    Immediate,
}

/// <summary>A running server: its data directory, and the identity and the folder of its socket on its command line.</summary>
internal sealed record RunningServer(string DataDirectory, string? ClusterName, string? SocketFolder, int ProcessId);
