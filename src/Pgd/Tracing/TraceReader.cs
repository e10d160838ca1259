using System.Globalization;
using Pgd.Migrations;

namespace Pgd.Tracing;

/// <summary>Puts together what was seen from three sides: the server's log, the locks as they were looked at, and the catalogs before and after.</summary>
internal sealed class TraceReader
{
    // The log cuts its times off after the millisecond.
    private const long LogPrecision = 1000;

    private readonly string _database;
    private readonly Catalog _before;
    private readonly Catalog _after;
    private readonly IReadOnlyList<(long At, long Lsn)> _log;
    private readonly IReadOnlyList<SampledLock> _sampled;
    private readonly SecretMask _mask;
    private readonly List<Part> _parts;
    private readonly Dictionary<uint, uint> _files;
    private readonly List<Span> _spans = [];
    private ILookup<int, Span> _ofProcess = Array.Empty<Span>().ToLookup(_ => 0);
    private readonly List<List<uint>> _rewritten = [];
    private ILookup<int, uint> _taken = Array.Empty<uint>().ToLookup(_ => 0);
    private ILookup<Span, uint> _held = Array.Empty<uint>().ToLookup(_ => (Span)null!);

    private TraceReader(string database, Catalog before, Catalog after, IEnumerable<ExecutedStatement> executed, IReadOnlyList<SampledLock> sampled, IReadOnlyList<(long, long)> log, SecretMask mask)
    {
        (_database, _before, _after, _sampled, _log, _mask) = (database, before, after, sampled, log, mask);
        _files = before.Relations.Values.ToDictionary(r => r.Oid, r => r.File);
        _parts = [.. executed.OrderBy(e => e.End).SelectMany(Part.Of)];
    }

    public static MigrationTrace Read(
        string database, Catalog before, Catalog after, IEnumerable<ServerLogEntry> entries, IReadOnlyList<SampledLock> sampled, IReadOnlyList<(long, long)> log, SecretMask mask, IReadOnlyList<string> gaps) =>
        new TraceReader(database, before, after, ExecutedStatement.Read(entries), sampled, log, mask).Read(gaps);

    private MigrationTrace Read(IReadOnlyList<string> gaps)
    {
        FindTransactions();
        var start = _parts.Count > 0 ? _parts.Min(p => p.Start) : _log.Count > 0 ? _log[0].At : 0;
        foreach (var part in _parts)
            _rewritten.Add(FindRewritten(part));
        // VACUUM FULL of all tables, TRUNCATE … CASCADE.
        if (_parts.FindLastIndex(p => p.Failure is null && RewritesUnseen(p)) is var rest and >= 0)
            _rewritten[rest].AddRange(_after.Relations.Values.Where(IsUnexplained).Select(r => r.Oid));
        var locks = FindLocks(start);
        var statements = _parts.Select((part, i) => Statement(part, i + 1, start)).ToList();
        var (indexes, constraints) = (_after.Relations.Values.Where(r => !r.IsValid && (!_before.Relations.TryGetValue(r.Oid, out var was) || was.IsValid)), _after.Unvalidated.Except(_before.Unvalidated, StringComparer.Ordinal));
        return new()
        {
            Database = _database,
            StartedAt = DateTimeOffset.UnixEpoch.AddMicroseconds(start),
            Duration = Time(_parts.Count > 0 ? _parts.Max(p => p.End) - start : 0),
            Statements = statements,
            Locks = locks,
            Tables = Tables(),
            InvalidIndexes = [.. indexes.Select(r => r.Name).Order(StringComparer.Ordinal)],
            UnvalidatedConstraints = [.. constraints],
            WalBytes = Math.Max(0, _after.Lsn - _before.Lsn),
            Gaps = [.. gaps, .. _parts.SelectMany(p => p.Notes).Select(n => n.Error).OfType<string>().Distinct(StringComparer.Ordinal).Select(e => $"an event trigger could not tell all of it: {_mask.Apply(e)}")],
            LongestUnwatched = Time(LongestUnwatched()),
        };
    }

