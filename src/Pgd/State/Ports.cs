using System.Net;
using System.Net.Sockets;

namespace Pgd.State;

/// <summary>Ports: reserved in the records, so that each branch keeps its own while it is stopped.</summary>
internal sealed class Ports(StateStore state, OperatingSystemLocks locks)
{
    /// <summary>
    /// Picks the lowest port of the project's range that no record has and nothing listens on, and lets the caller write it into a record
    /// before anyone else can pick.
    /// </summary>
    /// <exception cref="PgdException">All are taken (<see cref="ExitCode.NoRoom"/>).</exception>
    public async Task<BranchRecord> ReserveAsync(ProjectRecord project, IReadOnlySet<int> except, Func<int, BranchRecord> write, CancellationToken cancellationToken)
    {
        using var held = await locks.AcquireAsync(cancellationToken, LockRequest.Ports).ConfigureAwait(false);
        var reserved = state.AllBranches().Select(b => b.Port).ToHashSet();
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
