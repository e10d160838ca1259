using System.Text;

namespace Pgd.Action.Reports;

/// <summary>Sections that must fit a limit together.</summary>
internal static class Page
{
    /// <summary>The most that GitHub takes as a comment, in characters.</summary>
    public const int CommentLimit = 65_536;

    /// <summary>A comment's text; one page's note says where the rest is.</summary>
    public static string FitComment(IReadOnlyList<Section> sections, int limit, string whereTheRestIs) =>
        Fit(sections, limit, whereTheRestIs, text => text.Length);

    /// <summary>A summary's text, whose limit counts bytes.</summary>
    public static string FitSummary(IReadOnlyList<Section> sections, int limit) =>
        Fit(sections, limit, "left out, see the log", Encoding.UTF8.GetByteCount);

    private static string Fit(IReadOnlyList<Section> sections, int limit, string whereTheRestIs, Func<string, int> measure)
    {
        var fitting = sections.ToArray();
        foreach (var index in Enumerable.Range(0, fitting.Length).Where(i => fitting[i].Expendability > 0).OrderByDescending(i => fitting[i].Expendability))
        {
            // The notes of what was left out need room too.
            var excess = measure(Join(fitting, whereTheRestIs)) - (limit - NoteRoom(whereTheRestIs));
            if (measure(Join(fitting, whereTheRestIs)) > limit)
                fitting[index] = fitting[index].Shorten(excess, measure);
        }

        return Join(fitting, whereTheRestIs);
    }

    private static int NoteRoom(string whereTheRestIs) => whereTheRestIs.Length + 40;

    private static string Join(IEnumerable<Section> sections, string whereTheRestIs) =>
        string.Join("\n\n", sections.Select(s => s.Render(whereTheRestIs)));
}
