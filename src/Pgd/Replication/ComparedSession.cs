using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>Sessions in which the same value looks the same on any server.</summary>
internal static class ComparedSession
{
    // A price has a comma, a point or a sign before it depending on where a server stands.
    private const string Further = "set local lc_monetary = 'C'";

    /// <summary>Another session of a source's moment.</summary>
    public static async Task<ScriptConnection> ShareAsync(LogicalSource source, CancellationToken cancellationToken)
    {
        var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await session.QueryAsync(Further, cancellationToken).ConfigureAwait(false);
        return session;
    }

    /// <summary>A transaction of a moment of its own.</summary>
    public static async Task BeginAsync(ScriptConnection session, CancellationToken cancellationToken)
    {
        await LogicalSource.BeginAsync(session, null, cancellationToken).ConfigureAwait(false);
        await session.QueryAsync(Further, cancellationToken).ConfigureAwait(false);
    }
}