    // A statement outside of a transaction is one of its own; COMMIT's entry is written when the transaction is over already.
    private void FindTransactions()
    {
        var open = new Dictionary<string, Span>(StringComparer.Ordinal);
        for (var i = 0; i < _parts.Count; i++)
        {
            var (part, executed) = (_parts[i], _parts[i].Executed);
            var going = open.GetValueOrDefault(executed.Session);
            if (going is not null && executed.Transaction is { } named && going.Name is { } name && named != name)
            {
                open.Remove(executed.Session);
                going = null;
            }

            if (going is null)
            {
                going = new(_spans.Count + 1, executed.Process, part.Start);
                _spans.Add(going);
            }

            going.Name ??= executed.Transaction;
            (part.Transaction, going.End) = (going, part.End);
            going.Parts.Add(i);
            going.IsExplicit |= executed.LeavesTransactionOpen;
            // One that was begun stays open after a failure, until it is rolled back.
            if (executed.LeavesTransactionOpen || (executed.Failure is not null && going.IsExplicit) || !part.IsLast)
                open[executed.Session] = going;
            else
                open.Remove(executed.Session);
        }
    }

    private List<TracedLock> FindLocks(long start)
    {
        var found = new Dictionary<(Span Transaction, uint Relation, LockMode Mode), (int Statement, long From, long To, long Waited)>();
        for (var i = 0; i < _parts.Count; i++)
        {
            var part = _parts[i];
            foreach (var note in part.Notes)
            {
                // What is held when a command begins was taken by one before it.
                var taker = note is { Event: "ddl_command_start", IsNested: false } && part.Transaction.Before(i) is { } earlier ? earlier : i;
                foreach (var noted in note.Locks)
                {
                    if (LockModes.Parse(noted.Mode) is { } mode)
                        found.TryAdd((part.Transaction, noted.Relation, mode), (taker + 1, _parts[taker].Start, part.Transaction.End, 0));
                }
            }
        }

        var sampled = new HashSet<(Span, uint, LockMode)>();
        _ofProcess = _spans.ToLookup(s => s.Process);
        foreach (var seen in _sampled.Where(s => s.Granted > 0))
        {
            if (TransactionOf(seen) is not { } transaction)
                continue;
            var key = (transaction, seen.Key.Relation, seen.Key.Mode);
            var statement = Taker(transaction, seen) + 1;
            // Between two looks: where the statement began, unless it had to wait.
            var from = seen.WaitingSince is not null ? (seen.GrantedAfter + seen.Granted) / 2
                : Math.Clamp(statement > 0 ? Math.Max(_parts[statement - 1].Start, seen.StatementStart) : seen.StatementStart, seen.GrantedAfter, Math.Max(seen.GrantedAfter, seen.Granted));
            var to = seen.Gone == 0 ? Math.Max(seen.LastSeen, transaction.End) : Math.Clamp(transaction.End, seen.LastSeen, Math.Max(seen.LastSeen, seen.Gone));
            var waited = seen.WaitingSince is { } since ? Math.Max(0, from - since) : 0;
            // A command such as CREATE INDEX CONCURRENTLY is several transactions to the server.
            found[key] = !sampled.Add(key) && found.TryGetValue(key, out var other) ? (other.Statement, Math.Min(other.From, from), Math.Max(other.To, to), other.Waited + waited)
                : (found.GetValueOrDefault(key).Statement is var noted and > 0 ? noted : statement, from, to, waited);
        }

        // What was written anew in less time than passes between two looks was locked all the same.
        for (var i = 0; i < _parts.Count; i++)
        {
            foreach (var relation in _rewritten[i])
                found.TryAdd((_parts[i].Transaction, relation, LockMode.AccessExclusive), (i + 1, _parts[i].Start, _parts[i].Transaction.End, 0));
        }

        _taken = found.ToLookup(f => f.Value.Statement, f => f.Key.Relation);
        _held = found.Keys.Select(k => (k.Transaction, k.Relation)).Distinct().ToLookup(k => k.Transaction, k => k.Relation);
        return [.. from one in found
                   where _before.Relations.TryGetValue(one.Key.Item2, out var known) && known.Kind is not null
                   group one by (one.Key.Item1, one.Key.Item2) into ofRelation
                   let strongest = ofRelation.MaxBy(l => l.Key.Item3)
                   let relation = _before.Relations[ofRelation.Key.Item2]
                   orderby strongest.Value.From, relation.Name
                   select new TracedLock
                   {
                       Relation = relation.Name,
                       Kind = relation.Kind!.Value,
                       Mode = strongest.Key.Item3,
                       Transaction = strongest.Key.Item1.Number,
                       Statement = strongest.Value.Statement,
                       Start = Time(strongest.Value.From - start),
                       Held = Time(Math.Max(0, strongest.Value.To - strongest.Value.From)),
                       Waited = Time(strongest.Value.Waited),
                   }];
    }

