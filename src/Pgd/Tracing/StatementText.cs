using System.Text;
using Pgd.Migrations;

namespace Pgd.Tracing;

/// <summary>How a statement is shown: without its passwords, and not at length.</summary>
internal static class StatementText
{
    private const int Longest = 2000;

    public static string Shown(string statement)
    {
        var (text, scanner, afterPassword) = (new StringBuilder(), new SqlScanner(statement), false);
        while (text.Length <= Longest && scanner.Next() is var token and not SqlToken.End)
        {
            var isSecret = token is SqlToken.String or SqlToken.UnclosedString && (afterPassword || scanner.Token.Contains("password", StringComparison.OrdinalIgnoreCase));
            text.Append(isSecret ? "'***'" : scanner.Token);
            // PASSWORD 'x', password := 'x', password => 'x'.
            afterPassword = token == SqlToken.Word ? scanner.Token.Equals("password", StringComparison.OrdinalIgnoreCase)
                : afterPassword && (token is SqlToken.Space or SqlToken.LineComment or SqlToken.BlockComment || (token == SqlToken.Other && scanner.Token is "=" or ":" or ">"));
        }

        return text.Length <= Longest ? text.ToString() : string.Concat(text.ToString(0, char.IsHighSurrogate(text[Longest - 1]) ? Longest - 1 : Longest), "…");
    }
}
