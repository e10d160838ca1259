using System.Globalization;
using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;
using Pgd.Libpq;
using Pgd.Postgres;
using Pgd.State;

namespace Pgd.Following;

/// <summary>Asks how new a project's data is. The source itself is asked only where its standby does not stream, and why is to be told.</summary>
internal sealed class FreshnessQuestion(Workspace workspace, ProjectRecord project)
{
    private const string Application = "pgd status";
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(3);

    private readonly BranchName _main = BranchName.Of(project.Name, BranchName.Main);

    public Freshness Ask(CancellationToken cancellationToken)
    {
        var found = new Freshness { Project = project.Name, From = project.Source, Follow = project.IsFollower ? FollowMode.Physical : project.Subscription is not null ? FollowMode.Logical : null };
        var main = workspace.State.FindBranch(_main);
        if (project.Source is null || main is null)
            return found;
        found = found with { DataAsOf = main.DataAsOf };
        if (!project.IsFollower && project.Subscription is null)
            return found with { Next = Refresh };
        var server = new BranchServer(workspace, project, main, main.Generation);
        try
        {
            return server.IsRunning() ? project.IsFollower ? Ask(found, server, cancellationToken) : new Subscriber(workspace, project, server).Ask(found, cancellationToken)
                : found with { Status = FollowStatus.Stopped, Reason = main.ShouldRun ? $"its server does not run{(server.FindVolume() is { } volume && ServerLog.LastComplaint(volume.Log) is { } why ? $": {why}" : "")}" : "it was stopped", Next = $"dotnet pgd start {_main}" };
        }
        catch (Exception e) when (e is PgdException or NpgsqlException or IOException or UnauthorizedAccessException)
        {
            return found with { Status = FollowStatus.Unknown, Reason = $"it could not be asked: {ScriptConnection.Innermost(e)}", Next = $"dotnet pgd branch logs {_main}" };
        }
    }

    private string Refresh => $"dotnet pgd project refresh {project.Name}";

    private Freshness Ask(Freshness found, BranchServer server, CancellationToken cancellationToken)
    {
        using var connection = server.Connect(cancellationToken);
        var replay = Replay.Of(connection, cancellationToken);
        var asOf = Follower.Later(found.DataAsOf, replay.DataAsOf);
        found = found with
        {
            DataAsOf = asOf,
            SourceLsn = Text(replay.End),
            ReceivedLsn = Text(replay.Received),
            ReplayedLsn = Text(replay.Replayed),
            LagBytes = replay is { End: { } end, Replayed: { } replayed } ? (long)(Math.Max(end, replayed) - replayed) : null,
            LagSeconds = replay.IsCaughtUp ? 0 : asOf is { } time ? Math.Max(0, Math.Round((DateTimeOffset.UtcNow - time).TotalSeconds, 1)) : null,
        };
        if (!replay.InRecovery)
            return found with { Status = FollowStatus.Promoted, Reason = "somebody has promoted it: it has a history of its own now", Next = Refresh, LagBytes = null, LagSeconds = null };
        if (replay.IsPaused)
            return found with { Status = FollowStatus.Waiting, Reason = $"its replay is paused{(ServerLog.LastComplaint(server.RequireVolume().Log) is { } said ? $": {said}" : ", maybe because the source was given more of a setting than it has")}", Next = $"dotnet pgd restart {_main}" };
        if (replay.IsStreaming)
            return found with { Status = FollowStatus.Streaming };
        var positions = connection.Query("select (select greatest(timeline_id, (select min_recovery_end_timeline from pg_control_recovery())) from pg_control_checkpoint())::text, (select system_identifier from pg_control_system())::text, (select setting from pg_settings where name = 'wal_segment_size')", cancellationToken)[0];
        var volume = server.RequireVolume();
        var url = ConnectionUrl.Parse(project.Source!, LibpqEnvironment.None);
        var (status, reason, next) = AskSource(url with { Password = Primary.PasswordOf(volume, url) }, positions, replay.Received ?? 0, cancellationToken);
        return found with { Status = status, Reason = ServerLog.LastComplaint(volume.Log) is { } complaint && status == FollowStatus.Waiting ? $"{reason}; its server says: {complaint}" : reason, Next = next };
    }

    /// <summary>Why it does not stream, by asking for what it would ask for.</summary>
    private (FollowStatus Status, string Reason, string? Next) AskSource(ConnectionUrl url, string?[] positions, ulong received, CancellationToken cancellationToken)
    {
        var name = project.Source;
        var segment = ulong.Parse(positions[2]!, CultureInfo.InvariantCulture);
        var builder = url.ToNpgsql();
        builder.ApplicationName = Application;
        builder.Timeout = (int)LongestAnswer.TotalSeconds;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(LongestAnswer * 2);
        var source = new PhysicalReplicationConnection(builder.ConnectionString);
        try
        {
            source.Open(end.Token).GetAwaiter().GetResult();
            var identity = source.IdentifySystem(end.Token).GetAwaiter().GetResult();
            if (identity.SystemId != positions[1])
                return (FollowStatus.FellBehind, $"{name} is another cluster than the one that was copied", Refresh);
            if (!Gives(source, received / segment * segment, uint.Parse(positions[0]!, CultureInfo.InvariantCulture), out var refusal, end.Token))
                return (FollowStatus.FellBehind, $"{name} no longer has what would be next: {refusal}", Refresh);
            return (FollowStatus.Waiting, $"{name} answers, and it should connect within seconds", $"dotnet pgd project status {project.Name}");
        }
        catch (PostgresException e)
        {
            return (FollowStatus.Waiting, $"{name} refuses it: {e.MessageText}", e.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification ? $"Have {url.User} let in again, or give its new password: dotnet pgd project set {project.Name} --password-stdin" : $"dotnet pgd branch logs {_main}");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return (FollowStatus.Waiting, $"{name} does not answer: {ScriptConnection.Innermost(e)}", "It goes on by itself as soon as that answers.");
        }
        finally
        {
            source.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>Whether a source still has its log from a position on.</summary>
    private static bool Gives(PhysicalReplicationConnection source, ulong position, uint timeline, out string? refusal, CancellationToken cancellationToken)
    {
        refusal = null;
        using var waited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var messages = source.StartReplication(new NpgsqlLogSequenceNumber(position), waited.Token, timeline).GetAsyncEnumerator(waited.Token);
        try
        {
            var first = messages.MoveNextAsync().AsTask();
            // One that has nothing new to say says nothing.
            if (first.Wait(LongestAnswer, cancellationToken))
                return first.Result;
            return true;
        }
        catch (AggregateException e) when (e.InnerException is PostgresException refused)
        {
            refusal = refused.MessageText;
            return false;
        }
        finally
        {
            waited.Cancel();
            try
            {
                messages.DisposeAsync().AsTask().Wait(LongestAnswer, CancellationToken.None);
            }
            catch (Exception e) when (e is AggregateException or NotSupportedException)
            {
                // It was in the middle of an answer that nobody waits for; its connection is closed.
            }
        }
    }

    private static string? Text(ulong? position) => position is { } at ? Lsn.Format(at) : null;
}
