using System.Security.Cryptography;
using System.Text;
using Pgd.State;

namespace Pgd.Postgres;

/// <summary>What happens to a branch between its start and its opening: nothing of the source's doors, passwords or links to others is left.</summary>
internal sealed class Settlement(Workspace workspace, BranchServer server, BranchRecord branch)
{
    private readonly Dictionary<string, Task<string>> _verifiers = [];

    /// <summary>A verifier takes thousands of rounds on purpose: those that every branch needs are made while its server starts.</summary>
    public void Begin(string role) => _verifiers[role] = Task.Run(() => Verifier(role));

    /// <summary>
    /// No password of the source is valid from here on. The bootstrap superuser, the owners of databases and the roles that are to be kept get one of the
    /// branch's own; the others can no longer log in. A golden branch is never opened: its roles stay what they are, for those that are made from it to choose.
    /// </summary>
    /// <exception cref="PgdException">A role that is to be kept is not there, or cannot log in (<see cref="ExitCode.NotFound"/>).</exception>
    public void VoidPasswords(AdminConnection connection, CancellationToken cancellationToken)
    {
        var roles = Roles(connection, cancellationToken);
        if (branch.Roles.FirstOrDefault(pattern => !roles.Any(role => role.CanLogIn && Matches(pattern, role.Name))) is { } missing)
        {
            throw new PgdException(ExitCode.NotFound, $"{branch.ParentName} has no role \"{missing}\" that can log in", $"It has: {string.Join(", ", roles.Where(r => r.CanLogIn).Select(r => r.Name))}");
        }

        Alter(connection, branch.IsGolden ? [.. roles.Select(role => role with { CanLogIn = false })] : roles,
            role => role.Needed || branch.Roles.Any(pattern => Matches(pattern, role.Name)), null, cancellationToken);

        static bool Matches(string pattern, string role) => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, role, ignoreCase: false);
    }

    /// <summary>Every role that can log in gets a new password; the old ones are void.</summary>
    public void Rotate(AdminConnection connection, CancellationToken cancellationToken, Action? beforeTheyAreValid = null) =>
        Alter(connection, Roles(connection, cancellationToken), static role => role.CanLogIn, beforeTheyAreValid, cancellationToken);

    private static List<LoginRole> Roles(AdminConnection connection, CancellationToken cancellationToken) => [.. connection.Query(
        """
        select rolname::text, rolcanlogin::text, (rolvaliduntil is not null)::text,
               (oid = 10 or exists (select from pg_database where datdba = pg_authid.oid and not datistemplate))::text
          from pg_authid where rolcanlogin or rolpassword is not null order by 1
        """, cancellationToken).Select(r => new LoginRole(r[0]!, r[1] == "true", r[2] == "true", r[3] == "true"))];

    private void Alter(AdminConnection connection, List<LoginRole> roles, Func<LoginRole, bool> keeps, Action? beforeTheyAreValid, CancellationToken cancellationToken)
    {
        foreach (var role in roles.Where(r => r.CanLogIn && keeps(r) && !_verifiers.ContainsKey(r.Name)))
            Begin(role.Name);
        // A verifier in a log gives nothing away, yet it does not have to be there.
        connection.Execute("begin", cancellationToken);
        foreach (var setting in (string[])["log_statement = 'none'", "log_min_duration_statement = -1", "log_min_error_statement = 'panic'"])
            connection.Execute($"set local {setting}", cancellationToken);
        foreach (var role in roles)
        {
            var name = AdminConnection.QuoteIdentifier(role.Name);
            // One that cannot log in may be allowed to later: not with the source's password.
            if (!role.CanLogIn || !keeps(role))
                connection.Execute($"alter role {name} {(role.CanLogIn ? "nologin " : "")}password null", cancellationToken);
            else
                // A date that was set for the old password would end the new one.
                connection.Execute($"alter role {name} password '{_verifiers[role.Name].GetAwaiter().GetResult()}'{(role.Expires ? " valid until 'infinity'" : "")}", cancellationToken);
        }

        beforeTheyAreValid?.Invoke();
        connection.Execute("commit", cancellationToken);
    }

    /// <summary>
    /// Drops the subscriptions that came with the data. In this order: a plain DROP would drop the slot on the publisher,
    /// which is the real subscriber's.
    /// </summary>
    /// <returns>How many.</returns>
    public int DropSubscriptions(AdminConnection connection, CancellationToken cancellationToken)
    {
        var dropped = 0;
        var rows = connection.Query(
            "select d.datname::text, s.subname::text, d.datallowconn::text from pg_subscription s join pg_database d on d.oid = s.subdbid order by 1, 2", cancellationToken);
        foreach (var database in rows.GroupBy(r => r[0]!, StringComparer.Ordinal))
        {
            if (database.First()[2] == "false")
            {
                workspace.Reporter.Warn($"the database {database.Key} allows no connections, so its subscriptions stay; they cannot start (max_logical_replication_workers=0)");
                continue;
            }

            using var inside = server.Connect(cancellationToken, database.Key);
            foreach (var name in database.Select(r => AdminConnection.QuoteIdentifier(r[1]!)))
            {
                inside.Execute($"alter subscription {name} disable", cancellationToken);
                inside.Execute($"alter subscription {name} set (slot_name = none)", cancellationToken);
                inside.Execute($"drop subscription {name}", cancellationToken);
                dropped++;
            }

            // What a copy knows of its source is nothing for a branch of it.
            if (database.Any(row => row[1]!.StartsWith(Replication.DatabaseReplica.Prefix, StringComparison.Ordinal)))
                inside.Execute($"drop schema if exists {Replication.ReplicaRecord.Schema} cascade", cancellationToken);
        }

        return dropped;
    }

    /// <summary>
    /// Warns of extensions whose library the server does not have: their functions fail, and everything else works. Only the catalogs of each
    /// database tell, so it cannot be known before the start.
    /// </summary>
    public void WarnOfMissingLibraries(AdminConnection connection, string serving, CancellationToken cancellationToken)
    {
        foreach (var database in connection.Query("select datname::text from pg_database where datallowconn and not datistemplate", cancellationToken).Select(row => row[0]!))
        {
            foreach (var (extension, libraries) in MissingLibraries(database, cancellationToken))
            {
                workspace.Reporter.Warn($"the database {database} of {branch.FullName} has the extension {extension}, and {serving} lacks its library {libraries}: its functions fail; "
                    + "they need an image or server programs that have it");
            }
        }
    }

    private List<(string Extension, string Libraries)> MissingLibraries(string database, CancellationToken cancellationToken)
    {
        try
        {
            using var inside = server.Connect(cancellationToken, database);
            var missing = inside.Query(
                """
                with here as (select regexp_replace(file, '[.]so$', '') as library from pg_config, pg_ls_dir(setting) file where name = 'PKGLIBDIR'),
                     named as (select oid, regexp_replace(probin, '^[$]libdir/|[.]so$', '', 'g') as library from pg_proc where probin is not null)
                select distinct coalesce(e.extname::text, n.library), n.library
                  from named n
                  left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = n.oid and d.deptype = 'e' and d.refclassid = 'pg_extension'::regclass
                  left join pg_extension e on e.oid = d.refobjid
                 where n.library !~ '/' and n.library not in (select library from here)
                 order by 1, 2
                """, cancellationToken);
            return [.. missing.GroupBy(r => r[0]!, r => r[1]!, StringComparer.Ordinal).Select(extension => (extension.Key, string.Join(", ", extension)))];
        }
        catch (Npgsql.NpgsqlException e)
        {
            // Half-dropped, or made for a locale that is not here: a branch has it as its source has.
            workspace.Reporter.Warn($"the database {database} of {branch.FullName} cannot be looked into: {e.Message}");
            return [];
        }
    }

    /// <summary>Runs the anonymization over the socket, while no one else can connect. Returns its digest.</summary>
    /// <exception cref="PgdException">A file is missing or fails; the branch must not be opened.</exception>
    public async Task<string> AnonymizeAsync(AdminConnection connection, Anonymization anonymization, CancellationToken cancellationToken)
    {
        var database = DatabaseList.List(connection, cancellationToken).Choose(branch.FullName, anonymization.Database).Name;
        using var inside = AdminConnection.Open(server.Address, database, cancellationToken, defaultSearchPath: true);
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

    private sealed record LoginRole(string Name, bool CanLogIn, bool Expires, bool Needed);

    private string Verifier(string role) => ScramVerifier.Of(workspace.HostKey.Password(branch, role));

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
