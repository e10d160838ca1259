using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>What brings the changes of a source into its copy: a subscription that goes on exactly where the copy ends.</summary>
internal static class Subscription
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // A server that connects to another one takes no notice of connect_timeout, and waits for as long as the network does.
    private static readonly TimeSpan Reach = TimeSpan.FromSeconds(30);

    private static readonly string[] Files = ["sslrootcert", "sslcert", "sslkey", "sslcrl"];

    /// <summary>The address as another process has it: what is relative for us is not for that.</summary>
    public static ConnectionUrl WithWholePaths(ConnectionUrl url) =>
        url with { Parameters = url.Parameters.SetItems(FilesOf(url).Select(file => KeyValuePair.Create(file.Keyword, Path.GetFullPath(file.Path)))) };

    /// <summary>The files that an address names, which are read where the connection is made.</summary>
    public static IEnumerable<(string Keyword, string Path)> FilesOf(ConnectionUrl url) =>
        Files.Where(keyword => url.Parameters.GetValueOrDefault(keyword) is { } path && path != "system").Select(keyword => (keyword, url.Parameters[keyword]));

    /// <summary>Whether it is there; null if it is not.</summary>
    public static async Task<bool?> IsEnabledAsync(DatabaseReplica replica, CancellationToken cancellationToken) =>
        await replica.AskTargetAsync("select subenabled::text from pg_subscription where subname = $1 and subdbid = (select oid from pg_database where datname = current_database())", cancellationToken, replica.Name).ConfigureAwait(false) is [var row, ..] ? row[0] == "true" : null;

    /// <summary>Makes it, for an address.</summary>
    /// <exception cref="PgdException">As below.</exception>
    public static Task MakeAsync(DatabaseReplica replica, ConnectionUrl publisher, CancellationToken cancellationToken)
    {
        var reach = int.TryParse(publisher.Parameters.GetValueOrDefault("connect_timeout"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : Reach;
        return MakeAsync(replica, UriText.Write(publisher), [.. FilesOf(publisher).Select(file => $"{file.Path} ({file.Keyword})")], reach, cancellationToken);
    }


    /// <summary>Makes it, for what libpq reads and names no files.</summary>
    /// <exception cref="PgdException">As below.</exception>
    public static Task MakeAsync(DatabaseReplica replica, string publisher, CancellationToken cancellationToken) => MakeAsync(replica, publisher, files: [], Reach, cancellationToken);

    /// <summary>Makes it. The slot has been there since the copy, and the rows are.</summary>
    /// <param name="replica">The two databases.</param>
    /// <param name="publisher">How the target reaches the source, as libpq reads it.</param>
    /// <param name="files">The files that this names.</param>
    /// <param name="reach">How long the target may take to reach it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">The role may not (<see cref="ExitCode.Unsafe"/>, with what to type), or the target does not reach the source (<see cref="ExitCode.Failed"/>).</exception>
    private static async Task MakeAsync(DatabaseReplica replica, string publisher, IReadOnlyList<string> files, TimeSpan reach, CancellationToken cancellationToken)
    {
        // A statement is shown by pg_stat_activity and kept by pg_stat_statements, and one that fails is written into the server's log: so the password is no part of one. Who may, keeps it out of the log as well.
        await replica.AskTargetAsync("begin", cancellationToken).ConfigureAwait(false);
        try
        {
            if ((await replica.AskTargetAsync("select rolsuper::text from pg_roles where rolname = current_user", cancellationToken).ConfigureAwait(false))[0][0] == "true")
                await replica.AskTargetAsync("select set_config('log_min_messages', 'panic', true), set_config('log_min_error_statement', 'panic', true), set_config('log_statement', 'none', true), set_config('log_min_duration_statement', '-1', true)", cancellationToken).ConfigureAwait(false);
            await replica.AskTargetAsync("select set_config('pgd.publisher', $1, true) is null", cancellationToken, publisher).ConfigureAwait(false);
            await replica.AskTargetAsync("select set_config('statement_timeout', $1, true)", cancellationToken, string.Create(CultureInfo.InvariantCulture, $"{reach.TotalSeconds:0}s")).ConfigureAwait(false);
            await replica.Into.QueryAsync($"do $$ begin execute format('create subscription {replica.Name} connection %L publication {replica.Name} with (create_slot = false, slot_name = {replica.Name}, copy_data = false, enabled = true)', current_setting('pgd.publisher')); end $$", cancellationToken).ConfigureAwait(false);
            await replica.AskTargetAsync("commit", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            await replica.AskTargetAsync("rollback", cancellationToken).ConfigureAwait(false);
            throw e.SqlState switch
            {
                PostgresErrorCodes.InsufficientPrivilege => new PgdException(ExitCode.Unsafe, $"{replica.Target.User} may not make a subscription in {replica.Target}: {e.MessageText}",
                    replica.TargetMajor >= 16 ? $"As a superuser there: GRANT pg_create_subscription TO {AdminConnection.QuoteIdentifier(replica.Target.User)}; GRANT CREATE ON DATABASE {AdminConnection.QuoteIdentifier(replica.Target.Database)} TO {AdminConnection.QuoteIdentifier(replica.Target.User)};" : "Before PostgreSQL 16 that takes a superuser: name one in --target.", e),
                PostgresErrorCodes.ConnectionFailure or PostgresErrorCodes.ConnectionException when files.Count > 0 => new(ExitCode.Failed, $"{replica.Target} does not reach {replica.Source}: {e.MessageText}",
                    $"The target's server connects to the source itself, and reads {string.Join(", ", files)} on its own machine: put that there, readable for its account. Or say how it reaches the source, with the paths that it has: --publisher URL", e),
                PostgresErrorCodes.UndefinedTable => new(ExitCode.Unsafe, $"{replica.Target} does not have all that {replica.Source} publishes: {e.MessageText}", "dotnet pgd replicate status says what was redefined at the source, and what to type.", e),
                PostgresErrorCodes.QueryCanceled => new(ExitCode.Failed, $"{replica.Target} does not reach {replica.Source}: it got no answer within {reach.TotalSeconds:0} s", "The target connects to the source itself. Say how it reaches it, if not as you do from here: --publisher URL", e),
                PostgresErrorCodes.ConnectionFailure or PostgresErrorCodes.ConnectionException => new(ExitCode.Failed, $"{replica.Target} does not reach {replica.Source}: {e.MessageText}", "The target connects to the source itself. Say how it reaches it, if not as you do from here: --publisher URL", e),
                _ => DatabaseReplica.Refused(replica.Target, e),
            };
        }
    }

    /// <summary>Waits until it is at work: the target's server looks for new ones every few seconds.</summary>
    public static async Task BeginsAsync(DatabaseReplica replica, IReporter reporter, CancellationToken cancellationToken)
    {
        reporter.Step($"waiting for {replica.Target.Database} to follow");
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Patience; await Task.Delay(100, cancellationToken).ConfigureAwait(false))
        {
            if (await replica.AskSourceAsync("select from pg_replication_slots where slot_name = $1 and active", cancellationToken, replica.Name).ConfigureAwait(false) is { Count: > 0 })
                return;
        }

        reporter.Warn($"{replica.Target.Database} does not fetch changes yet; dotnet pgd replicate status says more");
    }

    /// <summary>Removes it from the target, and nothing else: not the slot of the source. Nothing happens if there is none.</summary>
    public static async Task RemoveAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if (await IsEnabledAsync(replica, cancellationToken).ConfigureAwait(false) is null)
            return;
        await replica.AskTargetAsync("begin", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"alter subscription {replica.Name} disable", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"alter subscription {replica.Name} set (slot_name = none)", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync($"drop subscription {replica.Name}", cancellationToken).ConfigureAwait(false);
        await replica.AskTargetAsync("commit", cancellationToken).ConfigureAwait(false);
    }
}
