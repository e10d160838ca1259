using System.Globalization;
using Npgsql;
using Pgd.Lint;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Migrations;

/// <summary>One rehearsal: the migration runs, is watched, and what it left is compared.</summary>
internal sealed class RehearsalRun(Workspace workspace, Migrations migrations, Rehearsal rehearsal)
{
    // The COMMIT of a file is told where more than a disk took its time: constraints and triggers that were put off until then.
    private static readonly TimeSpan WorthTelling = TimeSpan.FromMilliseconds(100);

    private readonly SecretMask _mask = new(rehearsal.Connection.SecretForms());

    public async Task<MigrationReport> RunAsync(CancellationToken cancellationToken)
    {
        rehearsal.Budget.Check();
        var before = ReadSchema(cancellationToken);
        using var trace = await Trace.BeginAsync(workspace, rehearsal.Branch, rehearsal.Connection.Database, cancellationToken).ConfigureAwait(false);
        MigrationRun run;
        try
        {
            run = await RunWatchedAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (e is not OperationCanceledException || !rehearsal.IsDeletedWhenCanceled)
                await AbandonAsync(trace).ConfigureAwait(false);
            throw;
        }

        var traced = Placed(await trace.EndAsync(_mask, CancellationToken.None).ConfigureAwait(false), run);
        var findings = Findings.Of(traced);
        (traced, findings) = await SecondOpinionAsync(run, traced, findings, cancellationToken).ConfigureAwait(false);
        var (rollback, rerun) = run.Succeeded ? await TryAgainAsync(run, before, cancellationToken).ConfigureAwait(false) : (null, null);
        return new()
        {
            Branch = rehearsal.Branch,
            Run = run,
            Trace = traced,
            Findings = findings,
            Rollback = rollback,
            Rerun = rerun,
            Exceeded = rehearsal.Budget.Exceeded(traced, findings),
            Schema = await CompareAsync(cancellationToken).ConfigureAwait(false),
        };
    }

    private Task<MigrationRun> RunWatchedAsync(CancellationToken cancellationToken) =>
        UntilDeadlineAsync(limit => rehearsal.Command is { } command ? migrations.RunCommandAsync(command, limit) : migrations.RunFilesAsync(rehearsal.Files!, limit), cancellationToken);

    private async Task<(MigrationTrace, IReadOnlyList<LintFinding>)> SecondOpinionAsync(MigrationRun run, MigrationTrace traced, IReadOnlyList<LintFinding> findings, CancellationToken cancellationToken)
    {
        var (folder, files) = rehearsal.Files is { } sql ? (sql.WorkingDirectory, run.Files.ToLookup(f => f.Transaction, f => f.Path))
            : (rehearsal.Command!.WorkingDirectory ?? ".", rehearsal.Sources.Where(s => !SqlFile.IsDown(s) && File.Exists(Path.Combine(rehearsal.Command.WorkingDirectory ?? ".", s))).ToLookup(_ => false));
        if (files.Count == 0 || Squawk.Find() is not { } squawk)
            return (traced, findings);
        try
        {
            var more = new List<LintFinding>();
            foreach (var group in files)
                more.AddRange(await Squawk.FindAsync(squawk, Path.GetFullPath(folder), [.. group], group.Key, workspace.State.RequireProject(rehearsal.Branch.Project).PostgresMajor, traced, findings, cancellationToken).ConfigureAwait(false));
            return (traced, [.. findings, .. more.OrderBy(f => f.Statement).ThenBy(f => f.Line)]);
        }
        catch (PgdException e)
        {
            return (traced with { Gaps = [.. traced.Gaps, e.Message] }, findings);
        }
    }

    /// <summary>On branches of their own: the way back, where there is one, and the same once more, where that was asked for.</summary>
    private async Task<(RollbackCheck?, RerunCheck?)> TryAgainAsync(MigrationRun run, IReadOnlyList<SchemaObject>? before, CancellationToken cancellationToken)
    {
        List<string> up = [.. run.Files.Select(f => f.Path)];
        List<string?> down = rehearsal.Files is { } files ? [.. up.Select(path => SqlFile.Down(files.WorkingDirectory, path))] : [];
        RollbackCheck? rollback = null;
        if (before is not null && down.Any(d => d is not null) && down.Contains(null))
            rollback = new() { Missing = [.. up.Where((_, i) => down[i] is null)] };
        else if (before is not null && (rehearsal.Down is not null || down.Count > 0))
        {
            rollback = await OnSecondBranchAsync(second => second.TakeBackAsync(before, () => RunThereAsync(second, rehearsal.Down ?? "", ((IEnumerable<string?>)down).Reverse()!), () => RunThereAsync(second, rehearsal.Command?.Script ?? "", up), cancellationToken),
                problem => new() { Problem = problem }, cancellationToken).ConfigureAwait(false);
        }

        var rerun = rehearsal is not { Rerun: true, Command: { } again } ? null : await OnSecondBranchAsync(
            second => second.RerunAsync(command => UntilDeadlineAsync(limit => migrations.RunCommandAsync(command, limit), cancellationToken), again, cancellationToken), problem => new RerunCheck { Problem = problem }, cancellationToken).ConfigureAwait(false);
        return (rollback, rerun);

        Task<MigrationRun> RunThereAsync(SecondBranch second, string script, IEnumerable<string> paths) => UntilDeadlineAsync(
            limit => rehearsal.Command is { } command ? migrations.RunCommandAsync(second.Here(command) with { Script = script }, limit) : migrations.RunOnlyAsync(second.Here(rehearsal.Files!), paths, limit), cancellationToken);
    }

