using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Schema;
using Pgd.State;

namespace Pgd.Migrations;

/// <summary>
/// A branch on which is tried what must not touch the one that it is made from: the way back, and a second time, where that has been migrated, so that the first run need not be repeated; or a whole
/// migration of which only the findings are wanted.
/// </summary>
internal sealed class SecondBranch : IAsyncDisposable
{
    // Whoever was killed cannot delete it.
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(1);

    // The statistics of a session that has ended: older servers send them on, and write them down twice a second.
    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(1.2);

    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(3);

    private const string OtherSessions = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'";
    private const string Others = $"select count(*)::text {OtherSessions}", EndOthers = $"select pg_terminate_backend(pid) {OtherSessions}";

    private readonly Workspace _workspace;
    private readonly BranchName _name;
    private readonly ConnectionUrl _connection;
    private readonly BranchServer _server;
    private readonly int _major;
    private readonly Ledger? _ledger;

    private SecondBranch(Workspace workspace, BranchName name, ConnectionUrl connection, BranchServer server, int major, Ledger? ledger) =>
        (_workspace, _name, _connection, _server, _major, _ledger) = (workspace, name, connection, server, major, ledger);

    /// <summary>The label by which one is known; its value is the id of the branch that it was made from.</summary>
    public const string Label = "pgd.rehearsal";

