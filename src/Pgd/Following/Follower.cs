using Npgsql;
using Pgd.Postgres;

namespace Pgd.Following;

/// <summary>What holds for a project's first branch while it follows another server.</summary>
internal static class Follower
{
    /// <summary>What to type to have a branch of it instead.</summary>
    private static string Instead(BranchName main) => $"Make a branch, which is a primary of its own: dotnet pgd branch create {main.Project}/NAME";

    /// <summary>Nobody logs into it.</summary>
    public static PgdException NoLogin(BranchName main, string address) =>
        new(ExitCode.Unsafe, $"{main} is a standby of {address}: its roles have the passwords that they have there, which pgd neither knows nor changes, so nobody connects to it", Instead(main));

    /// <summary>Nobody writes to it.</summary>
    public static PgdException ReadOnly(BranchName main, string address) => new(ExitCode.Unsafe, $"{main} is a standby of {address}, and nothing can be written to it", Instead(main));

    /// <summary>Its log is not ours to keep.</summary>
    public static PgdException LogIsNotOurs(BranchName main, string address) =>
        new(ExitCode.Unsafe, $"{main} is a standby of {address}: its write-ahead log is that one's, and archived there or nowhere", $"Its past can be had from its snapshots: dotnet pgd snapshot create {main}");

    /// <summary>From when its data is now; null if it cannot be asked.</summary>
    public static DateTimeOffset? DataAsOf(BranchServer server, CancellationToken cancellationToken)
    {
        try
        {
            if (!server.IsRunning())
                return null;
            using var connection = server.Connect(cancellationToken);
            return server.IsSubscriber ? Subscriber.DataAsOf(connection, cancellationToken) : Replay.Of(connection, cancellationToken).DataAsOf;
        }
        catch (Exception e) when (e is NpgsqlException or IOException)
        {
            // Starting, stopping, or without a connection left: what the record says holds in any case.
            return null;
        }
    }

    /// <summary>The later one of two moments; one that is not known is none.</summary>
    public static DateTimeOffset? Later(DateTimeOffset? one, DateTimeOffset? other) => one is null || other > one ? other ?? one : one;
}
