using System.Globalization;
using Npgsql;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Replication;
using Pgd.State;

namespace Pgd.Following;

/// <summary>
/// A project's first branch that follows one database of another server by logical replication: a primary of its own, of the same version or a newer one, that gets what is committed there. What is made for it
/// at the source has a name by which it is found again, also by who makes the project anew after this was killed.
/// </summary>
internal sealed class Subscriber(Workspace workspace, ProjectRecord project, BranchServer server)
{
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(2);

    /// <summary>The name of the publication, the slot and the subscription of a project that is made.</summary>
    public static string NameFor(Workspace workspace, string project, ConnectionUrl source) => DatabaseReplica.Prefix + Layout.ShortHash($"{Environment.MachineName}|{workspace.Root}|{project}|{Primary.Address(source)}");

    /// <summary>Fills a server that was just made, and has it follow.</summary>
    /// <param name="source">The database, with the password.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>From when the data is.</returns>
    /// <exception cref="PgdException">As for <see cref="LogicalReplication.InitAsync"/> and <see cref="LogicalReplication.SyncAsync"/>.</exception>
    public async Task<DateTimeOffset?> MakeAsync(ConnectionUrl source, CancellationToken cancellationToken)
    {
        var volume = server.RequireVolume();
        Primary.Write(volume, source);
        Fault.Here("subscribe:password");
        var copied = await new ReplicaCopy(source, Target(source), ReplicationFilter.None, new() { Name = project.Subscription }, workspace.Reporter).RunAsync(cancellationToken).ConfigureAwait(false);
        Fault.Here("subscribe:copied");
        var replica = await DatabaseReplica.OpenAsync(source, Target(source), cancellationToken, project.Subscription).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        await Subscription.MakeAsync(replica, Conninfo(source), cancellationToken).ConfigureAwait(false);
        Fault.Here("subscribe:subscribed");
        await Subscription.BeginsAsync(replica, workspace.Reporter, cancellationToken).ConfigureAwait(false);
        return copied.DataAsOf;
    }

    /// <summary>Has the subscription read its password where the volume is now: it may have been moved.</summary>
    public void Settle(CancellationToken cancellationToken)
    {
        var source = Source;
        using var inside = server.Connect(cancellationToken, source.Database);
        var name = AdminConnection.QuoteIdentifier(project.Subscription!);
        var conninfo = Conninfo(source);
        if (inside.Scalar($"select subconninfo from pg_subscription where subname = {AdminConnection.QuoteLiteral(project.Subscription!)}", cancellationToken) is { } said && said != conninfo)
            inside.Execute($"alter subscription {name} connection {AdminConnection.QuoteLiteral(conninfo)}", cancellationToken);
    }

    /// <summary>From when its data is: when the source last sent something, if all of that is applied, and else when the last that is applied was sent. Null if it does not follow now.</summary>
    public static DateTimeOffset? DataAsOf(AdminConnection connection, CancellationToken cancellationToken) =>
        connection.Scalar("select (max(case when received_lsn = latest_end_lsn then last_msg_send_time else latest_end_time end) at time zone 'UTC')::text from pg_stat_subscription where pid is not null and relid is null and subname like 'pgd\\_%'", cancellationToken) is { } text
            ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal) : null;

    /// <summary>Asks both sides how it goes.</summary>
    public Freshness Ask(Freshness found, CancellationToken cancellationToken)
    {
        using (var connection = server.Connect(cancellationToken))
            found = found with { DataAsOf = Follower.Later(found.DataAsOf, DataAsOf(connection, cancellationToken)) };
        try
        {
            var status = AskAsync(cancellationToken).GetAwaiter().GetResult();
            return found with
            {
                Status = status.State switch { ReplicationState.Following => FollowStatus.Streaming, ReplicationState.Lost => FollowStatus.FellBehind, _ => FollowStatus.Waiting },
                LagBytes = status.LagBytes,
                LagSeconds = status.LagSeconds is { } seconds ? Math.Round(seconds, 1) : null,
                DataAsOf = status.LagSeconds is not null ? DateTimeOffset.UtcNow : found.DataAsOf,
                Reason = status.Problems.Count == 0 ? null : string.Join("; ", status.Problems),
                Next = status.State switch { ReplicationState.Following => null, ReplicationState.Lost => $"dotnet pgd project delete {project.Name}, and create it again", _ => $"dotnet pgd branch logs {project.Name}/{BranchName.Main}" },
            };
        }
        catch (PgdException e)
        {
            return found with { Status = FollowStatus.Waiting, Reason = $"the source cannot be asked: {e.Message}", Next = e.Hint ?? "It goes on by itself as soon as that answers." };
        }
    }

    /// <summary>Removes what was made at the source, which keeps its log for it.</summary>
    /// <param name="force">Whether a source that does not answer is left with it, and that is only told.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">The source does not answer or refuses (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task LeaveAsync(bool force, CancellationToken cancellationToken)
    {
        try
        {
            var source = Source;
            var from = await ScriptConnection.OpenAsync(source, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
            await using var _ = from.ConfigureAwait(false);
            // Ours is what uses it, and it is about to go.
            var quoted = AdminConnection.QuoteLiteral(project.Subscription!);
            await from.QueryAsync($"select pg_terminate_backend(active_pid)::text from pg_replication_slots where slot_name = {quoted} and active_pid is not null", cancellationToken).ConfigureAwait(false);
            for (var attempt = 0; await from.QueryAsync($"select from pg_replication_slots where slot_name = {quoted} and active", cancellationToken).ConfigureAwait(false) is { Count: > 0 } && attempt < 100; attempt++)
                await Task.Delay(50, cancellationToken).ConfigureAwait(false);
            await from.QueryAsync($"select pg_drop_replication_slot(slot_name)::text from pg_replication_slots where slot_name = {quoted}", cancellationToken).ConfigureAwait(false);
            await Publication.RemoveAsync(project.Subscription!, sql => from.QueryAsync(sql, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException or NpgsqlException)
        {
            var drop = $"SELECT pg_drop_replication_slot('{project.Subscription}'); DROP PUBLICATION {project.Subscription};";
            if (!force)
                throw new PgdException(ExitCode.Unsafe, $"{project.Source} cannot be told that {project.Name} does not follow it any more ({ScriptConnection.Innermost(e)}), and would keep its log for it until its disk is full", $"Nothing was deleted. Try again when it answers; or delete it all the same (--force), and there: {drop}", e);
            workspace.Reporter.Warn($"{project.Source} keeps its log for {project.Name}, which is gone: as soon as it answers, there: {drop}");
        }
    }

    private ConnectionUrl Source
    {
        get
        {
            var url = ConnectionUrl.Parse(project.Source!, LibpqEnvironment.None);
            return server.FindVolume() is { } volume ? url with { Password = Primary.PasswordOf(volume, url) } : url;
        }
    }

    private ConnectionUrl Target(ConnectionUrl source) => new() { Host = server.Address.SocketFolder, Port = server.Address.Port, Database = source.Database, User = project.Superuser };

    private string Conninfo(ConnectionUrl source) => $"{Primary.Conninfo(server.RequireVolume(), source)} dbname='{source.Database.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private async Task<ReplicationStatus> AskAsync(CancellationToken cancellationToken)
    {
        var source = Source;
        var replica = await DatabaseReplica.OpenAsync(source, Target(source), cancellationToken, project.Subscription).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        return await ReplicationStatus.AskAsync(replica, LongestAnswer, cancellationToken).ConfigureAwait(false);
    }
}
