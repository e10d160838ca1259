namespace Pgd.Migrations;

/// <summary>One statement of a script.</summary>
/// <param name="Text">From its first token to the semicolon, which is left out. Comments inside stay.</param>
/// <param name="Line">The line where it begins, from 1.</param>
/// <param name="Words">Its first words, folded to lower case; enough to tell what kind of statement it is.</param>
/// <param name="HasPlaceholder">Whether it has a <c>$1</c> outside of literals and function bodies.</param>
internal sealed record SqlStatement(string Text, int Line, IReadOnlyList<string> Words, bool HasPlaceholder)
{
    private const int Shown = 400;

    /// <summary>The rules that it may break, as a comment at it says.</summary>
    public IReadOnlyList<Waiver> Waivers { get; init; } = [];

    /// <summary>What it does to the transaction that it runs in.</summary>
    public TransactionControl Control => Words switch
    {
        ["begin", ..] or ["start", "transaction", ..] => TransactionControl.Begins,
        ["rollback", "to", ..] or ["rollback", "work" or "transaction", "to", ..] => TransactionControl.None,
        // These end a transaction that was prepared earlier, not the one that they run in.
        ["commit" or "rollback", "prepared", ..] => TransactionControl.None,
        ["commit" or "rollback" or "end" or "abort", .., "and", "chain"] => TransactionControl.Chains,
        ["commit" or "rollback" or "end" or "abort", ..] or ["prepare", "transaction", ..] => TransactionControl.Ends,
        _ => TransactionControl.None,
    };

    /// <summary>Its beginning, for an error message.</summary>
    public string Short => Text.Length <= Shown ? Text : string.Concat(Text.AsSpan(0, char.IsHighSurrogate(Text[Shown - 1]) ? Shown - 1 : Shown), "…");

    /// <summary>The line in the script of a position that the server gave: characters from 1, not UTF-16 units.</summary>
    public int LineAt(int position)
    {
        var line = Line;
        foreach (var rune in Text.EnumerateRunes())
        {
            if (--position <= 0)
                break;
            if (rune.Value == '\n')
                line++;
        }

        return line;
    }
}

/// <summary>What a statement does to the transaction that it runs in.</summary>
internal enum TransactionControl
{
    None,
    Begins,
    Ends,

    /// <summary>Ends it and begins the next one.</summary>
    Chains,
}
