using Npgsql;
using Pgd.Following;
using Pgd.Postgres;
using Pgd.Runtime;
using Pgd.State;

namespace Pgd;

/// <summary>
/// Databases inside the server of one branch, made by PostgreSQL itself from each other. Unlike branches they share a server: its write-ahead log, its roles, its memory.
/// </summary>
public sealed class Databases
{
    private readonly Workspace _workspace;

    internal Databases(Workspace workspace) => _workspace = workspace;

    /// <summary>Makes a database from another one of the same server, by <c>CREATE DATABASE … TEMPLATE</c>: with its settings and its privileges, which PostgreSQL itself leaves behind.</summary>
    /// <exception cref="PgdException">
    /// There is no such branch or database (<see cref="ExitCode.NotFound"/>), there is one of that name (<see cref="ExitCode.Exists"/>), somebody is connected to the template or the role may not
    /// (<see cref="ExitCode.Unsafe"/>), it should have what a copy cannot have (<see cref="ExitCode.Misuse"/>), or the server is too old for the strategy (<see cref="ExitCode.MachineLacks"/>).
    /// </exception>
    public Task<DatabaseBranched> BranchAsync(DatabaseBranch request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        DatabaseName.Check(request.Name);
        return OnServerAsync("database branch", request.Template.Branch, request.Name, (server, project, connection) =>
            new DatabaseCopy(_workspace, project, server, connection, request).RunAsync(cancellationToken), cancellationToken, request.Template.Database);
    }

    /// <summary>The databases of a branch's server, by name; without those that PostgreSQL makes all others from.</summary>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>), or it is stopped (<see cref="ExitCode.Failed"/>).</exception>
    public Task<IReadOnlyList<Database>> ListAsync(BranchName branch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branch);
        return Task.Run(() =>
        {
            try
            {
                var server = Server(branch).Server;
                using var connection = server.Connect(cancellationToken);
                return DatabaseCopy.List(connection, branch, cancellationToken);
            }
            catch (NpgsqlException e)
            {
                throw Unasked(branch, e);
            }
        }, cancellationToken);
    }

    /// <summary>Deletes a database that <see cref="BranchAsync"/> made. Returns false if there is none of that name and <paramref name="ifExists"/> says that this is fine.</summary>
    /// <param name="name">The database.</param>
    /// <param name="ifExists">Whether it is fine if there is none.</param>
    /// <param name="force">Whether those who are connected to it are thrown out.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">
    /// There is none (<see cref="ExitCode.NotFound"/>), it was made otherwise, or somebody is connected to it (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    public Task<bool> DeleteAsync(DatabaseName name, bool ifExists, bool force, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return OnServerAsync("database delete", name.Branch, name.Database, (_, project, connection) => Task.Run(() => Delete(project, connection, name, ifExists, force, cancellationToken), cancellationToken), cancellationToken);
    }

    private static bool Delete(ProjectRecord project, AdminConnection connection, DatabaseName name, bool ifExists, bool force, CancellationToken cancellationToken)
    {
        var there = DatabaseCopy.Find(connection, name, cancellationToken);
        if (there is null)
            return ifExists ? false : throw DatabaseCopy.Missing(connection, name, cancellationToken);
        if (there.Template is null)
        {
            throw new PgdException(ExitCode.Unsafe, $"{name} was not made by dotnet pgd database branch, and is not deleted by this either",
                $"If nobody needs it: dotnet pgd branch psql {name.Branch} -- -d postgres -c 'drop database {AdminConnection.QuoteIdentifier(name.Database)}'");
        }

        var quoted = AdminConnection.QuoteIdentifier(name.Database);
        try
        {
            if (there.IsTemplate)
                connection.Execute($"alter database {quoted} is_template false", cancellationToken);
            Drop(project, connection, name.Database, force, cancellationToken);
            return true;
        }
        catch (PostgresException e)
        {
            if (there.IsTemplate)
                connection.Execute($"alter database {quoted} is_template true", CancellationToken.None);
            throw e.SqlState == PostgresErrorCodes.ObjectInUse
                ? new PgdException(ExitCode.Unsafe, $"{name} is in use: {DatabaseCopy.Use(connection, name.Database)}", "End its sessions, or throw them out with --force.", e)
                : new PgdException(ExitCode.Failed, $"{name} could not be deleted: {e.MessageText}", e.Hint, e);
        }
    }

    /// <summary>Deletes a database, whoever made it and whoever is connected to it. Returns false if there is none of that name.</summary>
    /// <param name="name">The database.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>), or it is stopped (<see cref="ExitCode.Failed"/>).</exception>
    public Task<bool> DropAsync(DatabaseName name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return OnServerAsync("database drop", name.Branch, name.Database, (_, project, connection) => Task.Run(() =>
        {
            var there = connection.Scalar($"select 1::text from pg_database where datname = {AdminConnection.QuoteLiteral(name.Database)}", cancellationToken) is not null;
            if (there)
                Drop(project, connection, name.Database, force: true, cancellationToken);
            return there;
        }, cancellationToken), cancellationToken);
    }

    private static void Drop(ProjectRecord project, AdminConnection connection, string database, bool force, CancellationToken cancellationToken)
    {
        const int oldestWithForce = 13;
        if (force && project.PostgresMajor < oldestWithForce)
            connection.Execute($"select pg_terminate_backend(pid) from pg_stat_activity where datname = {AdminConnection.QuoteLiteral(database)} and pid <> pg_backend_pid()", cancellationToken);
        connection.Execute($"drop database if exists {AdminConnection.QuoteIdentifier(database)}{(force && project.PostgresMajor >= oldestWithForce ? " with (force)" : "")}", cancellationToken);
    }

    private Task<T> OnServerAsync<T>(string operation, BranchName branch, string database, Func<BranchServer, ProjectRecord, AdminConnection, Task<T>> work, CancellationToken cancellationToken, string? template = null) =>
        _workspace.Audit.RecordAsync(operation, $"{branch}:{database}", null, async () =>
        {
            Workspace.RequireLinux();
            _ = _workspace.State.RequireBranch(branch);
            // A reset would take the server away from under it; others may work with it.
            using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(branch.Project, exclusive: false), LockRequest.Branch(branch, exclusive: false), LockRequest.Database(branch, database)).ConfigureAwait(false);
            var (server, project) = Server(branch);
            if (server.IsFollower)
                throw Follower.ReadOnly(branch, project.Source!);
            try
            {
                // Not in what may be the template: whoever copies from that at the same time would find us there.
                using var connection = server.Connect(cancellationToken, template == "postgres" ? "template1" : "postgres");
                return await work(server, project, connection).ConfigureAwait(false);
            }
            catch (NpgsqlException e)
            {
                throw Unasked(branch, e);
            }
        });

    private static PgdException Unasked(BranchName branch, NpgsqlException e) => new(ExitCode.Failed, $"{branch} could not be asked: {(e as PostgresException)?.MessageText ?? e.Message}", $"Look at its log: dotnet pgd branch logs {branch}", e);

    private (BranchServer Server, ProjectRecord Project) Server(BranchName branch)
    {
        var project = _workspace.State.RequireProject(branch.Project);
        return (_workspace.Branches.RequireRunning(project, _workspace.Branches.RequireOwn(branch)), project);
    }
}
