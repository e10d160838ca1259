using System.Globalization;
using Npgsql;
using Pgd.Linux;
using Pgd.Migrations;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Runtime;
using Pgd.State;

namespace Pgd.Tracing;

/// <summary>Watches a database of a branch from <see cref="BeginAsync"/> to <see cref="EndAsync"/>, whatever runs in it meanwhile and however it connects.</summary>
/// <remarks>
/// The server is restarted at both ends: where its log goes, and what it tells there, is settled when it starts. Killed in between, it goes on telling until its next start, which takes
/// away what was told and the triggers.
/// </remarks>
internal sealed class Trace : IDisposable
{
    private readonly Workspace _workspace;
    private readonly BranchName _branch;
    private readonly string _database;
    private readonly Catalog _before;
    private readonly LockSampler _sampler;
    private readonly List<string> _gaps;
    private readonly bool _hasTriggers;

    private Trace(Workspace workspace, BranchName branch, string database, Catalog before, LockSampler sampler, List<string> gaps, bool hasTriggers) =>
        (_workspace, _branch, _database, _before, _sampler, _gaps, _hasTriggers) = (workspace, branch, database, before, sampler, gaps, hasTriggers);

    /// <exception cref="PgdException">The branch is not ours, is stopped, does not start, …</exception>
    public static async Task<Trace> BeginAsync(Workspace workspace, BranchName branch, string database, CancellationToken cancellationToken)
    {
        using var held = await workspace.Branches.LockAsync(branch, cancellationToken).ConfigureAwait(false);
        var (project, record) = Require(workspace, branch);
        var server = new BranchServer(workspace, project, record, record.Generation);
        if (!server.IsRunning())
            throw new PgdException(ExitCode.Failed, $"{branch} is stopped", $"Start it: dotnet pgd start {branch}");
        var undo = new Undo(workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        undo.Push($"start {branch} as it was", () => RestartAsync(server));
        IReadOnlyDictionary<string, string> plans;
        using (var asked = server.Connect(cancellationToken, database))
            plans = StatementPlan.Settings(asked, project.PostgresMajor, cancellationToken);
        await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        var volume = server.RequireVolume();
        TraceFolder.Make(volume, workspace.Runtimes.Named(project.Runtime), database);
        using (await server.StartAsync(open: true, listen: true, TraceSettings.Of(volume, project.PostgresMajor, plans), cancellationToken).ConfigureAwait(false))
        {
        }

        using var connection = AdminConnection.Open(server.Address, database, cancellationToken);
        var gaps = new List<string>();
        var failed = TraceTriggers.Set(connection, cancellationToken);
        if (failed is not null)
            gaps.Add($"event triggers could not be made, so locks that were held for an instant may be missing: {failed}");
        var before = Catalog.Read(connection, cancellationToken);
        var oid = uint.Parse(connection.Scalar("select oid::bigint::text from pg_database where datname = current_database()", cancellationToken)!, CultureInfo.InvariantCulture);
        var sampler = new LockSampler(server.Address, database == "postgres" ? "template1" : "postgres", oid);
        undo.Keep();
        Fault.Here("trace:begun");
        return new(workspace, branch, database, before, sampler, gaps, hasTriggers: failed is null);
    }

    /// <summary>Ends it, lets the server run as before, and tells what was seen.</summary>
    public async Task<MigrationTrace> EndAsync(SecretMask mask, CancellationToken cancellationToken)
    {
        var sampled = _sampler.Stop();
        _gaps.AddRange(_sampler.Interruptions.Select(i => $"the locks could not be watched for a moment: {i}"));
        using var held = await _workspace.Branches.LockAsync(_branch, cancellationToken).ConfigureAwait(false);
        var (project, record) = Require(_workspace, _branch);
        var server = new BranchServer(_workspace, project, record, record.Generation);
        var after = Look(server, cancellationToken);
        await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        var volume = server.RequireVolume();
        MigrationTrace trace;
        try
        {
            using Stream log = File.Exists(TraceFolder.Log(volume)) ? File.OpenRead(TraceFolder.Log(volume)) : Stream.Null;
            if (log == Stream.Null)
                _gaps.Add("the server was started anew meanwhile, and its statements are not known");
            trace = TraceReader.Read(_database, _before, after, ServerLogEntry.Read(log).Where(IsOfInterest), sampled, _sampler.Log, mask, _gaps);
        }
        finally
        {
            await RestartAsync(server).ConfigureAwait(false);
        }

        return trace;
    }

    /// <summary>Lets the server run as before; nobody wants to know what was seen.</summary>
    public async Task AbandonAsync(CancellationToken cancellationToken)
    {
        _sampler.Stop();
        using var held = await _workspace.Branches.LockAsync(_branch, cancellationToken).ConfigureAwait(false);
        var (project, record) = Require(_workspace, _branch);
        await RestartAsync(new BranchServer(_workspace, project, record, record.Generation)).ConfigureAwait(false);
    }

    public void Dispose() => _sampler.Dispose();

    // Through the unix socket comes nobody but us.
    private bool IsOfInterest(ServerLogEntry entry) => entry.Backend == "client backend" && entry.Database == _database && entry.From != "[local]";

    private Catalog Look(BranchServer server, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = AdminConnection.Open(server.Address, _database, cancellationToken);
            // What was left running may hold a lock that would have to be waited for.
            connection.Execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'", cancellationToken);
            if (_hasTriggers && !TraceTriggers.AreThere(connection, cancellationToken))
                _gaps.Add("the event triggers were dropped meanwhile, so locks that were held for an instant may be missing");
            return Catalog.Read(connection, cancellationToken);
        }
        catch (NpgsqlException e)
        {
            _gaps.Add($"what became of the tables could not be asked: {(e as PostgresException)?.MessageText ?? e.Message}");
            return _before;
        }
    }

    private static (ProjectRecord Project, BranchRecord Branch) Require(Workspace workspace, BranchName branch) =>
        branch.IsMain ? throw new PgdException(ExitCode.Unsafe, $"{branch} is no place to try a migration", $"Make a branch of it: dotnet pgd branch create {branch.Project}/NAME")
        : (workspace.State.RequireProject(branch.Project), workspace.Branches.RequireOwn(branch));

    private static async Task RestartAsync(BranchServer server)
    {
        await server.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
        await Branches.StartAgainAsync(server).ConfigureAwait(false);
    }
}