    // Several may have run between two looks: the one that names the table, or the first that can lock one.
    private int Taker(Span transaction, SampledLock seen)
    {
        return transaction.Parts.Where(i => _parts[i].Start <= seen.Granted && _parts[i].End + LogPrecision >= seen.GrantedAfter && !_parts[i].IsControl)
            .OrderByDescending(i => Naming(_parts[i], seen.Key.Relation)).Select(i => (int?)i).FirstOrDefault() ?? -1;
    }

    // How surely a statement is about a table, or an index by its own name or its table's: 2 with the schema, 1 without, 0 if it names neither.
    private int Naming(Part part, uint oid)
    {
        if (!_before.Relations.TryGetValue(oid, out var relation))
            return 0;
        Relation[] named = _before.Relations.TryGetValue(relation.Table, out var table) ? [relation, table] : [relation];
        return named.Any(r => part.Text.Contains(r.Name, StringComparison.OrdinalIgnoreCase)) ? 2 : named.Any(r => part.Text.Contains(r.BareName, StringComparison.OrdinalIgnoreCase)) ? 1 : 0;
    }

    private Span? TransactionOf(SampledLock seen) =>
        _ofProcess[seen.Key.Process].FirstOrDefault(s => s.Name == seen.Key.Transaction)
        // The log does not name the transaction of a statement that stood alone, nor every one of a command that has several: it is told by its time.
        ?? _ofProcess[seen.Key.Process].Where(s => s.Start <= seen.LastSeen && s.End >= seen.Before).MaxBy(s => Math.Min(s.End, seen.LastSeen) - Math.Max(s.Start, seen.Before));

    private TracedStatement Statement(Part part, int number, long start)
    {
        var (first, last) = (part.Notes.FirstOrDefault(n => n.Lsn > 0), part.Notes.LastOrDefault(n => n.Lsn > 0));
        // What was told from inside the session comes from the very begin and end of the command.
        var isExact = first is { Event: "ddl_command_start", IsNested: false } && last is { Event: "ddl_command_end", IsNested: false };
        var plan = StatementPlan.Of(part.Plans, part.Statements);
        return new()
        {
            Number = number,
            Text = _mask.Apply(StatementText.Shown(part.Text)),
            Process = part.Executed.Process,
            Application = part.Executed.Application,
            Transaction = part.Transaction.Number,
            Start = Time(part.Start - start),
            Duration = Time(part.End - part.Start),
            Rewrites = Rewrites(number - 1),
            Rows = plan?.Rows,
            WalBytes = Math.Max(0, isExact ? last!.Lsn - first!.Lsn : plan?.WalBytes ?? LsnAt(part.End) - LsnAt(part.Start)),
            WalIsApproximate = !isExact && plan?.WalBytes is null,
            TemporaryBytes = part.IsLast ? part.Executed.TemporaryBytes : 0,
            LockTimeout = part.Notes.FirstOrDefault(n => n.LockTimeout is not null)?.LockTimeout is { } timeout ? Timeout(timeout) : null,
            Error = part.Failure is { } failure ? Error(failure) : null,
            Relations = [.. Touched(part, number).Order(StringComparer.Ordinal)],
            Notes = part.Notes,
            Parts = part.Statements,
        };
    }

    private IEnumerable<string> Touched(Part part, int number) =>
        _taken[number].Concat(_held[part.Transaction].Where(relation => Naming(part, relation) > 0)).Distinct()
            .Select(oid => _before.Relations.GetValueOrDefault(oid)).Where(r => r?.Kind is not null).Select(r => r!.Name).Distinct(StringComparer.Ordinal);

    private List<uint> FindRewritten(Part part)
    {
        var rewritten = new List<uint>();
        if (part.Failure is not null)
            return rewritten;
        foreach (var noted in part.Notes.Where(n => n.Event == "ddl_command_end").SelectMany(n => n.Locks))
        {
            if (noted.File != 0 && _files.TryGetValue(noted.Relation, out var known) && known != noted.File)
            {
                _files[noted.Relation] = noted.File;
                rewritten.Add(noted.Relation);
            }
        }

        // What no event trigger is told of: TRUNCATE, VACUUM FULL, CLUSTER, REINDEX, REFRESH. Whoever has the file in the end made it.
        if (part.Notes.All(n => n.Event != "ddl_command_end") && RewritesUnseen(part))
        {
            foreach (var relation in _after.Relations.Values)
            {
                if (IsUnexplained(relation) && LockedBy(part, relation.Oid))
                {
                    _files[relation.Oid] = relation.File;
                    rewritten.Add(relation.Oid);
                }
            }
        }

        return rewritten;
    }

