namespace Pgd.Migrations;

/// <summary>
/// PostgreSQL's lexical structure, as far as it decides where a statement ends: the rules of psqlscan.l.
/// https://www.postgresql.org/docs/current/sql-syntax-lexical.html
/// </summary>
internal sealed class SqlScanner(string text)
{
    private int at;

    /// <summary>Where the last token began.</summary>
    public int Start { get; private set; }

    /// <summary>Where the last token ended.</summary>
    public int End => at;

    public ReadOnlySpan<char> Token => text.AsSpan(Start, at - Start);

    public SqlToken Next()
    {
        Start = at;
        if (at >= text.Length)
            return SqlToken.End;
        var c = text[at];
        var next = at + 1 < text.Length ? text[at + 1] : '\0';
        if (IsSpace(c))
            return Run(IsSpace, SqlToken.Space);
        switch (c)
        {
            case '-' when next == '-':
                return Run(character => character is not ('\n' or '\r'), SqlToken.LineComment);
            case '/' when next == '*':
                return BlockComment();
            case '\'':
                return Quoted('\'', escapes: false);
            case '"':
                return Quoted('"', escapes: false, SqlToken.QuotedIdentifier);
            case 'e' or 'E' when next == '\'':
                at++;
                return Quoted('\'', escapes: true);
            // A prefix must not be taken for a word; what follows is quoted as usual.
            case 'b' or 'B' or 'x' or 'X' or 'n' or 'N' when next == '\'':
                at++;
                return Quoted('\'', escapes: false);
            case 'u' or 'U' when next == '&' && at + 2 < text.Length && text[at + 2] is '\'' or '"':
                at += 2;
                return Quoted(text[at], escapes: false, text[at] == '"' ? SqlToken.QuotedIdentifier : SqlToken.String);
            case '$':
                return Dollar();
            case ';':
                return One(SqlToken.Semicolon);
            case '(':
                return One(SqlToken.Open);
            case ')':
                return One(SqlToken.Close);
            case '.':
                return One(SqlToken.Dot);
            case '\\':
                at++;
                return Run(character => !IsSpace(character), SqlToken.Backslash);
        }

        if (IsWordStart(c))
            return Run(IsWord, SqlToken.Word);
        // A number takes the letters that touch it (1e10, 0x1f), so that they are not taken for words or prefixes.
        return char.IsAsciiDigit(c) ? Run(IsNumber, SqlToken.Other) : One(SqlToken.Other);
    }

    private SqlToken One(SqlToken token)
    {
        at++;
        return token;
    }

    private SqlToken Run(Func<char, bool> belongs, SqlToken token)
    {
        while (at < text.Length && belongs(text[at]))
            at++;
        return token;
    }

    private SqlToken BlockComment()
    {
        var depth = 0;
        while (at < text.Length)
        {
            if (Sees("/*"))
            {
                depth++;
                at += 2;
            }
            else if (Sees("*/"))
            {
                at += 2;
                if (--depth == 0)
                    return SqlToken.BlockComment;
            }
            else
            {
                at++;
            }
        }

        return SqlToken.UnclosedComment;
    }

    private SqlToken Quoted(char quote, bool escapes, SqlToken token = SqlToken.String)
    {
        at++;
        while (at < text.Length)
        {
            var c = text[at++];
            if (c == '\\' && escapes)
            {
                at = Math.Min(at + 1, text.Length);
            }
            else if (c == quote)
            {
                if (at < text.Length && text[at] == quote)
                    at++;
                else if (!escapes || !Continues())
                    return token;
            }
        }

        return token == SqlToken.String ? SqlToken.UnclosedString : SqlToken.UnclosedIdentifier;
    }

    /// <summary>
    /// Strings with only blanks and comments, and at least one line break, between them are one: after an E'…' the next part has
    /// escapes too. (For plain strings it makes no difference to us.) Steps over the next part's opening quote.
    /// </summary>
    private bool Continues()
    {
        var ahead = at;
        var lineBreak = false;
        while (ahead < text.Length)
        {
            if (text[ahead] is '\n' or '\r')
            {
                lineBreak = true;
                ahead++;
            }
            else if (IsSpace(text[ahead]))
            {
                ahead++;
            }
            else if (text.AsSpan(ahead).StartsWith("--"))
            {
                while (ahead < text.Length && text[ahead] is not ('\n' or '\r'))
                    ahead++;
            }
            else
            {
                break;
            }
        }

        if (!lineBreak || ahead >= text.Length || text[ahead] != '\'')
            return false;
        at = ahead + 1;
        return true;
    }

    private SqlToken Dollar()
    {
        var end = at + 1;
        if (end < text.Length && char.IsAsciiDigit(text[end]))
        {
            at++;
            return Run(char.IsAsciiDigit, SqlToken.Placeholder);
        }

        while (end < text.Length && (IsWordStart(text[end]) || (end > at + 1 && char.IsAsciiDigit(text[end]))))
            end++;
        if (end >= text.Length || text[end] != '$')
            return One(SqlToken.Other);
        var delimiter = text[at..(end + 1)];
        var close = text.IndexOf(delimiter, end + 1, StringComparison.Ordinal);
        at = close < 0 ? text.Length : close + delimiter.Length;
        return close < 0 ? SqlToken.UnclosedString : SqlToken.String;
    }

    private bool Sees(string expected) => text.AsSpan(at).StartsWith(expected);

    private static bool IsSpace(char c) => c is ' ' or '\t' or '\n' or '\r' or '\f' or '\v';

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c == '_' || c >= 0x80;

    private static bool IsWord(char c) => IsWordStart(c) || char.IsAsciiDigit(c) || c == '$';

    private static bool IsNumber(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' || c >= 0x80;
}

/// <summary>What a piece of SQL is, as far as it matters for finding the ends of statements.</summary>
internal enum SqlToken
{
    End,
    Space,
    LineComment,
    BlockComment,
    String,
    QuotedIdentifier,
    Word,
    Placeholder,
    Semicolon,
    Open,
    Close,
    Dot,
    Backslash,
    Other,
    UnclosedString,
    UnclosedIdentifier,
    UnclosedComment,
}