    // What the migration itself did is known by now, and is told whatever happens there.
    private async Task<T> OnSecondBranchAsync<T>(Func<SecondBranch, Task<T>> work, Func<string, T> problem, CancellationToken cancellationToken)
    {
        try
        {
            var second = await SecondBranch.CreateAsync(workspace, rehearsal.Branch, rehearsal.Connection.Database, rehearsal.Connection.User, rehearsal.Files?.Ledger is { } ledger ? Ledger.Parse(ledger) : null, cancellationToken).ConfigureAwait(false);
            await using var _ = second.ConfigureAwait(false);
            return await work(second).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException or NpgsqlException)
        {
            return problem(_mask.Apply((e as PostgresException)?.MessageText ?? e.Message));
        }
    }

    private async Task AbandonAsync(Trace trace)
    {
        try
        {
            await trace.AbandonAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            workspace.Reporter.Warn($"{rehearsal.Branch} is not as it was: {e.Message}");
        }
    }

    // Before our own triggers are in it.
    private IReadOnlyList<SchemaObject>? ReadSchema(CancellationToken cancellationToken)
    {
        if (!rehearsal.TriesWayBack || (rehearsal.Down is null && !(rehearsal.Files is { } files && SqlFile.Find(files.WorkingDirectory, files.Pattern).Any(f => SqlFile.Down(files.WorkingDirectory, f.Path) is not null))))
            return null;
        var (project, record) = (workspace.State.RequireProject(rehearsal.Branch.Project), workspace.Branches.RequireOwn(rehearsal.Branch));
        return SecondBranch.Schema(workspace.Branches.RequireRunning(project, record), rehearsal.Branch, rehearsal.Connection.Database, project.PostgresMajor, cancellationToken);
    }

    private async Task<MigrationRun> UntilDeadlineAsync(Func<CancellationToken, Task<MigrationRun>> work, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (rehearsal.Deadline is { Ticks: > 0 } most)
            deadline.CancelAfter(most);
        try
        {
            return await work(deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new() { Duration = rehearsal.Deadline!.Value, Error = new() { Message = string.Create(CultureInfo.InvariantCulture, $"The migration had not ended after {rehearsal.Deadline.Value.TotalSeconds:0.###} s, and was interrupted") } };
        }
    }

    private async Task<SchemaDiff?> CompareAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await workspace.Branches.DiffAsync(new() { Name = rehearsal.Branch, Database = rehearsal.Connection.Database }, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            workspace.Reporter.Warn($"the schema was not compared with the parent's: {e.Message}");
            return null;
        }
    }

    /// <summary>Says of each statement where it stands in its file, and leaves out what is ours: the lock against a second run, the ledger, the begin and end of each file.</summary>
    private MigrationTrace Placed(MigrationTrace trace, MigrationRun run)
    {
        var places = Sources(run).SelectMany(source => source.Statements.Select(s => (source.File, Statement: s))).ToList();
        var (kept, next) = (new List<TracedStatement>(), 0);
        foreach (var statement in trace.Statements)
        {
            if (Find(statement) is var found and >= 0)
            {
                next = found + 1;
                var count = statement.Parts.Count;
                kept.Add(statement with { File = places[found].File, Line = places[found].Statement.Line, Parts = [.. places.Slice(found, count).Select(p => p.Statement)] });
            }
            else if (rehearsal.Files is null || statement.Application != Session.Application || (statement.Text == "COMMIT" && statement.Duration >= WorthTelling))
                kept.Add(statement);
        }

        return trace.With(kept);

        // From the last place on, and from the top again: another program's order need not be that of the names.
        int Find(TracedStatement statement) => statement.Parts.Count == 0 ? -1
            : FindFrom(next, places.Count, statement.Parts) is var later and >= 0 ? later
            : rehearsal.Files is null ? FindFrom(0, next, statement.Parts) : -1;

        int FindFrom(int from, int to, IReadOnlyList<SqlStatement> parts)
        {
            for (var at = from; at + parts.Count <= to; at++)
            {
                if (parts.Select((p, i) => p.Text == places[at + i].Statement.Text).All(same => same))
                    return at;
            }

            return -1;
        }
    }

    private List<(string File, IReadOnlyList<SqlStatement> Statements)> Sources(MigrationRun run)
    {
        var (root, sources) = (Path.GetFullPath(rehearsal.Files?.WorkingDirectory ?? rehearsal.Command!.WorkingDirectory ?? "."), new List<(string, IReadOnlyList<SqlStatement>)>());
        // Of a run that was interrupted it is not known which files began.
        IEnumerable<string> paths = rehearsal.Files is not { } files ? rehearsal.Sources.Select(SqlFile.Normalize).Distinct(StringComparer.Ordinal).Order(NaturalOrder.Instance)
            : run.Files.Count > 0 ? run.Files.Select(f => f.Path)
            : SqlFile.Find(files.WorkingDirectory, files.Pattern).Select(f => f.Path).Where(path => files.Added is null || files.Ledger is not null || files.Added.Select(SqlFile.Normalize).Contains(path));
        foreach (var path in paths)
        {
            try
            {
                sources.Add((path, SqlFile.Read(root, path).Split()));
            }
            catch (PgdException)
            {
                // Another program's files need not be SQL alone.
            }
        }

        return sources;
    }
}
