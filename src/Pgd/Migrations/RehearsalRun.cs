using System.Globalization;
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
        using var trace = await Trace.BeginAsync(workspace, rehearsal.Branch, rehearsal.Connection.Database, cancellationToken).ConfigureAwait(false);
        MigrationRun run;
        MigrationTrace traced;
        try
        {
            run = await RunWatchedAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // However it ended, its server is to be as it was.
            traced = await trace.EndAsync(_mask, CancellationToken.None).ConfigureAwait(false);
        }

        if (rehearsal.Files is { } files)
            traced = Placed(traced, files);
        var findings = Findings.Of(traced);
        return new()
        {
            Branch = rehearsal.Branch,
            Run = run,
            Trace = traced,
            Findings = findings,
            Exceeded = rehearsal.Budget.Exceeded(traced, findings),
            Schema = await CompareAsync(cancellationToken).ConfigureAwait(false),
        };
    }

    private async Task<MigrationRun> RunWatchedAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (rehearsal.Deadline is { } most)
            deadline.CancelAfter(most);
        try
        {
            return rehearsal.Command is { } command ? await migrations.RunCommandAsync(command, deadline.Token).ConfigureAwait(false)
                : await migrations.RunFilesAsync(rehearsal.Files!, deadline.Token).ConfigureAwait(false);
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
    private static MigrationTrace Placed(MigrationTrace trace, MigrationFiles files)
    {
        // All of them: of a run that was interrupted it is not known which ones began.
        var places = SqlFile.Find(files.WorkingDirectory, files.Pattern).SelectMany(file => file.Parse().Statements.Select(s => (File: file.Path, Statement: s, Shown: StatementText.Shown(s.Text)))).ToList();
        var (kept, next) = (new List<TracedStatement>(), 0);
        foreach (var statement in trace.Statements)
        {
            if (statement.Application != Session.Application)
                kept.Add(statement);
            else if (places.FindIndex(next, p => p.Shown == statement.Text) is var found and >= 0)
            {
                next = found + 1;
                kept.Add(statement with { File = places[found].File, Line = places[found].Statement.Line, Parts = [places[found].Statement] });
            }
            else if (statement.Text == "COMMIT" && statement.Duration >= WorthTelling)
                kept.Add(statement);
        }

        return trace.With(kept);
    }
}
