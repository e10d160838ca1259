using Npgsql;
using Pgd.Migrations;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// A condition on rows with the time taken out of it: <c>now() - interval '30 days'</c> becomes the moment that it is on the server. What is read and what is published must be the same rows however long it takes, and a
/// publication takes no expression whose value may change, of which a time with an interval is one: so the largest expression around the clock that needs no column is replaced as a whole.
/// </summary>
internal static class FrozenCondition
{
    private static readonly string[] Calls = ["now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"];
    private static readonly string[] Words = ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];
    private static readonly string[] MovingTexts = ["'now'", "'today'", "'tomorrow'", "'yesterday'"];

    /// <summary>The same condition without comments, and with values in the place of what depends on the time.</summary>
    /// <param name="session">One in a transaction, in which values look as they do in a backup.</param>
    /// <param name="condition">It.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It is more or less than one expression, or has the time in a text (<see cref="ExitCode.Misuse"/>).</exception>
    public static async Task<string> FreezeAsync(ScriptConnection session, string condition, CancellationToken cancellationToken)
    {
        var pieces = PiecesOf(condition);
        for (var i = 0; i < pieces.Count; i++)
        {
            if (!IsClock(pieces, i))
                continue;
            var (from, end, value) = await LargestAsync(session, pieces, i, cancellationToken).ConfigureAwait(false);
            pieces.RemoveRange(from, end - from);
            pieces.Insert(from, new(SqlToken.String, value));
            i = from;
        }

        return string.Join(' ', pieces.Select(piece => piece.Text));
    }

    private static async Task<(int From, int End, string Value)> LargestAsync(ScriptConnection session, List<Piece> pieces, int at, CancellationToken cancellationToken)
    {
        var (from, end) = (at, EndOfCall(pieces, at));
        if (from >= 2 && pieces[from - 1].Token == SqlToken.Dot)
            from -= 2;
        var value = await ValueAsync(session, pieces, from, end, cancellationToken).ConfigureAwait(false)
            ?? throw new PgdException(ExitCode.Misuse, $"the server does not know \"{TextOf(pieces, from, end)}\" of a row filter");
        while (true)
        {
            var larger = Around(pieces, from, end, EndOfOperation(pieces, from, end));
            if (larger == (from, end) || await ValueAsync(session, pieces, larger.From, larger.End, cancellationToken).ConfigureAwait(false) is not { } other)
                return (from, end, value);
            (from, end, value) = (larger.From, larger.End, other);
        }
    }

    // First what is done with it, then the parentheses around it with the name of the function whose argument it is.
    private static (int From, int End) Around(List<Piece> pieces, int from, int end, int endOfOperation)
    {
        if (endOfOperation > end)
            return (from, endOfOperation);
        var open = from - 1;
        for (var depth = 0; open >= 0 && (depth > 0 || pieces[open].Token != SqlToken.Open); open--)
            depth += pieces[open].Token == SqlToken.Close ? 1 : pieces[open].Token == SqlToken.Open ? -1 : 0;
        var close = end;
        for (var depth = 0; close < pieces.Count && (depth > 0 || pieces[close].Token != SqlToken.Close); close++)
            depth += pieces[close].Token == SqlToken.Open ? 1 : pieces[close].Token == SqlToken.Close ? -1 : 0;
        if (open < 0 || close == pieces.Count)
            return (from, end);
        var isCall = open > 0 && pieces[open - 1].Token is SqlToken.Word or SqlToken.QuotedIdentifier && !IsOperatorWord(pieces[open - 1].Text);
        var start = isCall ? open - 1 : open;
        return (isCall && start >= 2 && pieces[start - 1].Token == SqlToken.Dot ? start - 2 : start, close + 1);
    }

    // A cast, or an interval that is added or taken away, unless the clock itself is what is added or taken away: from the left it goes.
    private static int EndOfOperation(List<Piece> pieces, int from, int end)
    {
        if (Is(pieces, end, "::"))
            return EndOfType(pieces, end + 1);
        if ((!Is(pieces, end, "+") && !Is(pieces, end, "-")) || (from > 0 && pieces[from - 1] is { Token: SqlToken.Other, Text: "+" or "-" or "*" or "/" or "%" or "^" or "||" }))
            return end;
        var next = EndOfOperand(pieces, end + 1);
        while (next > end && (Is(pieces, next, "*") || Is(pieces, next, "/")))
        {
            var factor = EndOfOperand(pieces, next + 1);
            next = factor == next + 1 ? end : factor;
        }

        return next;
    }

    private static int EndOfOperand(List<Piece> pieces, int at)
    {
        var end = at;
        if (at < pieces.Count && pieces[at].Token == SqlToken.Word)
        {
            // interval '30 days', or a function.
            end = at + 1 < pieces.Count && pieces[at + 1].Token == SqlToken.String ? at + 2 : at + 1 < pieces.Count && pieces[at + 1].Token == SqlToken.Open ? EndOfCall(pieces, at) : at;
        }
        else if (at < pieces.Count && pieces[at].Token == SqlToken.Open)
        {
            end = EndOfParentheses(pieces, at);
        }
        else if (at < pieces.Count && (pieces[at].Token == SqlToken.String || char.IsAsciiDigit(pieces[at].Text[0])))
        {
            end = at + 1;
        }

        while (end > at && Is(pieces, end, "::"))
            end = EndOfType(pieces, end + 1);
        return end;
    }

    private static int EndOfType(List<Piece> pieces, int at)
    {
        var end = Math.Min(at + 1, pieces.Count);
        return end < pieces.Count && pieces[end].Token == SqlToken.Open ? EndOfParentheses(pieces, end) : end;
    }

    private static int EndOfCall(List<Piece> pieces, int at) => at + 1 < pieces.Count && pieces[at + 1].Token == SqlToken.Open ? EndOfParentheses(pieces, at + 1) : at + 1;

    private static int EndOfParentheses(List<Piece> pieces, int at)
    {
        for (var depth = 0; at < pieces.Count; at++)
        {
            depth += pieces[at].Token == SqlToken.Open ? 1 : pieces[at].Token == SqlToken.Close ? -1 : 0;
            if (depth == 0)
                return at + 1;
        }

        return at;
    }

    private static async Task<string?> ValueAsync(ScriptConnection session, List<Piece> pieces, int from, int end, CancellationToken cancellationToken)
    {
        await session.QueryAsync("savepoint freezing", cancellationToken).ConfigureAwait(false);
        try
        {
            var said = (await session.QueryAsync($"select (v)::text, pg_typeof(v)::text from (select ({TextOf(pieces, from, end)}) as v) as value", cancellationToken).ConfigureAwait(false))[0];
            return said[0] is null ? null : $"{AdminConnection.QuoteLiteral(said[0]!).Trim()}::{said[1]}";
        }
        catch (PostgresException)
        {
            // It needs a column.
            await session.QueryAsync("rollback to savepoint freezing", cancellationToken).ConfigureAwait(false);
            return null;
        }
    }

    private static List<Piece> PiecesOf(string condition)
    {
        var (scanner, pieces, depth) = (new SqlScanner(condition), new List<Piece>(), 0);
        for (var token = scanner.Next(); token != SqlToken.End; token = scanner.Next())
        {
            depth += token == SqlToken.Open ? 1 : token == SqlToken.Close ? -1 : 0;
            if (token is SqlToken.Semicolon or SqlToken.Placeholder or SqlToken.Backslash or SqlToken.UnclosedString or SqlToken.UnclosedIdentifier or SqlToken.UnclosedComment || depth < 0)
                throw new PgdException(ExitCode.Misuse, $"the row filter \"{condition}\" is not one expression: {scanner.Token} does not belong there");
            if (token is SqlToken.LineComment or SqlToken.BlockComment or SqlToken.Space)
            {
                if (pieces.Count > 0)
                    pieces[^1] = pieces[^1] with { IsFollowed = true };
                continue;
            }

            var text = scanner.Token.ToString();
            if (token == SqlToken.String && MovingTexts.Contains(text.ToLowerInvariant()))
                throw new PgdException(ExitCode.Misuse, $"the row filter \"{condition}\" has the time in a text: {text}", "Write now(), current_date or current_timestamp, with an interval where needed: current_date - 1");
            // What makes up an operator stays together.
            if (token == SqlToken.Other && pieces is [.., { Token: SqlToken.Other, IsFollowed: false } before] && IsSign(before.Text[^1]) && IsSign(text[0]))
                pieces[^1] = before with { Text = before.Text + text };
            else
                pieces.Add(new(token, text));
        }

        return depth == 0 ? pieces : throw new PgdException(ExitCode.Misuse, $"the row filter \"{condition}\" is not one expression: a parenthesis is not closed");
    }

    private static bool IsSign(char c) => "+-*/<>=~!@#%^&|`?:".Contains(c, StringComparison.Ordinal);

    private static bool IsOperatorWord(string word) => word.ToLowerInvariant() is "and" or "or" or "not" or "in" or "between" or "is" or "like" or "ilike" or "any" or "all" or "some" or "case" or "when" or "then" or "else";

    private static bool Is(List<Piece> pieces, int at, string text) => at < pieces.Count && pieces[at].Token == SqlToken.Other && pieces[at].Text == text;

    private static bool IsClock(List<Piece> pieces, int at)
    {
        var word = pieces[at].Token == SqlToken.Word ? pieces[at].Text.ToLowerInvariant() : "";
        var isQualified = at > 0 && pieces[at - 1].Token == SqlToken.Dot;
        return (Words.Contains(word) && !isQualified)
            || (Calls.Contains(word) && at + 1 < pieces.Count && pieces[at + 1].Token == SqlToken.Open && (!isQualified || (at > 1 && string.Equals(pieces[at - 2].Text, "pg_catalog", StringComparison.OrdinalIgnoreCase))));
    }

    private static string TextOf(List<Piece> pieces, int from, int end) => string.Join(' ', pieces.Skip(from).Take(end - from).Select(piece => piece.Text));

    /// <summary>A word, an operator, a text, …; whether something that is left out follows.</summary>
    private sealed record Piece(SqlToken Token, string Text)
    {
        public bool IsFollowed { get; init; }
    }
}
