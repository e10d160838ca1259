using System.Net;
using System.Net.Sockets;
using Pgd.Postgres;

namespace Pgd.State;

/// <summary>Ports: reserved in the records, so that each branch keeps its own while it is stopped.</summary>
internal sealed class Ports(StateStore state, OperatingSystemLocks locks)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private const int MostTries = 20;

    /// <summary>A port that was free a moment ago may be taken by the time the server starts: then the whole is tried with the next one.</summary>
    /// <param name="reporter">Hears of it.</param>
    /// <param name="make">Gets the ports not to try again, and is called again when its server could not have its port.</param>
    public static async Task<BranchRecord> WithFreePortAsync(IReporter reporter, Func<HashSet<int>, Task<BranchRecord>> make)
    {
        var refused = new HashSet<int>();
        while (true)
        {
            try
            {
                return await make(refused).ConfigureAwait(false);
            }
            catch (PgdException e) when (PortTaken.Is(e) && refused.Count < MostTries)
            {
                refused.Add(PortTaken.Of(e));
                reporter.Warn($"{e.Message}; trying the next one");
            }
        }
    }

    /// <summary>
    /// Picks the lowest port of the project's range that no record has and nothing listens on, and lets the caller write it into a record
    /// before anyone else can pick.
    /// </summary>
    /// <param name="project">Whose range.</param>
    /// <param name="except">Ports not to try.</param>
    /// <param name="write">Makes the record.</param>
    /// <param name="cancellationToken">Ends the wait for the ports' lock.</param>
    /// <param name="refuse">Sees all records that there are, and may throw: nobody else adds one meanwhile.</param>
    /// <exception cref="PgdException">All are taken (<see cref="ExitCode.NoRoom"/>).</exception>
    public async Task<BranchRecord> ReserveAsync(ProjectRecord project, IReadOnlySet<int> except, Func<int, BranchRecord> write, CancellationToken cancellationToken, Action<IReadOnlyList<BranchRecord>>? refuse = null)
    {
        using var held = await locks.AcquireAsync(cancellationToken, LockRequest.Ports).ConfigureAwait(false);
        var branches = state.AllBranches().ToList();
        refuse?.Invoke(branches);
        var reserved = branches.Select(b => b.Port).ToHashSet();
        for (var port = project.FirstPort; port <= project.LastPort; port++)
        {
            if (reserved.Contains(port) || except.Contains(port) || !IsFree(port))
                continue;
            var record = write(port);
            state.Write(record);
            return record;
        }

        throw new PgdException(ExitCode.NoRoom, $"all ports from {project.FirstPort} to {project.LastPort} are taken by branches or by other programs",
            "Delete branches (dotnet pgd branch list), or make a project with a larger --port-range.");
    }

    /// <summary>Whether nothing listens on the port, now or in a moment: children of a server that was killed have its socket until they notice.</summary>
    public static async Task<bool> IsFreeSoonAsync(int port, CancellationToken cancellationToken)
    {
        for (var clock = System.Diagnostics.Stopwatch.StartNew(); clock.Elapsed < Patience;)
        {
            if (IsFree(port))
                return true;
            await Task.Delay(10, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }

    /// <summary>Whether nothing listens on the port, on any address.</summary>
    public static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        // As the server does: without it, connections of a server that ended a moment ago keep the port for a minute.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
