using Pgd.Migrations;

namespace Pgd.Tracing;

/// <summary>What kind of command a statement is, by its first words: the server's names for them are made of these words.</summary>
internal static class StatementTag
{
    /// <summary>Whether a command of that tag may be this statement: the tag's words come in their order, with others between them such as <c>OR REPLACE</c>, <c>UNIQUE</c> or a name.</summary>
    public static bool Fits(SqlStatement statement, string tag)
    {
        var at = 0;
        foreach (var word in tag.Split(' '))
        {
            var found = Enumerable.Range(at, statement.Words.Count - at).Where(i => Same(statement.Words[i], word)).Select(i => (int?)i).FirstOrDefault();
            if (found is not { } place || (at == 0 && place != 0))
                return false;
            at = place + 1;
        }

        return true;
    }

    // CREATE USER makes what the server calls a role.
    private static bool Same(string word, string tagged) => word.Equals(tagged, StringComparison.OrdinalIgnoreCase) || (tagged == "ROLE" && word is "user" or "group");
}
