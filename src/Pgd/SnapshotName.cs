using System.Text.RegularExpressions;

namespace Pgd;

/// <summary>How a snapshot is named: <c>project/branch@label</c>, or its identity or the beginning of that in the label's place.</summary>
public sealed partial record SnapshotName
{
    /// <summary>Joins the two.</summary>
    /// <exception cref="PgdException">The reference is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public SnapshotName(BranchName branch, string reference) => (Branch, Reference) = (branch, CheckLabel(reference));

    /// <summary>The branch that it was taken of.</summary>
    public BranchName Branch { get; }

    /// <summary>A label, an identity, or the beginning of one.</summary>
    public string Reference { get; }

    /// <summary>Reads <c>project/branch@label</c>.</summary>
    /// <exception cref="PgdException">The text is not of that form (<see cref="ExitCode.Misuse"/>).</exception>
    public static SnapshotName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('@', 2) is [var branch, var reference] ? new(BranchName.Parse(branch), reference)
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not the name of a snapshot", "Write it as PROJECT/BRANCH@LABEL, for example prod/main@before-release.");
    }

    /// <summary>Checks a label.</summary>
    /// <exception cref="PgdException">It is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static string CheckLabel(string label)
    {
        ArgumentNullException.ThrowIfNull(label);
        return WellFormed().IsMatch(label) ? label
            : throw new PgdException(ExitCode.Misuse, $"\"{label}\" cannot be the label of a snapshot", "Use 1 to 63 letters, digits and - _ . + :, beginning with a letter or a digit, for example before-release.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Branch}@{Reference}";

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_.+:-]{0,62}\z")]
    private static partial Regex WellFormed();
}
