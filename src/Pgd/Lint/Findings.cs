using Pgd.Migrations;
using Pgd.Tracing;

namespace Pgd.Lint;

/// <summary>Holds what was seen of a migration against the rules. What was seen decides; the words only tell one cause from another.</summary>
internal sealed class Findings
{
    private readonly MigrationTrace _trace;
    private readonly List<LintFinding> _found = [];

    private Findings(MigrationTrace trace) => _trace = trace;

    /// <summary>What is found, in the order of the statements.</summary>
    public static IReadOnlyList<LintFinding> Of(MigrationTrace trace)
    {
        var findings = new Findings(trace);
        foreach (var statement in trace.Statements.Where(s => s.Error is null))
            findings.Look(statement);
        findings.LookAtTransactions();
        foreach (var index in trace.InvalidIndexes)
            findings.Add(Rule.InvalidIndexLeft, null, $"{index} is left invalid");
        foreach (var constraint in trace.UnvalidatedConstraints)
            findings.Add(Rule.ConstraintNotValidated, null, $"{constraint} is left unvalidated");
        return [.. findings._found.OrderBy(f => f.Statement == 0).ThenBy(f => f.Statement)];
    }

    private void Look(TracedStatement statement)
    {
        if (statement.Relations.Count == 0)
            return;
        foreach (var part in statement.Parts)
        {
            var subcommands = Subcommand.Of(part.Text);
            switch (subcommands[0].Words)
            {
                case ["alter", "table" or "foreign", ..]:
                    foreach (var subcommand in subcommands)
                        LookAtAlterTable(statement, subcommand);
                    break;
                case ["create", "index", ..] or ["create", "unique", "index", ..] when !subcommands[0].Has("concurrently"):
                    Add(Rule.IndexNotConcurrent, statement, $"an index is built while {Table(statement)} cannot be written to");
                    break;
                case ["drop", "index", ..] when !subcommands[0].Has("concurrently"):
                    Add(Rule.DropIndexNotConcurrent, statement, $"an index of {Table(statement)} is dropped while it is in use");
                    break;
                case ["reindex", ..] when !part.Text.Contains("concurrently", StringComparison.OrdinalIgnoreCase):
                    Add(Rule.ReindexNotConcurrent, statement, $"indexes of {Table(statement)} are built while it cannot be written to");
                    break;
                case ["refresh", ..] when !subcommands[0].Has("concurrently"):
                    Add(Rule.RefreshNotConcurrent, statement, $"{Table(statement)} cannot be read while it is filled");
                    break;
                case ["drop", "table", ..]:
                    Add(Rule.DropTable, statement, $"{Table(statement)} is dropped");
                    break;
                case ["truncate", ..]:
                    Add(Rule.Truncate, statement, $"{Table(statement)} is emptied");
                    break;
                case ["vacuum", ..] when subcommands[0].Has("full") || part.Text.Contains("(full", StringComparison.OrdinalIgnoreCase):
                    Add(Rule.VacuumFull, statement, $"{Table(statement)} is written anew");
                    break;
            }
        }

        foreach (var rewrite in statement.Rewrites.Where(r => r.Kind == RelationKind.Table))
        {
            if (statement.Parts.Any(p => p.Words is ["truncate" or "vacuum", ..]))
                continue;
            var reason = statement.Notes.Where(n => n.Event == "table_rewrite").Aggregate(0, (all, n) => all | n.Reason);
            // A sum of 1 (persistence), 2 (default), 4 (type), 8 (access method).
            Add((reason & 4) != 0 ? Rule.TypeChange : (reason & 2) != 0 ? Rule.VolatileDefault : Rule.TableRewrite, statement, $"{rewrite.Relation} is written anew");
        }
    }

