namespace Pgd.Postgres;

/// <summary>The databases of a server that can be connected to, with their owners.</summary>
internal sealed class DatabaseList(IReadOnlyList<ConnectableDatabase> databases, IReadOnlyList<string> loginRoles)
{
    public static DatabaseList List(AdminConnection connection, CancellationToken cancellationToken)
    {
        var rows = connection.Query(
            $"""
            select d.datname::text, r.rolname::text, r.rolcanlogin::text, (shobj_description(d.oid, 'pg_database') like '{DatabaseCopy.Mark}' || '%')::text
              from pg_database d join pg_roles r on r.oid = d.datdba
             where not d.datistemplate and d.datallowconn and {DatabaseCopy.IsNoHalf}
             union all
            select null, rolname::text, null, null from pg_roles where rolcanlogin
             order by 1, 2
            """, cancellationToken);
        return new([.. rows.Where(r => r[0] is not null).Select(r => new ConnectableDatabase(r[0]!, r[1]!, r[2] == "true", r[3] == "true"))], [.. rows.Where(r => r[0] is null).Select(r => r[1]!)]);
    }

    /// <summary>Whether the choice is clear without asking for a name.</summary>
    public bool IsClear => Candidates().Count == 1 && Candidates()[0].OwnerCanLogIn;

    /// <summary>The database of that name; without one, the only one.</summary>
    /// <exception cref="PgdException">There is none of that name, or several to choose from.</exception>
    public ConnectableDatabase Choose(BranchName branch, string? name)
    {
        var names = string.Join(", ", databases.Select(d => d.Name));
        if (name is not null)
        {
            return databases.FirstOrDefault(d => d.Name == name)
                ?? throw new PgdException(ExitCode.NotFound, $"{branch} has no database \"{name}\"", $"It has: {names}");
        }

        return Candidates() switch
        {
            [var only] => only,
            [] => throw new PgdException(ExitCode.NotFound, $"{branch} has no database that can be connected to"),
            _ => throw new PgdException(ExitCode.Misuse, $"{branch} has several databases", $"Choose one with --database: {names}"),
        };
    }

    /// <summary>The role to connect as: the one of that name, or the database's owner.</summary>
    public string ChooseRole(BranchName branch, ConnectableDatabase database, string? role)
    {
        var names = string.Join(", ", loginRoles);
        if (role is null)
        {
            return database.OwnerCanLogIn
                ? database.Owner
                : throw new PgdException(ExitCode.Misuse, $"{database.Owner}, the owner of {database.Name} in {branch}, cannot log in", $"Choose a role with --role: {names}");
        }

        return loginRoles.Contains(role) ? role : throw new PgdException(ExitCode.NotFound, $"{branch} has no role \"{role}\" that can log in", $"It has: {names}. A branch keeps others of its source's when it is made with --role NAME, or roles: in pgd.yml.");
    }

    // The maintenance database counts only where there is no other, and a copy beside what it was made from never.
    private List<ConnectableDatabase> Candidates() => databases.Where(d => d.Name != "postgres" && !d.IsCopy).ToList() is { Count: > 0 } others ? others : [.. databases];
}

/// <summary>A database and its owner, and whether it is a copy of another one that we made.</summary>
internal sealed record ConnectableDatabase(string Name, string Owner, bool OwnerCanLogIn, bool IsCopy);
