using System.Globalization;
using Npgsql;
using Pgd.State;

namespace Pgd.Migrations;

/// <summary>One run of migration files: what is to run is decided, and checked, before anything runs.</summary>
internal sealed class FilesRun(MigrationFiles files, IAppliedFiles applied, TimeProvider clock)
{
    private readonly SecretMask mask = new(files.Connection.SecretForms());

    public async Task<MigrationRun> RunAsync(CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var ledger = files.Ledger is null ? null : Ledger.Parse(files.Ledger);
        var found = SqlFile.Find(files.WorkingDirectory, files.Pattern);
        await using var session = await Session.OpenAsync(files.Connection, notice: null, cancellationToken);
        try
        {
            await MigrationLock.TakeAsync(session, files.Output, clock, cancellationToken);
            var ledgerExists = ledger is not null && await ledger.ExistsAsync(session, cancellationToken);
            // Before the first file runs: a reset meanwhile must not be taken for the same data.
            var since = ledger is null ? await applied.ReadAsync(files.Branch, cancellationToken) : null;
            var (pending, already) = ledger is null
                ? ByPullRequest(found, since!.Files)
                : ByLedger(found, ledgerExists ? await ledger.ReadAsync(session, cancellationToken) : []);
            var scripts = pending.ConvertAll(file => (file, file.Parse()));
            if (ledger is not null && !ledgerExists)
                await ledger.CreateAsync(session, cancellationToken);
            var (done, error) = await RunAsync(scripts, ledger, since, cancellationToken);
            return new MigrationRun { Duration = clock.GetElapsedTime(start), Files = done, AlreadyApplied = already, Error = error };
        }
        catch (NpgsqlException exception)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new PgdException(ExitCode.Failed, $"migrations on {files.Branch} could not be prepared: {mask.Apply(exception.Message)}", inner: exception);
        }
    }

    /// <summary>Runs some files and nothing else: no ledger, and no record of what ran.</summary>
    public async Task<MigrationRun> RunOnlyAsync(IEnumerable<string> paths, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var root = Path.GetFullPath(files.WorkingDirectory);
        var (done, error) = await RunAsync([.. paths.Select(path => SqlFile.Read(root, path)).Select(file => (file, file.Parse()))], ledger: null, since: null, cancellationToken);
        return new() { Duration = clock.GetElapsedTime(start), Files = done, Error = error };
    }

    private async Task<(List<MigrationFile> Done, MigrationError? Error)> RunAsync(
        List<(SqlFile File, SqlScript Script)> scripts, Ledger? ledger, Applied? since, CancellationToken cancellationToken)
    {
        var done = new List<MigrationFile>();
        foreach (var (file, script) in scripts)
        {
            var (result, error) = await new FileRun(file, script, files.Connection, mask, files.Output, clock).RunAsync(ledger, cancellationToken);
            done.Add(result);
            if (error is not null)
            {
                files.Output($"{file.Path}: failed{(error.Line is { } line ? $" in line {line}" : "")}: {error.Message}");
                return (done, error);
            }

            // On its own clock: the file is committed, and must not run again because somebody pressed Ctrl-C now.
            if (since is not null)
                await applied.AppendAsync(files.Branch, since, new AppliedMigration(file.Path, file.Sha256), CancellationToken.None);
            files.Output(string.Create(CultureInfo.InvariantCulture, $"{file.Path}: {result.Statements} {(result.Statements == 1 ? "statement" : "statements")}, {result.Duration.TotalMilliseconds:0} ms"));
        }

        return (done, null);
    }

    private (List<SqlFile> Pending, int Already) ByLedger(IReadOnlyList<SqlFile> found, Dictionary<string, string> recorded)
    {
        foreach (var file in found)
        {
            if (recorded.TryGetValue(file.Path, out var sha256) && !sha256.Equals(file.Sha256, StringComparison.OrdinalIgnoreCase))
            {
                throw new PgdException(ExitCode.Misuse, $"{file.Path} was applied earlier and has changed since: {files.Ledger} recorded other content",
                    "Restore the file, and put the change into a new one.");
            }
        }

        var pending = found.Where(file => !recorded.ContainsKey(file.Path)).ToList();
        return (pending, found.Count - pending.Count);
    }

    private (List<SqlFile> Pending, int Already) ByPullRequest(IReadOnlyList<SqlFile> found, IReadOnlyList<AppliedMigration> ran)
    {
        var modified = files.Modified.Select(SqlFile.Normalize).ToHashSet(StringComparer.Ordinal);
        if (found.FirstOrDefault(file => modified.Contains(file.Path)) is { } changed)
        {
            throw new PgdException(ExitCode.Misuse, $"{changed.Path} is changed by this pull request, and has already been applied elsewhere",
                "Restore the file, and put the change into a new one.");
        }

        var added = files.Added?.Select(SqlFile.Normalize).ToHashSet(StringComparer.Ordinal);
        var recorded = ran.GroupBy(file => file.Path, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Last().Sha256, StringComparer.Ordinal);
        var pending = new List<SqlFile>();
        var already = 0;
        foreach (var file in found.Where(file => added?.Contains(file.Path) != false))
        {
            if (!recorded.TryGetValue(file.Path, out var sha256))
                pending.Add(file);
            else if (sha256.Equals(file.Sha256, StringComparison.OrdinalIgnoreCase))
                already++;
            else
                throw new PgdException(ExitCode.Misuse, $"{file.Path} has changed since it ran on {files.Branch}",
                    $"Reset the branch (on-push: reset, or dotnet pgd branch reset {files.Branch}): the new content then runs on the parent's state.");
        }

        return (pending, already);
    }
}
