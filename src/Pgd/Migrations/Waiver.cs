using System.Text.RegularExpressions;

namespace Pgd.Migrations;

/// <summary>Leave to break a rule, which somebody gave in the migration itself: <c>-- pgd: allow drop-column because nobody reads it</c>.</summary>
/// <param name="Rule">The rule's id.</param>
/// <param name="Reason">Why.</param>
internal sealed partial record Waiver(string Rule, string Reason)
{
    /// <summary>Reads what follows <c>pgd:</c>. Empty if it is no waiver: one without a reason is none.</summary>
    public static IReadOnlyList<Waiver> Parse(string said) =>
        Form.Match(said) is { Success: true } match ? [.. match.Groups["rules"].Value.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(rule => new Waiver(rule, match.Groups["reason"].Value.Trim()))] : [];

    [GeneratedRegex(@"\Aallow\s+(?<rules>[a-z/-]+(?:\s*,\s*[a-z/-]+)*)\s+because\s+(?<reason>\S.*)\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Form { get; }
}
