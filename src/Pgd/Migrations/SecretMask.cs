using System.Buffers;
using System.Text;
using Pgd.Libpq;

namespace Pgd.Migrations;

/// <summary>Replaces secrets in text by <c>***</c>.</summary>
internal sealed class SecretMask
{
    private readonly string[] forms;
    private readonly SearchValues<string>? search;

    /// <param name="forms">The secrets, longest first.</param>
    public SecretMask(IEnumerable<string> forms)
    {
        // A secret of several lines is printed line by line.
        this.forms = [.. forms.SelectMany(form => form.Split('\n', '\r')).Where(form => form.Length > 0).Distinct().OrderByDescending(form => form.Length)];
        search = this.forms.Length > 0 ? SearchValues.Create(this.forms, StringComparison.Ordinal) : null;
        Longest = this.forms.Length > 0 ? this.forms[0].Length : 0;
    }

    /// <summary>The length of the longest secret.</summary>
    public int Longest { get; }

    public string Apply(string text) => Cover(text, text.Length, out _);

    /// <summary>
    /// The beginning of the text up to about <paramref name="until"/>, covered. A secret that begins before that point is covered whole;
    /// <paramref name="end"/> tells how much of the text was taken.
    /// </summary>
    public string Cover(ReadOnlySpan<char> text, int until, out int end)
    {
        end = until;
        if (search is null)
            return text[..until].ToString();
        StringBuilder? covered = null;
        var done = 0;
        while (done < text.Length)
        {
            var found = text[done..].IndexOfAny(search);
            if (found < 0 || done + found >= until)
                break;
            covered ??= new StringBuilder();
            covered.Append(text.Slice(done, found)).Append(Secrets.Mask);
            done += found;
            foreach (var form in forms)
            {
                if (text[done..].StartsWith(form, StringComparison.Ordinal))
                {
                    done += form.Length;
                    break;
                }
            }
        }

        end = Math.Max(done, until);
        return covered is null ? text[..end].ToString() : covered.Append(text[Math.Min(done, end)..end]).ToString();
    }
}
