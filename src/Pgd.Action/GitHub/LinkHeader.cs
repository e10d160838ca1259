namespace Pgd.Action.GitHub;

/// <summary>The <c>Link</c> header, by which GitHub names the next page.</summary>
internal static class LinkHeader
{
    /// <summary>The next page's address, or null on the last page.</summary>
    public static string? Next(IEnumerable<string> headers)
    {
        foreach (var link in headers.SelectMany(h => h.Split(',')))
        {
            var parts = link.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0] is ['<', .. var address, '>'] && parts.Skip(1).Any(p => p is "rel=\"next\"" or "rel=next"))
                return address;
        }

        return null;
    }
}