    private void LookAtAlterTable(TracedStatement statement, Subcommand change)
    {
        var isNotValid = change.Has("not", "valid");
        if (change.Has("set", "not", "null"))
            Add(Rule.SetNotNull, statement, $"every row of {Table(statement)} is looked at");
        // A constraint with its own name, or a column that comes with one.
        if (change.Words.Contains("add") && !isNotValid)
        {
            if (change.Words.Contains("references"))
                Add(Rule.ForeignKeyValidates, statement, $"every row of {Table(statement)} is looked up in another table");
            else if (change.Words.Contains("check"))
                Add(Rule.CheckValidates, statement, $"every row of {Table(statement)} is looked at");
            else if ((change.Words.Contains("unique") || change.Has("primary", "key")) && !change.Has("using", "index"))
                Add(Rule.UniqueConstraint, statement, $"an index is built while {Table(statement)} cannot be used");
        }

        if (Drops(change.Words))
            Add(Rule.DropColumn, statement, $"a column of {Table(statement)} is dropped");
        if (change.Words.Contains("rename") && !change.Has("rename", "constraint"))
            Add(Rule.Rename, statement, change.Has("rename", "to") ? $"{Table(statement)} gets another name" : $"a column of {Table(statement)} gets another name");
    }

    // DROP [COLUMN] [IF EXISTS] name; not DROP CONSTRAINT, nor ALTER COLUMN c DROP DEFAULT | NOT NULL | EXPRESSION | IDENTITY.
    private static bool Drops(IReadOnlyList<string> words)
    {
        var at = words.ToList().IndexOf("drop");
        return at >= 0 && at + 1 < words.Count && words[at + 1] != "constraint" && !(words.Take(at).Skip(1).Contains("alter") && words[at + 1] is "default" or "not" or "expression" or "identity");
    }

    private void LookAtTransactions()
    {
        foreach (var transaction in _trace.Statements.GroupBy(s => s.Transaction))
        {
            var heavy = _trace.Locks.Where(l => l.Transaction == transaction.Key && l.HoldsUp && IsTable(l)).ToList();
            if (heavy.Count > 0 && Of(heavy[0]) is var first && (first.LockTimeout is { } timeout ? timeout == TimeSpan.Zero : !SetsLockTimeout(transaction, first)))
                Add(Rule.MissingLockTimeout, first, $"it waits for {heavy[0].Relation} for as long as that takes");
            if (heavy.Count > 1)
                Add(Rule.ManyHeavyLocks, Of(heavy[^1]), $"{string.Join(", ", heavy.Select(l => l.Relation))} are locked together");
            if (transaction.Count(s => s.Parts.Any(p => p.Control == TransactionControl.None)) > 1)
            {
                foreach (var statement in transaction.Where(s => s.Parts.Any(p => p.Words is ["alter", "type", ..] && Subcommand.Of(p.Text)[0].Has("add", "value"))))
                    Add(Rule.EnumInTransaction, statement, "a value is added to an enumeration beside other statements");
            }

            TracedStatement Of(TracedLock held) => transaction.FirstOrDefault(s => s.Number == held.Statement) ?? transaction.First();
        }
    }

    private static bool IsTable(TracedLock held) => held.Kind is RelationKind.Table or RelationKind.MaterializedView;

    private static bool SetsLockTimeout(IEnumerable<TracedStatement> transaction, TracedStatement before) =>
        transaction.TakeWhile(s => s != before).Any(s => s.Parts.Any(p => p.Words is ["set", ..] && p.Text.Contains("lock_timeout", StringComparison.OrdinalIgnoreCase)));

    private string Table(TracedStatement statement) =>
        statement.Relations.FirstOrDefault(r => _trace.Locks.Any(l => l.Relation == r && IsTable(l))) ?? statement.Relations[0];

    private void Add(Rule rule, TracedStatement? statement, string message)
    {
        if (_found.Any(f => f.Rule == rule.Id && f.Statement == (statement?.Number ?? 0) && f.Message == message))
            return;
        _found.Add(new()
        {
            Rule = rule.Id,
            Level = rule.Level,
            Message = message,
            Why = rule.Why,
            Instead = rule.Instead,
            Statement = statement?.Number ?? 0,
            File = statement?.File,
            Line = statement?.Line,
            WaivedBecause = statement?.Parts.SelectMany(p => p.Waivers).FirstOrDefault(w => w.Rule == rule.Id)?.Reason,
        });
    }
}
