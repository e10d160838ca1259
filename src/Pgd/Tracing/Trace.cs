using System.Globalization;
using Npgsql;
using Pgd.Migrations;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Runtime;
using Pgd.State;

namespace Pgd.Tracing;

/// <summary>Watches a database of a branch from <see cref="BeginAsync"/> to <see cref="EndAsync"/>, whatever runs in it meanwhile and however it connects.</summary>
/// <remarks>
/// The server is restarted at both ends: where its log goes, and what it tells there, is settled when it starts. Killed in between, it goes on telling until its next start, which removes
/// what was told.
/// </remarks>
internal sealed class Trace : IDisposable
{
    private readonly Workspace _workspace;
    private readonly BranchName _branch;
    private readonly string _database;
    private readonly Catalog _before;
    private readonly LockSampler _sampler;
    private readonly List<string> _gaps;
    private bool _isTold;

    private Trace(Workspace workspace, BranchName branch, string database, Catalog before, LockSampler sampler, List<string> gaps) =>
        (_workspace, _branch, _database, _before, _sampler, _gaps) = (workspace, branch, database, before, sampler, gaps);

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
        await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        var volume = server.RequireVolume();
        TraceSettings.Remove(volume);
        workspace.Runtimes.Named(project.Runtime).PrepareSocketFolder(TraceSettings.Folder(volume), volume);
        using (await server.StartAsync(open: true, listen: true, TraceSettings.Of(volume, project.PostgresMajor), cancellationToken).ConfigureAwait(false))
        {
        }

        using var connection = AdminConnection.Open(server.Address, database, cancellationToken);
        var gaps = new List<string>();
        if (TraceTriggers.Set(connection, cancellationToken) is { } failed)
            gaps.Add($"event triggers could not be made, so locks that were held for an instant may be missing: {failed}");
        var before = Catalog.Read(connection, cancellationToken);
        var oid = uint.Parse(connection.Scalar("select oid::bigint::text from pg_database where datname = current_database()", cancellationToken)!, CultureInfo.InvariantCulture);
        var sampler = new LockSampler(server.Address, database == "postgres" ? "template1" : "postgres", oid);
        undo.Keep();
        return new(workspace, branch, database, before, sampler, gaps) { _isTold = gaps.Count == 0 };
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
            using var log = File.OpenRead(TraceSettings.Log(volume));
            trace = TraceReader.Read(_database, _before, after, ServerLogEntry.Read(log).Where(IsOfInterest), sampled, _sampler.Log, mask, _gaps);
        }
        finally
        {
            await RestartAsync(server).ConfigureAwait(false);
        }

        return trace;
    }

    public void Dispose() => _sampler.Dispose();

    private bool IsOfInterest(ServerLogEntry entry) => entry.Backend == "client backend" && entry.Database == _database && entry.Application != "pgd";

    private Catalog Look(BranchServer server, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = AdminConnection.Open(server.Address, _database, cancellationToken);
            if (_isTold && !TraceTriggers.AreThere(connection, cancellationToken))
                _gaps.Add("the event triggers were dropped meanwhile, so locks that were held for an instant may be missing");
            _ = TraceTriggers.Clear(connection, cancellationToken);
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

    // Its start removes what it has told.
    private static async Task RestartAsync(BranchServer server)
    {
        await server.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
        await Branches.StartAgainAsync(server).ConfigureAwait(false);
    }
}
