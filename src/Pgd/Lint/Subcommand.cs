using Pgd.Migrations;

namespace Pgd.Lint;

/// <summary>One of the changes that a statement asks for, between the commas of <c>ALTER TABLE t a, b</c>: its words outside of parentheses, folded to lower case.</summary>
internal sealed record Subcommand(IReadOnlyList<string> Words)
{
    public bool Has(params ReadOnlySpan<string> words)
    {
        for (var i = 0; i + words.Length <= Words.Count; i++)
        {
            var j = 0;
            while (j < words.Length && Words[i + j] == words[j])
                j++;
            if (j == words.Length)
                return true;
        }

        return false;
    }

    /// <summary>The subcommands of a statement; the first has the words before it as well.</summary>
    public static IReadOnlyList<Subcommand> Of(string statement)
    {
        var (scanner, all, words, depth) = (new SqlScanner(statement), new List<Subcommand>(), new List<string>(), 0);
        while (scanner.Next() is var token and not SqlToken.End)
        {
            if (token == SqlToken.Open)
                depth++;
            else if (token == SqlToken.Close)
                depth--;
            else if (token == SqlToken.Other && depth == 0 && scanner.Token is ",")
            {
                all.Add(new(words));
                words = [];
            }
            else if (token == SqlToken.Word && depth == 0)
                words.Add(scanner.Token.ToString().ToLowerInvariant());
            else if (token == SqlToken.QuotedIdentifier && depth == 0)
                // A name, whatever it says.
                words.Add("\"");
        }

        all.Add(new(words));
        return all;
    }
}
