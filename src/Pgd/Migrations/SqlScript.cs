namespace Pgd.Migrations;

/// <summary>
/// A file of SQL, taken apart into statements. The server does that too, but only inside one implicit transaction, where
/// <c>CREATE INDEX CONCURRENTLY</c> and its like cannot run.
/// </summary>
internal sealed class SqlScript
{
    private const string Directive = "pgd:";
    private const string NoTransaction = "no-transaction";
    private const int WordsKept = 12;

    private readonly string name;
    private readonly string text;
    private readonly List<SqlStatement> statements = [];
    private readonly List<string> pieces = [];
    private int first = 1;
    private int line = 1;
    private int counted;
    private bool sent;
    private string otherwise = "psql";

    private SqlScript(string name, string text)
    {
        this.name = name;
        this.text = text;
    }

    /// <summary>The statements, in order.</summary>
    public IReadOnlyList<SqlStatement> Statements => statements;

    /// <summary>The whole text, cut after each semicolon that ends a statement.</summary>
    public IReadOnlyList<string> Pieces => pieces;

    /// <summary>Whether the file runs in one transaction; a comment <c>-- pgd: no-transaction</c> says that it does not.</summary>
    public bool Transaction { get; private set; } = true;

    /// <summary>Takes a script apart.</summary>
    /// <param name="name">The file's name, for errors.</param>
    /// <param name="text">Its content.</param>
    /// <exception cref="PgdException">It has what only psql understands, or something that does not close (<see cref="ExitCode.Misuse"/>).</exception>
    public static SqlScript Parse(string name, string text) => Parse(name, text, "psql: migrate: psql -v ON_ERROR_STOP=1 -f FILE");

    /// <summary>The same, where another program runs what is not SQL alone, or the text is a piece of something longer.</summary>
    /// <param name="name">The file's name, for errors.</param>
    /// <param name="text">Its content.</param>
    /// <param name="otherwise">The program, and how it is called, that runs what is not SQL alone.</param>
    /// <param name="firstLine">The number of its first line.</param>
    public static SqlScript Parse(string name, string text, string otherwise, int firstLine = 1)
    {
        var script = new SqlScript(name, text) { otherwise = otherwise, first = firstLine, line = firstLine };
        script.Split();
        script.CheckTransactions();
        return script;
    }

    /// <summary>The statements of a text that the server has seen already: whatever is in it is taken as it is.</summary>
    /// <exception cref="PgdException">It has something that does not close (<see cref="ExitCode.Misuse"/>).</exception>
    public static IReadOnlyList<SqlStatement> Split(string text)
    {
        var script = new SqlScript("", text) { sent = true };
        script.Split();
        return script.statements;
    }

    /// <summary>The place behind the last semicolon that ends a statement, also in a text of which more will come; 0 if there is none.</summary>
    public static int EndOfStatements(string text)
    {
        var (scanner, statement, end) = (new SqlScanner(text), new Open(), 0);
        while (true)
        {
            switch (scanner.Next())
            {
                case SqlToken.End or SqlToken.UnclosedString or SqlToken.UnclosedIdentifier or SqlToken.UnclosedComment:
                    return end;
                case SqlToken.Space or SqlToken.LineComment or SqlToken.BlockComment:
                    continue;
                case SqlToken.Semicolon when statement.CanEnd:
                    (end, statement) = (scanner.End, new Open());
                    continue;
                case var token:
                    statement.Add(token, scanner);
                    continue;
            }
        }
    }

    private void Split()
    {
        var scanner = new SqlScanner(text);
        var statement = new Open();
        var pieceStart = 0;
        while (true)
        {
            var token = scanner.Next();
            switch (token)
            {
                case SqlToken.End:
                    Finish(statement);
                    if (pieceStart < text.Length)
                        pieces.Add(text[pieceStart..]);
                    return;
                case SqlToken.Space or SqlToken.BlockComment:
                    continue;
                case SqlToken.LineComment:
                    ReadDirective(scanner, statement, pieceStart);
                    continue;
                case SqlToken.Backslash when !sent:
                    throw Refuse(scanner.Start, $"the psql command {Shown(scanner.Token)} is not SQL",
                        $"Take it out, or run the file with {otherwise}");
                case SqlToken.UnclosedString:
                    throw Refuse(scanner.Start, "a string begins here and does not end");
                case SqlToken.UnclosedIdentifier:
                    throw Refuse(scanner.Start, "a quoted identifier begins here and does not end");
                case SqlToken.UnclosedComment:
                    throw Refuse(scanner.Start, "a comment begins here and does not end");
                case SqlToken.Semicolon when statement.CanEnd:
                    Finish(statement);
                    pieces.Add(text[pieceStart..scanner.End]);
                    pieceStart = scanner.End;
                    statement = new Open();
                    continue;
                default:
                    statement.Add(token, scanner);
                    continue;
            }
        }
    }

    private void Finish(Open statement)
    {
        if (statement.Start < 0)
            return;
        var body = text[statement.Start..statement.End];
        if (!sent && statement.CopiesInline is { } direction)
        {
            throw Refuse(statement.Start, $"COPY {direction} needs psql, which feeds or reads the data",
                direction == "FROM STDIN" ? $"Write INSERT statements, or run the file with {otherwise}" : "Use SELECT, or run the file with psql.");
        }

        statements.Add(new SqlStatement(body, LineOf(statement.Start), statement.Words, statement.HasPlaceholder) { Waivers = statement.Waivers });
    }

