using System.Security.Cryptography;
using System.Text;
using Pgd.State;

namespace Pgd.Postgres;

/// <summary>What happens to a branch between its start and its opening: nothing of the source's doors, passwords or links to others is left.</summary>
internal sealed class Settlement(Workspace workspace, BranchServer server, BranchRecord branch)
{
    /// <summary>Every login role gets a new password; the old ones, the source's, are void.</summary>
    public async Task RotateAsync(AdminConnection connection, CancellationToken cancellationToken)
    {
        var roles = await connection.QueryAsync("select rolname::text, rolcanlogin::text, (rolvaliduntil is not null)::text from pg_authid where rolcanlogin or rolpassword is not null order by 1", cancellationToken).ConfigureAwait(false);
        var verifiers = new string[roles.Count];
        Parallel.For(0, roles.Count, i => verifiers[i] = ScramVerifier.Of(workspace.HostKey.Password(branch, roles[i][0]!)));
        // A verifier in a log gives nothing away, yet it does not have to be there.
        var sql = new StringBuilder("begin; set local log_statement = 'none'; set local log_min_duration_statement = -1; set local log_min_error_statement = 'panic';");
        for (var i = 0; i < roles.Count; i++)
        {
            sql.Append("alter role ").Append(AdminConnection.QuoteIdentifier(roles[i][0]!));
            // One that cannot log in may be allowed to later: not with the source's password.
            sql.Append(roles[i][1] == "true" ? $" password '{verifiers[i]}'" : " password null");
            // A date that was set for the old password would end the new one.
            sql.Append(roles[i][2] == "true" ? " valid until 'infinity';" : ";");
        }

        await connection.ExecuteAsync(sql.Append("commit").ToString(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Drops the subscriptions that came with the data. In this order: a plain DROP would drop the slot on the publisher,
    /// which is the real subscriber's.
    /// </summary>
    public async Task DropSubscriptionsAsync(AdminConnection connection, CancellationToken cancellationToken)
    {
        var rows = await connection.QueryAsync(
            "select d.datname::text, s.subname::text, d.datallowconn::text from pg_subscription s join pg_database d on d.oid = s.subdbid order by 1, 2", cancellationToken).ConfigureAwait(false);
        foreach (var database in rows.GroupBy(r => r[0]!, StringComparer.Ordinal))
        {
            if (database.First()[2] == "false")
            {
                workspace.Reporter.Warn($"the database {database.Key} allows no connections, so its subscriptions stay; they cannot start (max_logical_replication_workers=0)");
                continue;
            }

            var inside = await server.ConnectAsync(cancellationToken, database.Key).ConfigureAwait(false);
            await using var _ = inside.ConfigureAwait(false);
            foreach (var name in database.Select(r => AdminConnection.QuoteIdentifier(r[1]!)))
            {
                await inside.ExecuteAsync($"alter subscription {name} disable", cancellationToken).ConfigureAwait(false);
                await inside.ExecuteAsync($"alter subscription {name} set (slot_name = none)", cancellationToken).ConfigureAwait(false);
                await inside.ExecuteAsync($"drop subscription {name}", cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Runs the anonymization over the socket, while no one else can connect. Returns its digest.</summary>
    /// <exception cref="PgdException">A file is missing or fails; the branch must not be opened.</exception>
    public async Task<string> AnonymizeAsync(AdminConnection connection, Anonymization anonymization, CancellationToken cancellationToken)
    {
        var database = (await Databases.ListAsync(connection, cancellationToken).ConfigureAwait(false)).Choose(branch.FullName, anonymization.Database).Name;
        var inside = await AdminConnection.OpenAsync(server.Address, database, cancellationToken, defaultSearchPath: true).ConfigureAwait(false);
        await using var _ = inside.ConfigureAwait(false);
        foreach (var file in anonymization.Files)
        {
            workspace.Reporter.Step($"anonymizing with {file}");
            try
            {
                await inside.ExecuteAsync(await File.ReadAllTextAsync(file, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            }
            catch (Npgsql.PostgresException e)
            {
                throw new PgdException(ExitCode.Failed, $"the anonymization {file} failed: {e.MessageText} (SQLSTATE {e.SqlState})", "The branch was not opened and is taken back.", e);
            }
        }

        return Digest(anonymization);
    }

    /// <summary>What was run: the files' content and the database.</summary>
    public static string Digest(Anonymization anonymization)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(anonymization.Database ?? ""));
        foreach (var file in anonymization.Files)
        {
            if (!File.Exists(file))
                throw new PgdException(ExitCode.Misuse, $"the anonymization file {file} does not exist", "Paths are relative to the current folder.");
            hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
