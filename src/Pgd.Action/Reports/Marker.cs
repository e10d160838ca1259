using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Reports;

/// <summary>
/// The hidden first line of our comment: which project, pull request and branch it is about, a digest of the rest, and on which machines the pull
/// request has branches. It says what to write, and never what to delete: that is in each machine's own records.
/// </summary>
internal sealed partial record Marker(string Project, int PullRequest, string Branch)
{
    /// <summary>The machine whose branch the comment tells of; empty where that is gone, or nobody said.</summary>
    public string HostName { get; init; } = "";

    /// <summary>The pull request's branches on other machines.</summary>
    public IReadOnlyList<Home> Others { get; init; } = [];

    /// <summary>The digest of what the comment says.</summary>
    public string Digest { get; private init; } = "";

    /// <summary>Where the pull request has branches.</summary>
    public IEnumerable<Home> Homes => HostName.Length == 0 ? Others : Others.Prepend(new(HostName, Branch));

    /// <summary>Puts the marker before a text.</summary>
    public string Sign(string text) => $"{this with { Digest = DigestOf(text + Where) }}\n{text}";

    /// <summary>Reads the marker of a comment; null when it has none at its very beginning: a quotation of ours is not ours.</summary>
    public static Marker? Read(string body)
    {
        var match = Pattern().Match(body);
        return match.Success && int.TryParse(match.Groups["pr"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new(match.Groups["project"].Value, number, match.Groups["branch"].Value)
            {
                HostName = match.Groups["host"].Value,
                Others = [.. match.Groups["others"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(o => o.Split('/')).Select(o => new Home(o[0], o[1]))],
                Digest = match.Groups["digest"].Value,
            }
            : null;
    }

    /// <summary>The text below the marker of a comment.</summary>
    public static string TextOf(string body) => body[(body.IndexOf("-->", StringComparison.Ordinal) + 3)..].TrimStart();

    /// <inheritdoc/>
    public override string ToString() => $"<!-- pgd:{Project}:{PullRequest} v1 branch={Branch} digest={Digest}{Where} -->";

    private string Where => (HostName.Length == 0 ? "" : $" host={HostName}") + (Others.Count == 0 ? "" : $" others={string.Join(',', Others.Select(o => $"{o.HostName}/{o.Branch}"))}");

    private static string DigestOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    [GeneratedRegex(@"\A<!-- pgd:(?<project>[a-z0-9-]+):(?<pr>[0-9]+) v1 branch=(?<branch>[a-z0-9-]*) digest=(?<digest>[0-9a-f]{16})( host=(?<host>[A-Za-z0-9._-]+))?( others=(?<others>[A-Za-z0-9._-]+/[a-z0-9-]+(,[A-Za-z0-9._-]+/[a-z0-9-]+)*))? -->")]
    private static partial Regex Pattern();
}
