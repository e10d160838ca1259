using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.Configuration;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>Makes one database from another inside a server. Until it is complete it has a name that nobody asked for, so that what a killed one left is known by that.</summary>
internal sealed class DatabaseCopy(Workspace workspace, ProjectRecord project, BranchServer server, AdminConnection connection, DatabaseBranch request)
{
    /// <summary>How the comment of a copy begins.</summary>
    public const string Mark = "pgd: copy of ";

    /// <summary>How the name of half a copy begins; the hash of its real one follows.</summary>
    public const string HalfPrefix = "pgd_half_";

    /// <summary>The condition on <c>pg_database d</c> that leaves halves out. No pattern: what a backslash means in one is a setting.</summary>
    public static readonly string IsNoHalf = $"not {IsHalf}";

    private const string IsHalf = $"(left(d.datname, 9) = '{HalfPrefix}' and length(d.datname) = 17)";

    // Only these have to be quoted part by part, and only the server knows how.
    private static readonly string[] Lists = ["search_path", "temp_tablespaces", "session_preload_libraries", "shared_preload_libraries", "local_preload_libraries", "unix_socket_directories"];

    private const int OldestWithStrategy = 15, OldestWithClone = 18;

    // Above this, two checkpoints cost less than all pages in the write-ahead log: as measured on a server that waits for its disk.
    private const long LargestForLog = 256L << 20;

    // A file system that cannot share copies without a word.
    private const double SharedAtLeast = 0.5;

    private BranchName Branch => request.Template.Branch;

    private string Half => HalfPrefix + Layout.ShortHash(request.Name);

