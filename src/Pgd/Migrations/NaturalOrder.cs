namespace Pgd.Migrations;

/// <summary>
/// The order of migration files: folder by folder, digits compared as numbers, everything else by code point. Zero-padded and
/// timestamped names come out as in any listing, and <c>V2__a.sql</c> still runs before <c>V10__b.sql</c>.
/// </summary>
internal sealed class NaturalOrder : IComparer<string>
{
    public static NaturalOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        var left = x.Split('/');
        var right = y.Split('/');
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            if (ComparePart(left[i], right[i]) is var order and not 0)
                return order;
        }

        return left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(x, y);
    }

    private static int ComparePart(ReadOnlySpan<char> x, ReadOnlySpan<char> y)
    {
        while (x.Length > 0 && y.Length > 0)
        {
            int order;
            if (char.IsAsciiDigit(x[0]) && char.IsAsciiDigit(y[0]))
            {
                var left = Number(ref x);
                var right = Number(ref y);
                order = left.Length != right.Length ? left.Length.CompareTo(right.Length) : left.SequenceCompareTo(right);
            }
            else
            {
                order = x[0].CompareTo(y[0]);
                x = x[1..];
                y = y[1..];
            }

            if (order != 0)
                return order;
        }

        return x.Length.CompareTo(y.Length);
    }

    private static ReadOnlySpan<char> Number(ref ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        var digits = end < 0 ? text : text[..end];
        text = text[digits.Length..];
        return digits.TrimStart('0');
    }
}