    // One that was rolled back has its old file again.
    private bool IsUnexplained(Relation relation) => _files.TryGetValue(relation.Oid, out var known) && relation.File != known && relation.File != _before.Relations[relation.Oid].File;

    private Rewrite[] Rewrites(int part) =>
        [.. _rewritten[part].Select(oid => _before.Relations[oid]).Where(r => r.Kind is not null).OrderBy(r => r.Kind).ThenBy(r => r.Name, StringComparer.Ordinal)
            .Select(r => new Rewrite(r.Name, r.Kind!.Value, _after.Relations.TryGetValue(r.Oid, out var now) ? _after.Size(now) : r.Bytes))];

    private static bool RewritesUnseen(Part part) => part.Statements.Any(s => s.Words is ["truncate" or "vacuum" or "cluster" or "reindex" or "refresh", ..]);

    // One that was too quick to be seen names what it writes anew.
    private bool LockedBy(Part part, uint oid)
    {
        if (_sampled.Any(s => s.Key.Relation == oid && s.Key.Mode == LockMode.AccessExclusive))
            return _sampled.Any(s => s.Key.Relation == oid && s.Key.Process == part.Executed.Process && s.Key.Mode == LockMode.AccessExclusive && s.Before <= part.End && s.LastSeen >= part.Start);
        var naming = Naming(part, oid);
        return naming > 0 && _parts.All(p => naming == 2 || !RewritesUnseen(p) || Naming(p, oid) <= naming);
    }

    private List<TracedTable> Tables()
    {
        var tables = new List<TracedTable>();
        foreach (var oid in _before.Relations.Keys.Union(_after.Relations.Keys))
        {
            var (was, now) = (_before.Relations.GetValueOrDefault(oid), _after.Relations.GetValueOrDefault(oid));
            if ((now ?? was)!.Letter is not ('r' or 'm'))
                continue;
            var (before, after) = (was is null ? (long?)null : _before.TotalSize(was), now is null ? (long?)null : _after.TotalSize(now));
            if (before != after || now?.File != was?.File)
                tables.Add(new((now ?? was)!.Name, before, after, now is { Rows: >= 0 } ? now.Rows : null, Math.Max(0, (now?.DeadRows ?? 0) - (was?.DeadRows ?? 0))));
        }

        return [.. tables.OrderBy(t => t.Name, StringComparer.Ordinal)];
    }

    private long LsnAt(long time)
    {
        if (_log.Count == 0)
            return 0;
        var (low, high) = (0, _log.Count - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_log[middle].At < time)
                low = middle + 1;
            else
                high = middle;
        }

