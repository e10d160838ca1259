using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>The roles to which something of a source belongs or was granted, with the roles that those are members of: what a copy needs of its server beside the database.</summary>
internal static class SourceRoles
{
    /// <summary>Makes those that the target does not have. Passwords do not come along.</summary>
    /// <exception cref="PgdException">The target's role may make none (<see cref="ExitCode.Unsafe"/>, with what to type).</exception>
    public static async Task MakeAsync(DatabaseReplica replica, IReadOnlyCollection<string> named, IReporter reporter, CancellationToken cancellationToken)
    {
        var there = (await replica.AskTargetAsync("select rolname from pg_roles", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        var roles = await replica.AskSourceAsync("""
            with recursive needed as (
                select oid from pg_roles where rolname = any ($1::text[])
                union
                select m.roleid from needed n join pg_auth_members m on m.member = n.oid
            )
            select r.rolname, r.rolcanlogin::text, r.rolinherit::text, r.rolcreatedb::text, r.rolcreaterole::text, r.rolconnlimit::text, r.rolvaliduntil::text,
                coalesce((select string_agg(quote_ident(g.rolname), ', ' order by 1) from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid), ''), r.rolsuper::text
            from needed n join pg_roles r on r.oid = n.oid where r.rolname !~ '^pg_' order by 1
            """, cancellationToken, ScriptConnection.ArrayOf(named)).ConfigureAwait(false);
        var missing = roles.Where(role => !there.Contains(role[0]!)).ToList();
        if (missing.Count == 0)
            return;
        var mine = (await replica.AskTargetAsync("select rolsuper::text, rolcreaterole::text from pg_roles where rolname = current_user", cancellationToken).ConfigureAwait(false))[0];
        var isSuperuser = mine[0] == "true";
        if (!isSuperuser && mine[1] != "true")
        {
            throw new PgdException(ExitCode.Unsafe, $"{replica.Target} lacks the {Word(missing.Count)} {string.Join(", ", missing.Select(role => role[0]))}, and {replica.Target.User} may make none",
                $"As somebody who may: {string.Join(' ', missing.Select(role => $"CREATE ROLE {AdminConnection.QuoteIdentifier(role[0]!)};"))} Or let all of it belong to {replica.Target.User}: --no-owner");
        }

        foreach (var role in missing)
        {
            var name = AdminConnection.QuoteIdentifier(role[0]!);
            var rights = $"{(role[3] == "true" ? " createdb" : "")}{(role[4] == "true" ? " createrole" : "")}";
            var common = $"create role {name}{(role[1] == "true" ? " login" : "")}{(role[2] == "true" ? "" : " noinherit")} connection limit {role[5]}{(role[6] is { } until ? $" valid until {AdminConnection.QuoteLiteral(until)}" : "")}";
            if (!await TryAsync(replica, common + rights, cancellationToken).ConfigureAwait(false))
            {
                await replica.AskTargetAsync(common, cancellationToken).ConfigureAwait(false);
                reporter.Warn($"the role {role[0]} has at the source what {replica.Target.User} may not give:{rights}");
            }

            // What belongs to a role can only be given to it by a member.
            if (!isSuperuser)
                await TryAsync(replica, $"grant {name} to current_user", cancellationToken).ConfigureAwait(false);
        }

        foreach (var role in missing.Where(role => role[7]!.Length > 0))
        {
            if (!await TryAsync(replica, $"grant {role[7]} to {AdminConnection.QuoteIdentifier(role[0]!)}", cancellationToken).ConfigureAwait(false))
                reporter.Warn($"{replica.Target.User} may not: grant {role[7]} to {AdminConnection.QuoteIdentifier(role[0]!)}");
        }

        if (missing.Where(role => role[1] == "true").Select(role => role[0]).ToList() is { Count: > 0 } login)
            reporter.Warn($"passwords do not come along: give {string.Join(", ", login)} one (psql: \\password NAME)");
        if (missing.Where(role => role[8] == "true").Select(role => role[0]).ToList() is { Count: > 0 } super)
            reporter.Warn($"{string.Join(", ", super)} {(super.Count == 1 ? "is a superuser" : "are superusers")} at the source and not here");
    }

    /// <summary>What was set for the database, and granted on it.</summary>
    public static async Task DatabaseAsync(DatabaseReplica replica, bool withOwners, IReporter reporter, CancellationToken cancellationToken)
    {
        var name = AdminConnection.QuoteIdentifier(replica.Target.Database);
        var settings = await replica.AskSourceAsync("""
            select split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) setting
            where d.datname = current_database() and s.setrole = 0
            """, cancellationToken).ConfigureAwait(false);
        foreach (var setting in settings)
        {
            // A list stays a list; all others are one value.
            var value = setting[0] is "search_path" or "temp_tablespaces" or "session_preload_libraries" or "local_preload_libraries" ? setting[1]! : AdminConnection.QuoteLiteral(setting[1]!);
            if (!await TryAsync(replica, $"alter database {name} set {AdminConnection.QuoteIdentifier(setting[0]!)} = {value}", cancellationToken).ConfigureAwait(false))
                reporter.Warn($"{replica.Target.User} may not set {setting[0]} for the database, as it is set at the source");
        }

        if (!withOwners)
            return;
        var grants = await replica.AskSourceAsync("""
            select privilege_type, case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end, is_grantable::text from pg_database d, aclexplode(d.datacl)
            where d.datname = current_database() and grantee <> d.datdba
            """, cancellationToken).ConfigureAwait(false);
        foreach (var grant in grants)
        {
            var statement = $"grant {grant[0]} on database {name} to {grant[1]}{(grant[2] == "true" ? " with grant option" : "")}";
            if (!await TryAsync(replica, statement, cancellationToken).ConfigureAwait(false))
                reporter.Warn($"{replica.Target.User} may not: {statement}");
        }
    }

    private static string Word(int count) => count == 1 ? "role" : "roles";

    private static async Task<bool> TryAsync(DatabaseReplica replica, string statement, CancellationToken cancellationToken)
    {
        try
        {
            await replica.Into.QueryAsync(statement, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.FeatureNotSupported)
        {
            return false;
        }
    }
}
