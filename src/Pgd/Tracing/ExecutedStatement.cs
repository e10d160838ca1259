using System.Globalization;
using System.Text.RegularExpressions;

namespace Pgd.Tracing;

/// <summary>One message that a client sent, as the server's log tells it. It may hold several statements.</summary>
internal sealed partial record ExecutedStatement
{
    public required string Session { get; init; }

    public required int Process { get; init; }

    public required string Application { get; init; }

    public required string Text { get; init; }

    /// <summary>Microseconds since 1970.</summary>
    public required long Start { get; init; }

    public required long End { get; init; }

    /// <summary>The transaction that it was in, as the server names it; null if the log does not say.</summary>
    public string? Transaction { get; init; }

    /// <summary>Whether its transaction went on after it.</summary>
    public bool LeavesTransactionOpen { get; init; }

    public IReadOnlyList<TraceNote> Notes { get; init; } = [];

    /// <summary>What is known of the plans that it executed, in order.</summary>
    public IReadOnlyList<StatementPlan> Plans { get; init; } = [];

    public long TemporaryBytes { get; init; }

    /// <summary>The entry that tells why it failed.</summary>
    public ServerLogEntry? Failure { get; init; }

    /// <summary>Puts the log's lines together, of each session in the order of their ends.</summary>
    public static IEnumerable<ExecutedStatement> Read(IEnumerable<ServerLogEntry> entries)
    {
        var sessions = new Dictionary<string, Pending>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (!sessions.TryGetValue(entry.Session, out var session))
                sessions[entry.Session] = session = new();
            if (session.Take(entry) is { } executed)
                yield return executed;
        }
    }

    internal static long Microseconds(DateTimeOffset time) => (time.UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    [GeneratedRegex(@"\Aduration: (?<ms>[0-9.]+) ms(?:  (?<phase>statement|parse|bind|execute(?: fetch from)?|fastpath function call)(?: [^:]*)?: (?<text>.*))?\z", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Duration { get; }

    [GeneratedRegex(@"\Atemporary file: path .*, size (?<bytes>[0-9]+)\z", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex TemporaryFile { get; }

    // What a session has said since its last statement ended.
    private sealed class Pending
    {
        private List<TraceNote> _notes = [];
        private List<StatementPlan> _plans = [];
        private long _temporary, _begun, _ended;
        private string? _transaction;

        public ExecutedStatement? Take(ServerLogEntry entry)
        {
            var at = Microseconds(entry.At);
            if (TraceNote.Of(entry) is { } note)
            {
                _notes.Add(note);
                if (_begun == 0 && note.At > 0)
                    _begun = note.At;
                _transaction = entry.IsInTransaction ? entry.Transaction : _transaction;
                return null;
            }

            if (StatementPlan.Of(entry) is { } plan)
            {
                _plans.Add(plan);
                return null;
            }

            if (TemporaryFile.Match(entry.Message) is { Success: true } file)
            {
                _temporary += long.Parse(file.Groups["bytes"].ValueSpan, CultureInfo.InvariantCulture);
                _transaction = entry.IsInTransaction ? entry.Transaction : _transaction;
                return null;
            }

            // When it began the log does not say: after the last one ended.
            if (entry.Severity is "ERROR" or "FATAL" && entry.Query is not null)
                return End(entry, entry.Query, _begun > 0 ? _begun : _ended > 0 ? _ended : at, at, entry);
            if (Duration.Match(entry.Message) is not { Success: true } duration || !duration.Groups["text"].Success)
                return null;
            var took = (long)(double.Parse(duration.Groups["ms"].ValueSpan, CultureInfo.InvariantCulture) * 1000);
            // Parsing and planning belong to what they are for.
            if (duration.Groups["phase"].Value is "parse" or "bind")
            {
                _begun = _begun > 0 ? Math.Min(_begun, at - took) : at - took;
                return null;
            }

            return End(entry, duration.Groups["text"].Value, _begun > 0 ? Math.Min(_begun, at - took) : at - took, at, null);
        }

        private ExecutedStatement End(ServerLogEntry entry, string text, long start, long end, ServerLogEntry? failure)
        {
            var executed = new ExecutedStatement
            {
                Session = entry.Session,
                Process = entry.Process,
                Application = entry.Application,
                Text = text,
                Start = start,
                End = end,
                Transaction = entry.IsInTransaction ? entry.Transaction : _transaction,
                LeavesTransactionOpen = failure is null && entry.IsInTransaction,
                Notes = _notes,
                Plans = _plans,
                TemporaryBytes = _temporary,
                Failure = failure,
            };
            (_notes, _plans, _temporary, _begun, _transaction, _ended) = ([], [], 0, 0, null, end);
            return executed;
        }
    }
}