        return low > 0 && time - _log[low - 1].At < _log[low].At - time ? _log[low - 1].Lsn : _log[low].Lsn;
    }

    private long LongestUnwatched()
    {
        var longest = 0L;
        for (var i = 1; i < _log.Count; i++)
            longest = Math.Max(longest, _log[i].At - _log[i - 1].At);
        return longest;
    }

    private MigrationError Error(ServerLogEntry entry) => new()
    {
        Message = _mask.Apply(entry.Message),
        SqlState = entry.SqlState,
        Detail = entry.Detail is null ? null : _mask.Apply(entry.Detail),
        Hint = entry.Hint is null ? null : _mask.Apply(entry.Hint),
    };

    private static TimeSpan Time(long microseconds) => TimeSpan.FromMicroseconds(microseconds);

    // The server shows it in the largest unit that fits.
    internal static TimeSpan? Timeout(string shown)
    {
        var digits = shown.AsSpan().IndexOfAnyExceptInRange('0', '9') is var end and >= 0 ? end : shown.Length;
        return long.TryParse(shown.AsSpan(0, digits), CultureInfo.InvariantCulture, out var number) ? shown.AsSpan(digits) switch
        {
            "" or "ms" => TimeSpan.FromMilliseconds(number),
            "s" => TimeSpan.FromSeconds(number),
            "min" => TimeSpan.FromMinutes(number),
            "h" => TimeSpan.FromHours(number),
            "d" => TimeSpan.FromDays(number),
            _ => null,
        } : null;
    }

    /// <summary>A transaction of a session.</summary>
    private sealed class Span(int number, int process, long start)
    {
        public int Number { get; } = number;

        public int Process { get; } = process;

        public string? Name { get; set; }

        public bool IsExplicit { get; set; }

        public long Start { get; } = start;

        public long End { get; set; } = start;

        /// <summary>Its statements, by their places among all.</summary>
        public List<int> Parts { get; } = [];

        /// <summary>The statement before that one; null for the first.</summary>
        public int? Before(int part) => Parts.BinarySearch(part) is var place and > 0 ? Parts[place - 1] : null;
    }

    /// <summary>A statement, or several between which nothing was told that would part them.</summary>
    private sealed class Part
    {
        public required ExecutedStatement Executed { get; init; }

        public required string Text { get; init; }

        public required IReadOnlyList<SqlStatement> Statements { get; init; }

        public required long Start { get; init; }

        public required long End { get; init; }

        public required IReadOnlyList<TraceNote> Notes { get; init; }

        public required IReadOnlyList<StatementPlan> Plans { get; init; }

        /// <summary>Whether it is the last of what was sent together.</summary>
        public required bool IsLast { get; init; }

        public ServerLogEntry? Failure => IsLast ? Executed.Failure : null;

        public Span Transaction { get; set; } = null!;

        /// <summary>Whether it only begins, ends or sets something.</summary>
        public bool IsControl => Statements.Count > 0 && Statements.All(s => s.Control != TransactionControl.None || s.Words is ["set" or "reset" or "show" or "savepoint" or "release", ..]);

        public static IEnumerable<Part> Of(ExecutedStatement executed)
        {
            IReadOnlyList<SqlStatement> statements;
            try
            {
                statements = SqlScript.Split(executed.Text);
            }
            catch (PgdException)
            {
                // What failed for its syntax may not even end.
                statements = [];
            }

            var groups = statements.Count > 1 ? Groups(statements, executed.Notes) : [];
            if (groups.Count <= 1)
            {
                yield return new() { Executed = executed, Text = statements.Count == 1 ? statements[0].Text : executed.Text, Statements = statements, Start = executed.Start, End = executed.End, Notes = executed.Notes, Plans = executed.Plans, IsLast = true };
                yield break;
            }

            var (start, told) = (executed.Start, 0);
            for (var i = 0; i < groups.Count; i++)
            {
                // Up to where the next one says that it begins, or where its own note says that it ended.
                var isLast = i == groups.Count - 1;
                var end = isLast ? executed.End : groups[i + 1].Notes.FirstOrDefault(n => n.At > 0)?.At ?? groups[i].Notes.LastOrDefault(n => n.At > 0)?.At ?? start;
                end = Math.Clamp(end, start, Math.Max(start, executed.End));
                // The first that had not ended when it was told.
                var plans = executed.Plans.Skip(told).TakeWhile(p => isLast || p.At <= end).ToList();
                told += plans.Count;
                yield return new() { Executed = executed, Plans = plans, Text = string.Join(";\n", groups[i].Statements.Select(s => s.Text)), Statements = groups[i].Statements, Start = start, End = end, Notes = groups[i].Notes, IsLast = isLast };
                start = end;
            }
        }

        // Each command that changes the schema begins with a note of its own. What stands between two of them is not told apart.
        private static List<(List<SqlStatement> Statements, List<TraceNote> Notes)> Groups(IReadOnlyList<SqlStatement> statements, IReadOnlyList<TraceNote> notes)
        {
            var (groups, at, hasEnded) = (new List<(List<SqlStatement> Statements, List<TraceNote> Notes)>(), 0, true);
            foreach (var note in notes)
            {
                if (hasEnded && at < statements.Count)
                {
                    // A command inside a function or block belongs to what calls that, which is no command of this kind itself.
                    var found = note.IsNested ? at : Enumerable.Range(at, statements.Count - at).FirstOrDefault(i => StatementTag.Fits(statements[i], note.Tag), at);
                    if (found > at)
                        groups.Add(([.. statements.Skip(at).Take(found - at)], []));
                    groups.Add(([statements[found]], []));
                    (at, hasEnded) = (found + 1, false);
                }

                groups[^1].Notes.Add(note);
                hasEnded = !note.IsNested && note.Event == "ddl_command_end";
            }

            if (at < statements.Count)
                groups.Add(([.. statements.Skip(at)], []));
            return groups;
        }
    }
}