    /// <param name="workspace">The engine.</param>
    /// <param name="first">The branch to make it from.</param>
    /// <param name="database">The database; null for the only one.</param>
    /// <param name="role">The role; null for the database's owner.</param>
    /// <param name="ledger">Our own table of which files ran, which is no part of a migration.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<SecondBranch> CreateAsync(Workspace workspace, BranchName first, string? database, string? role, Ledger? ledger, CancellationToken cancellationToken)
    {
        var (project, record) = (workspace.State.RequireProject(first.Project), workspace.State.RequireBranch(first));
        var name = BranchName.Of(first.Project, $"rehearsal-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        await workspace.Branches.CreateAsync(new()
        {
            Name = name,
            From = first.Branch,
            TimeToLive = Lifetime,
            Roles = role is null ? null : [role],
            Labels = new Dictionary<string, string> { [Label] = record.Id },
        }, cancellationToken).ConfigureAwait(false);
        Fault.Here("rehearsal:second");
        try
        {
            var own = await workspace.Branches.ConnectAsync(name, database, role, cancellationToken).ConfigureAwait(false);
            var made = workspace.State.RequireBranch(name);
            return new(workspace, name, own, new(workspace, project, made, made.Generation), project.PostgresMajor, ledger);
        }
        catch
        {
            await workspace.Branches.DeleteAsync(name, ifExists: true, withSnapshots: true, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    public BranchName Name => _name;

    public ConnectionUrl Connection => _connection;

    /// <summary>Those that were left by a rehearsal that was killed.</summary>
    public static IEnumerable<BranchName> LeftOf(Workspace workspace, BranchName first) =>
        workspace.State.FindBranch(first) is { } record ? [.. workspace.State.Branches(first.Project).Where(b => b.Labels.GetValueOrDefault(Label) == record.Id).Select(b => b.FullName)] : [];

    /// <summary>Runs a command a second time.</summary>
    /// <param name="run">What runs it.</param>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<RerunCheck> RerunAsync(Func<MigrationCommand, Task<MigrationRun>> run, MigrationCommand command, CancellationToken cancellationToken)
    {
        command.Output($"The same again, on {_name}:");
        await EndSessionsAsync(cancellationToken).ConfigureAwait(false);
        var (schema, written) = (Schema(cancellationToken), Written(cancellationToken));
        var again = await run(Here(command)).ConfigureAwait(false);
        await EndSessionsAsync(cancellationToken).ConfigureAwait(false);
        var now = Written(cancellationToken);
        return new()
        {
            Run = again,
            Schema = Compare(schema, Schema(cancellationToken)),
            Written = [.. now.Select(t => new WrittenTable(t.Key, t.Value - written.GetValueOrDefault(t.Key))).Where(t => t.Rows > 0).OrderBy(t => t.Name, StringComparer.Ordinal)],
        };
    }

    /// <summary>Takes a migration back, and runs it again.</summary>
    /// <param name="before">The schema before it ran at all.</param>
    /// <param name="down">What takes it back.</param>
    /// <param name="up">What runs it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<RollbackCheck> TakeBackAsync(IReadOnlyList<SchemaObject> before, Func<Task<MigrationRun>> down, Func<Task<MigrationRun>> up, CancellationToken cancellationToken)
    {
        var first = Schema(cancellationToken);
        var check = new RollbackCheck { Down = await down().ConfigureAwait(false) };
        if (!check.Down.Succeeded)
            return check;
        await EndSessionsAsync(cancellationToken).ConfigureAwait(false);
        check = check with { Left = Compare(before, Schema(cancellationToken)), Again = await up().ConfigureAwait(false) };
        await EndSessionsAsync(cancellationToken).ConfigureAwait(false);
        return check with { Different = Compare(first, Schema(cancellationToken)) };
    }

    // Our own table is no part of the migration: it is made where it is missing, and nothing takes it back.
    private SchemaDiff Compare(IReadOnlyList<SchemaObject> old, IReadOnlyList<SchemaObject> now) =>
        SchemaDiff.Of(_name, _name, _connection.Database, [.. old.Where(o => _ledger?.Is(o) != true)], [.. now.Where(o => _ledger?.Is(o) != true)]);

    public MigrationCommand Here(MigrationCommand command) => command with { Branch = _name, Connection = _connection };

    public MigrationFiles Here(MigrationFiles files) => files with { Branch = _name, Connection = _connection };

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _workspace.Branches.DeleteAsync(_name, ifExists: true, withSnapshots: true, CancellationToken.None).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            _workspace.Reporter.Warn($"{_name} was to be deleted and is still there: {e.Message}");
        }
    }

    public static IReadOnlyList<SchemaObject> Schema(BranchServer server, BranchName name, string database, int major, CancellationToken cancellationToken)
    {
        using var connection = server.Connect(cancellationToken, database);
        return SchemaReader.Read(connection, name, major, privileges: false, cancellationToken);
    }

    private IReadOnlyList<SchemaObject> Schema(CancellationToken cancellationToken) => Schema(_server, _name, _connection.Database, _major, cancellationToken);

    /// <summary>What a session wrote counts when it has ended, which may be a moment after its program did; and what it has left open is in the way of whoever reads the schema.</summary>
    private async Task EndSessionsAsync(CancellationToken cancellationToken)
    {
        using var connection = _server.Connect(cancellationToken, _connection.Database);
        for (var wait = Stopwatch.StartNew(); connection.Scalar(Others, cancellationToken) != "0" && wait.Elapsed < LongestEnd * 2;)
        {
            if (wait.Elapsed > LongestEnd)
                connection.Execute(EndOthers, cancellationToken);
            await Task.Delay(20, cancellationToken).ConfigureAwait(false);
        }

        if (_major < 15)
            await Task.Delay(StatisticsDelay, cancellationToken).ConfigureAwait(false);
    }

    // Tools keep their lock in a table, which they write each time.
    private Dictionary<string, long> Written(CancellationToken cancellationToken)
    {
        using var connection = _server.Connect(cancellationToken, _connection.Database);
        return connection.Query("select format('%I.%I', schemaname, relname), (n_tup_ins + n_tup_upd + n_tup_del)::text from pg_stat_user_tables where relname !~* '(^|_)locks?$' and relname !~ 'Locks?$'", cancellationToken)
            .ToDictionary(r => r[0]!, r => long.Parse(r[1]!, CultureInfo.InvariantCulture), StringComparer.Ordinal);
    }
}