    public async Task<DatabaseBranched> RunAsync(CancellationToken cancellationToken)
    {
        var template = Template(cancellationToken);
        var strategy = Strategy(template, cancellationToken);
        RefuseWhatACopyCannotHave(cancellationToken);
        if (connection.Scalar($"select 1::text from pg_database where datname = {Literal(request.Name)}", cancellationToken) is not null)
            throw new PgdException(ExitCode.Exists, $"{Branch} has a database \"{request.Name}\" already", $"Choose another name; or, if it is a copy that nobody needs: dotnet pgd database delete {Branch}:{request.Name}");
        RemoveHalfMade(cancellationToken);
        var saved = request.Measure && strategy == DatabaseStrategy.Clone ? Storage.SavedByCopies() : null;
        workspace.Reporter.Step($"copying {request.Template}");
        var clock = Stopwatch.StartNew();
        try
        {
            await CreateAsync(template, strategy, cancellationToken).ConfigureAwait(false);
            Fault.Here("database:copied");
            await Task.Run(() => Finish(template), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            TakeBack();
            if (e is not PostgresException refused)
                throw;
            throw Explained(refused, template) ?? new PgdException(ExitCode.Failed, $"{request.Template} could not be copied: {refused.MessageText}{(refused.Detail is null ? "" : $" ({refused.Detail})")}", refused.Hint, e);
        }

        Fault.Here("database:named");
        var milliseconds = clock.Elapsed.TotalMilliseconds;
        // Who makes hundreds has no use for what can be told without asking.
        if (!request.Measure)
            return new(Unasked(template), strategy, null, milliseconds);
        var made = Find(connection, new(Branch, request.Name), CancellationToken.None) ?? throw new PgdException(ExitCode.Failed, $"{Branch}:{request.Name} was deleted while it was made");
        var shared = SharedBytes(saved, CancellationToken.None);
        if (strategy == DatabaseStrategy.Clone && shared is { } actual && actual.SharedBytes < actual.Bytes * SharedAtLeast)
        {
            workspace.Reporter.Warn($"{made.Name} has {Measured.Size(actual.Bytes - actual.SharedBytes)} of its own: the file system copied it byte by byte instead of sharing it with {request.Template.Database}");
        }

        return new(made, strategy, shared?.SharedBytes, milliseconds);
    }

    private Database Unasked(TemplateDatabase template) => new()
    {
        Name = $"{Branch}:{request.Name}",
        Owner = request.Owner ?? request.Role ?? template.Owner,
        Bytes = template.Bytes,
        Template = request.Template.Database,
        IsTemplate = request.IsTemplate,
        AllowConnections = request.AllowConnections,
        ConnectionLimit = request.ConnectionLimit,
        Connections = 0,
    };

    /// <summary>The databases of a server that are anybody's.</summary>
    public static IReadOnlyList<Database> List(AdminConnection connection, BranchName branch, CancellationToken cancellationToken) =>
        [.. Select(connection, branch, $"d.datname not in ('template0', 'template1') and {IsNoHalf}", cancellationToken)];

    /// <summary>One of them; null if there is none of that name.</summary>
    public static Database? Find(AdminConnection connection, DatabaseName name, CancellationToken cancellationToken) => Select(connection, name.Branch, $"d.datname = {Literal(name.Database)}", cancellationToken).FirstOrDefault();

    private static IEnumerable<Database> Select(AdminConnection connection, BranchName branch, string which, CancellationToken cancellationToken)
    {
        foreach (var row in connection.Query(
            $"""
            select d.datname::text, r.rolname::text, d.oid::text, shobj_description(d.oid, 'pg_database'), d.datistemplate::text, d.datallowconn::text, d.datconnlimit::text,
                   (select count(*) from pg_stat_activity a where a.datid = d.oid and a.pid <> pg_backend_pid())::text
              from pg_database d join pg_roles r on r.oid = d.datdba
             where {which}
             order by d.datname
            """, cancellationToken))
        {
            long bytes;
            try
            {
                bytes = Number(connection.Scalar($"select pg_database_size({row[2]}::oid)::text", cancellationToken)!);
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.UndefinedFile)
            {
                // Deleted meanwhile.
                continue;
            }

            yield return new()
            {
                Name = $"{branch}:{row[0]}",
                Owner = row[1]!,
                Bytes = bytes,
                Template = row[3] is { } comment && comment.StartsWith(Mark, StringComparison.Ordinal) ? comment[Mark.Length..] : null,
                IsTemplate = row[4] == "true",
                AllowConnections = row[5] == "true",
                ConnectionLimit = row[6] == "-1" ? null : (int)Number(row[6]!),
                Connections = (int)Number(row[7]!),
            };
        }
    }

    public static PgdException Missing(AdminConnection connection, DatabaseName name, CancellationToken cancellationToken) => new(ExitCode.NotFound, $"{name.Branch} has no database \"{name.Database}\"",
        $"It has: {string.Join(", ", List(connection, name.Branch, cancellationToken).Select(d => DatabaseName.Parse(d.Name).Database))}");

    /// <summary>Who is connected to a database, in words.</summary>
    public static string Use(AdminConnection connection, string database) => connection.Query(
        $"select count(*)::text, string_agg(distinct coalesce(usename::text, backend_type) || case when application_name = '' then '' else ' (' || application_name || ')' end, ', ') from pg_stat_activity where datname = {Literal(database)} and pid <> pg_backend_pid()", CancellationToken.None)
        is [[var count, { } who]] ? $"{Severed.Count((int)Number(count!), "session")} of {who}" : "somebody was connected to it a moment ago";

    private TemplateDatabase Template(CancellationToken cancellationToken) => connection.Query(
        $"select d.oid::text, r.rolname::text, pg_database_size(d.oid)::text from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = {Literal(request.Template.Database)}", cancellationToken) is [[var oid, var owner, var size]]
            ? new(oid!, owner!, Number(size!)) : throw Missing(connection, request.Template, cancellationToken);

    private DatabaseStrategy Strategy(TemplateDatabase template, CancellationToken cancellationToken)
    {
        var hasClone = project.PostgresMajor >= OldestWithClone && connection.Scalar("select 1::text from pg_settings where name = 'file_copy_method' and 'clone' = any (enumvals)", cancellationToken) is not null;
        return request.Strategy switch
        {
            DatabaseStrategy.Auto => hasClone && Storage.SharesCopies ? DatabaseStrategy.Clone
                : project.PostgresMajor >= OldestWithStrategy && template.Bytes <= LargestForLog ? DatabaseStrategy.WalLog : DatabaseStrategy.FileCopy,
            DatabaseStrategy.Clone when !hasClone => throw new PgdException(ExitCode.MachineLacks, project.PostgresMajor < OldestWithClone
                ? $"PostgreSQL {project.PostgresMajor} cannot make a database of shared extents" : $"the server of {Branch} was built without the copying of shared extents", $"That is there from PostgreSQL {OldestWithClone} on. Use file-copy; or make a whole branch, which shares its extents with any version: dotnet pgd branch create {Branch.Project}/NAME"),
            DatabaseStrategy.WalLog when project.PostgresMajor < OldestWithStrategy => throw new PgdException(ExitCode.MachineLacks, $"PostgreSQL {project.PostgresMajor} copies a database file by file alone", $"The choice is there from PostgreSQL {OldestWithStrategy} on. Leave it out."),
            var asked => asked,
        };
    }

    // The server would refuse both as well, and in words about an option that nobody gave.
    private void RefuseWhatACopyCannotHave(CancellationToken cancellationToken)
    {
        var name = Literal(request.Template.Database);
        if (request.Encoding is { } encoding && connection.Query($"select pg_encoding_to_char(encoding)::text from pg_database where datname = {name} and encoding <> pg_char_to_encoding({Literal(encoding)})", cancellationToken) is [[var theirs]])
            throw new PgdException(ExitCode.Misuse, $"a copy of {request.Template} cannot have the encoding {encoding}: the text in it is stored as {theirs}", "Leave out --encoding; a dump can be restored into a database of another one.");
        if (request.Locale is { } locale && connection.Query($"select datcollate::text || case when datctype = datcollate then '' else ' and ' || datctype end from pg_database where datname = {name} and (datcollate <> {Literal(locale)} or datctype <> {Literal(locale)}){Icu(locale)}", cancellationToken) is [[var sorted]])
            throw new PgdException(ExitCode.Misuse, $"a copy of {request.Template} cannot have the locale {locale}: its indexes are sorted by {sorted}", "Leave out --locale; a dump can be restored into a database of another one.");
    }

    // Where ICU sorts, its locale is the one that is meant as well.
    private string Icu(string locale) => project.PostgresMajor >= 15 ? $" and coalesce({(project.PostgresMajor >= 17 ? "datlocale" : "daticulocale")}, '') <> {Literal(locale)}" : "";

    private async Task CreateAsync(TemplateDatabase template, DatabaseStrategy strategy, CancellationToken cancellationToken)
    {
        if (project.PostgresMajor >= OldestWithClone)
            connection.Execute($"set file_copy_method = {(strategy == DatabaseStrategy.Clone ? "clone" : "copy")}", cancellationToken);
        if (request.Role is { } role)
            connection.Execute($"set role {Quote(role)}", cancellationToken);
        var how = project.PostgresMajor < OldestWithStrategy ? "" : strategy == DatabaseStrategy.WalLog ? " strategy = wal_log" : " strategy = file_copy";
        var owner = request.Owner ?? (request.Role is null ? template.Owner : null);
        await connection.ExecuteAsync(
            $"create database {Quote(Half)} template = {Quote(request.Template.Database)}{how}{(owner is null ? "" : $" owner = {Quote(owner)}")}{(request.Tablespace is null ? "" : $" tablespace = {Quote(request.Tablespace)}")}"
            + string.Create(CultureInfo.InvariantCulture, $" connection limit = {request.ConnectionLimit ?? -1} is_template = false allow_connections = false"), cancellationToken).ConfigureAwait(false);
        if (request.Role is not null)
            connection.Execute("reset role", cancellationToken);
    }

    /// <summary>What PostgreSQL leaves behind, the mark, and last the name.</summary>
    private void Finish(TemplateDatabase template)
    {
        foreach (var row in connection.Query($"select coalesce(r.rolname::text, ''), unnest(s.setconfig) from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole where s.setdatabase = {template.Oid}", CancellationToken.None))
        {
            var (name, value) = (row[1]![..row[1]!.IndexOf('=', StringComparison.Ordinal)], row[1]![(row[1]!.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            var setting = string.Join('.', name.Split('.').Select(Quote));
            try
            {
                var whose = row[0]!.Length == 0 ? $"alter database {Quote(Half)}" : $"alter role {Quote(row[0]!)} in database {Quote(Half)}";
                // Not all from the session: a role that is set there would be who alters.
                connection.Execute(Lists.Contains(name) ? $"begin; select set_config({Literal(name)}, {Literal(value)}, true); {whose} set {setting} from current; commit" : $"{whose} set {setting} to {Literal(value)}", CancellationToken.None);
            }
            catch (PostgresException e)
            {
                if (Lists.Contains(name))
                    connection.Execute("rollback", CancellationToken.None);
                workspace.Reporter.Warn($"the setting {name} of {request.Template.Database} is not one of {request.Name}: {e.MessageText}");
            }
        }

        var grants = connection.Query(
            $"""
            select case when a.grantee = 0 then 'public' else quote_ident(g.rolname) end, a.privilege_type, a.is_grantable::text
              from pg_database d, aclexplode(d.datacl) a left join pg_roles g on g.oid = a.grantee
             where d.oid = {template.Oid} and d.datacl is not null and (a.grantee = 0 or g.rolname is not null) and a.grantee <> d.datdba
            """, CancellationToken.None);
        if (grants.Count > 0 || connection.Scalar($"select 1::text from pg_database where oid = {template.Oid} and datacl is not null", CancellationToken.None) is not null)
        {
            connection.Execute($"revoke all on database {Quote(Half)} from public", CancellationToken.None);
            foreach (var grant in grants)
                connection.Execute($"grant {grant[1]} on database {Quote(Half)} to {grant[0]}{(grant[2] == "true" ? " with grant option" : "")}", CancellationToken.None);
        }

        // All at once: under its name it is what was asked for.
        connection.Execute($"begin; alter database {Quote(Half)} is_template {request.IsTemplate} allow_connections {request.AllowConnections}; comment on database {Quote(Half)} is {Literal(Mark + request.Template.Database)}; "
            + $"alter database {Quote(Half)} rename to {Quote(request.Name)}; commit", CancellationToken.None);
    }

    private void TakeBack()
    {
        try
        {
            connection.Execute("rollback", CancellationToken.None);
            connection.Execute("reset role", CancellationToken.None);
            connection.Execute($"drop database if exists {Quote(Half)}", CancellationToken.None);
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
        {
            // A server that ended cannot be asked, over a connection that it broke: the next copy finds it by its name.
            workspace.Reporter.Warn($"half a copy is left in {Branch}, and goes with the next one: {e.Message}");
        }
    }

    // Whoever is at one has its lock.
    private void RemoveHalfMade(CancellationToken cancellationToken)
    {
        foreach (var row in connection.Query($"select datname::text from pg_database d where {IsHalf}", cancellationToken))
        {
            using var held = row[0] == Half ? null : workspace.Locks.TryAcquire(LockRequest.DatabaseOf(Branch, row[0]![HalfPrefix.Length..]));
            if (held is null && row[0] != Half)
                continue;
            try
            {
                connection.Execute($"drop database if exists {Quote(row[0]!)}", cancellationToken);
            }
            catch (PostgresException e) when (row[0] != Half)
            {
                workspace.Reporter.Warn($"half a copy, {row[0]}, is left in {Branch}: {e.MessageText}");
            }
        }
    }

    private IStorage Storage => workspace.Storages.Named(project.Storage);

    private (long Bytes, long SharedBytes)? SharedBytes(long? savedBefore, CancellationToken cancellationToken)
    {
        var folder = connection.Scalar($"select (case when dattablespace = 1663 then 'base/' || oid else null end)::text from pg_database where datname = {Literal(request.Name)}", cancellationToken);
        if (folder is null)
            return null;
        var path = Path.Combine(server.RequireVolume().Data, folder);
        // As far as nobody else copies at the same time; compressed, as the bytes on the disk are.
        return savedBefore is { } before && Storage.SavedByCopies() is { } now && SharedExtents.Allocated(path) is var allocated ? (allocated, Math.Clamp(now - before, 0, allocated)) : SharedExtents.Of(path);
    }

    private PgdException? Explained(PostgresException e, TemplateDatabase template) => e.SqlState switch
    {
        PostgresErrorCodes.ObjectInUse => new(ExitCode.Unsafe, $"{request.Template} is in use: {Use(connection, request.Template.Database)}",
            $"Nobody may be connected to a template. Make one of it by branching its server: dotnet pgd branch create {Branch.Project}/NAME{(Branch.IsMain ? "" : $" --from {Branch.Branch}")}; dotnet pgd database branch {Branch.Project}/NAME:{request.Template.Database} {request.Name}", e),
        PostgresErrorCodes.InsufficientPrivilege when e.MessageText.Contains("create database", StringComparison.Ordinal) => new(ExitCode.Unsafe, $"the role {request.Role} may not create databases in {Branch}",
            $"Give it the right: alter role {Quote(request.Role ?? "")} createdb. Or leave out --role.", e),
        PostgresErrorCodes.InsufficientPrivilege when e.MessageText.Contains("copy database", StringComparison.Ordinal) => new(ExitCode.Unsafe, $"the role {request.Role} may not copy {request.Template}, which belongs to {template.Owner}",
            $"Make it everybody's template: alter database {Quote(request.Template.Database)} is_template true. Or leave out --role.", e),
        PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.InvalidParameterValue => new(e.SqlState is PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidParameterValue ? ExitCode.NotFound : ExitCode.Unsafe, $"{request.Template} could not be copied: {e.MessageText}", e.Hint, e),
        PostgresErrorCodes.DiskFull => new(ExitCode.NoRoom, $"there is no room for a copy of {request.Template}, which has {Measured.Size(template.Bytes)}", $"Delete what nobody needs: dotnet pgd database list {Branch}", e),
        _ => null,
    };

    private static string Quote(string name) => AdminConnection.QuoteIdentifier(name);

    private static string Literal(string text) => AdminConnection.QuoteLiteral(text);

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>The database that is copied.</summary>
    private sealed record TemplateDatabase(string Oid, string Owner, long Bytes);
}
