using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>Executes what pg_dump wrote: statements in their order, some of them in one transaction, and what builds an index side by side.</summary>
/// <param name="target">The database.</param>
/// <param name="application">What its server knows the sessions by.</param>
/// <param name="jobs">How many sessions there may be.</param>
/// <param name="journal">What is done already; null where nothing is.</param>
/// <param name="reporter">Hears what could not be done and does not matter.</param>
internal sealed partial class DefinitionScript(ConnectionUrl target, string application, int jobs, CopyJournal? journal, IReporter reporter)
{
    // Each has the locks of all that it makes, and a server has some thousands of them.
    private const int Together = 50;
    private const string Before = "before", After = "after";

    /// <summary>Executes them one after another.</summary>
    public async Task ExecuteAsync(ScriptConnection connection, string definitions, CancellationToken cancellationToken)
    {
        foreach (var some in Batches(Steps(Before, definitions)))
            await BatchAsync(connection, some, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same; of what stands together, indexes are built side by side.</summary>
    public async Task BuildAsync(ScriptConnection connection, string definitions, CancellationToken cancellationToken)
    {
        var steps = Steps(After, definitions);
        var settings = steps.TakeWhile(step => step.IsSetting).Select(step => step.Statement.Text).ToList();
        for (var i = 0; i < steps.Count;)
        {
            var builds = steps.Skip(i).TakeWhile(step => BuildsIndex().IsMatch(step.Statement.Text)).ToList();
            if (builds.Count < 2)
            {
                var others = steps.Skip(i).TakeWhile((step, at) => at == 0 || !BuildsIndex().IsMatch(step.Statement.Text)).ToList();
                foreach (var some in Batches(others))
                    await BatchAsync(connection, some, cancellationToken).ConfigureAwait(false);
                i += others.Count;
                continue;
            }

            i += builds.Count;
            builds.RemoveAll(IsDone);
            var (queue, deadlocked) = (new ConcurrentQueue<Step>(builds), new ConcurrentQueue<Step>());
            await Parallel.ForEachAsync(Enumerable.Range(0, Math.Min(jobs, builds.Count)), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, jobs), CancellationToken = cancellationToken }, async (_, token) =>
            {
                var worker = await LogicalRestore.ConnectAsync(target, application, token).ConfigureAwait(false);
                await using var __ = worker.ConfigureAwait(false);
                await worker.ExecuteAsync(settings, token).ConfigureAwait(false);
                while (queue.TryDequeue(out var build))
                {
                    try
                    {
                        await BatchAsync(worker, [build], token).ConfigureAwait(false);
                    }
                    catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DeadlockDetected)
                    {
                        // A partitioned table and its parts lock each other; alone it gets through.
                        deadlocked.Enqueue(build);
                    }
                }
            }).ConfigureAwait(false);
            foreach (var build in deadlocked)
                await BatchAsync(connection, [build], cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Takes back that some of them were done, in the transaction that is open.</summary>
    public static async Task ForgetAsync(ScriptConnection transaction, CopyJournal journal, string definitions, Func<SqlStatement, bool> which, CancellationToken cancellationToken)
    {
        foreach (var step in Steps(After, definitions).Where(step => which(step.Statement) && journal.IsDone(step.Key)))
            await journal.ForgetAsync(transaction, step.Key, cancellationToken).ConfigureAwait(false);
    }

    private bool IsDone(Step step) => journal?.IsDone(step.Key) ?? false;

    private static List<Step> Steps(string section, string definitions)
    {
        // The same text may come twice.
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        return [.. SqlScript.Split(definitions).Select(statement =>
        {
            var digest = XxHash128.HashToUInt128(Encoding.UTF8.GetBytes(statement.Text)).ToString("x32", CultureInfo.InvariantCulture);
            seen[digest] = seen.GetValueOrDefault(digest) + 1;
            return new Step(statement, string.Create(CultureInfo.InvariantCulture, $"{section} {digest}.{seen[digest]}"));
        })];
    }

    // What may be refused without harm is alone: a transaction ends with its first error. And what depends on whether a table is there is not together with what makes it.
    private IEnumerable<List<Step>> Batches(IEnumerable<Step> steps)
    {
        var some = new List<Step>();
        foreach (var step in steps.Where(step => step.IsSetting || !IsDone(step)))
        {
            if (some.Count == Together || (some.Count > 0 && (step.MayBeRefused || some[^1].MayBeRefused || step.IsAttaching != some[^1].IsAttaching)))
            {
                yield return some;
                some = [];
            }

            some.Add(step);
        }

        if (some.Count > 0)
            yield return some;
    }

    private async Task BatchAsync(ScriptConnection connection, List<Step> steps, CancellationToken cancellationToken)
    {
        try
        {
            var statements = new List<string> { "begin" };
            foreach (var step in steps)
            {
                if (await LogicalRestore.IsMeantAsync(connection, step.Statement, cancellationToken).ConfigureAwait(false))
                    statements.Add(step.Statement.Text);
            }

            // What the script set holds for the journal as well, and a search path of nothing is what it sets.
            await (journal?.CommitAsync(connection, statements, [.. steps.Where(step => !step.IsSetting).Select(step => step.Key)], cancellationToken) ?? connection.ExecuteAsync([.. statements, "commit"], cancellationToken)).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            await connection.QueryAsync("rollback", cancellationToken).ConfigureAwait(false);
            if (steps is not [{ MayBeRefused: true } only] || e.SqlState != PostgresErrorCodes.InsufficientPrivilege)
                throw;
            reporter.Warn($"{target.User} may not: {only.Statement.Short} ({e.MessageText})");
        }
    }

    [GeneratedRegex(@"^\s*(CREATE (UNIQUE )?INDEX |ALTER TABLE ONLY .+\s+ADD CONSTRAINT .+ (PRIMARY KEY|UNIQUE)\b)", RegexOptions.Singleline)]
    private static partial Regex BuildsIndex();

    private sealed record Step(SqlStatement Statement, string Key)
    {
        public bool IsSetting => Statement.Words is ["set", ..] || Statement.Text.StartsWith("SELECT pg_catalog.set_config(", StringComparison.Ordinal);

        public bool IsAttaching => LogicalRestore.IsAttaching(Statement);

        // Who is no superuser does not own what a service installed for him.
        public bool MayBeRefused => Statement.Words is ["comment", "on", "extension", ..];
    }
}