    private void ReadDirective(SqlScanner scanner, Open statement, int pieceStart)
    {
        var comment = scanner.Token[2..].Trim();
        if (!comment.StartsWith(Directive, StringComparison.Ordinal))
            return;
        var said = comment[Directive.Length..].Trim().ToString();
        if (Waiver.Parse(said) is { Count: > 0 } waivers)
        {
            // Behind a semicolon, on its line, it is about what ended there.
            if (statement.Start < 0 && statements.Count > 0 && !text.AsSpan(pieceStart, scanner.Start - pieceStart).Contains('\n'))
                statements[^1] = statements[^1] with { Waivers = [.. statements[^1].Waivers, .. waivers] };
            else
                statement.Waivers.AddRange(waivers);
        }
        else if (said == NoTransaction)
        {
            Transaction = false;
        }
        else if (!sent)
        {
            throw Refuse(scanner.Start, $"\"{Shown(comment)}\" is unknown", $"There are: -- {Directive} {NoTransaction}, and: -- {Directive} allow RULE because REASON");
        }
    }

    private void CheckTransactions()
    {
        SqlStatement? open = null;
        foreach (var statement in statements)
        {
            if (statement.Control == TransactionControl.None)
                continue;
            if (Transaction)
            {
                throw RefuseLine(statement.Line, $"{statement.Words[0].ToUpperInvariant()} would end or nest the transaction that every file runs in",
                    $"Take BEGIN and COMMIT out, or put the comment \"-- {Directive} {NoTransaction}\" into the file, which then controls its transactions itself.");
            }

            open = statement.Control is TransactionControl.Begins or TransactionControl.Chains ? statement : null;
        }

        if (open is not null)
            throw RefuseLine(open.Line, "the transaction that begins here does not end in this file", "Add COMMIT.");
    }

    private PgdException Refuse(int offset, string fault, string? hint = null) => RefuseLine(LineOf(offset), fault, hint);

    private PgdException RefuseLine(int atLine, string fault, string? hint) => new(ExitCode.Misuse, $"{name}, line {atLine}: {fault}", hint);

    private int LineOf(int offset)
    {
        // Asked in ascending order almost always; counting on from the last answer keeps a large file linear.
        if (offset < counted)
            return first + text.AsSpan(0, offset).Count('\n');
        line += text.AsSpan(counted, offset - counted).Count('\n');
        counted = offset;
        return line;
    }

    private static string Shown(ReadOnlySpan<char> token) => token.Length <= 40 ? token.ToString() : $"{token[..40]}…";

    /// <summary>A statement whose end has not been seen yet.</summary>
    private sealed class Open
    {
        private readonly List<string> words = [];
        private int parentheses;
        private int blocks;
        private string? previousWord;
        private bool afterDot;
        private bool copyOutsideParentheses;

        public List<Waiver> Waivers { get; } = [];

        public int Start { get; private set; } = -1;

        public int End { get; private set; }

        public bool HasPlaceholder { get; private set; }

        public string? CopiesInline { get; private set; }

        public IReadOnlyList<string> Words => words;

        /// <summary>Semicolons inside parentheses belong to CREATE RULE … DO (…; …), those inside BEGIN ATOMIC … END to a function's body.</summary>
        public bool CanEnd => parentheses == 0 && blocks == 0;

        private bool IsRoutine => words is ["create", "function" or "procedure", ..] or ["create", "or", "replace", "function" or "procedure", ..];

        public void Add(SqlToken token, SqlScanner scanner)
        {
            if (Start < 0)
                Start = scanner.Start;
            End = scanner.End;
            if (token == SqlToken.Open)
                parentheses++;
            else if (token == SqlToken.Close)
                parentheses = Math.Max(0, parentheses - 1);
            else if (token == SqlToken.Placeholder && blocks == 0)
                HasPlaceholder = true;

            if (token == SqlToken.Word && parentheses == 0)
                AddWord(scanner.Token.Length <= 20 ? scanner.Token.ToString().ToLowerInvariant() : "…");
            else if (token != SqlToken.Dot)
                previousWord = null;
            afterDot = token == SqlToken.Dot;
        }

        private void AddWord(string word)
        {
            // A column may be named like a keyword: x.end, AS end.
            if (!afterDot && previousWord != "as" && IsRoutine)
            {
                if (word == "atomic" && previousWord == "begin" && blocks == 0)
                    blocks = 1;
                else if (word == "case" && blocks > 0)
                    blocks++;
                else if (word == "end" && blocks > 0)
                    blocks--;
            }

            copyOutsideParentheses |= words.Count == 0 && word == "copy";
            if (copyOutsideParentheses && word is "stdin" && previousWord == "from")
                CopiesInline = "FROM STDIN";
            else if (copyOutsideParentheses && word is "stdout" && previousWord == "to")
                CopiesInline = "TO STDOUT";
            if (words.Count < WordsKept)
                words.Add(word);
            previousWord = word;
        }
    }
}
