using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Reports;

/// <summary>The hidden first line of our comment: which project, pull request and branch it is about, and a digest of the rest.</summary>
internal sealed partial record Marker(string Project, int PullRequest, string Branch, string Digest)
{
    /// <summary>Puts the marker before a text.</summary>
    public static string Sign(string project, int pullRequest, string branch, string text) =>
        $"{new Marker(project, pullRequest, branch, DigestOf(text))}\n{text}";

    /// <summary>Reads the marker of a comment; null when it has none at its very beginning: a quotation of ours is not ours.</summary>
    public static Marker? Read(string body)
    {
        var match = Pattern().Match(body);
        return match.Success && int.TryParse(match.Groups["pr"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new(match.Groups["project"].Value, number, match.Groups["branch"].Value, match.Groups["digest"].Value)
            : null;
    }

    public override string ToString() => $"<!-- pgd:{Project}:{PullRequest} v1 branch={Branch} digest={Digest} -->";

    private static string DigestOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    [GeneratedRegex(@"\A<!-- pgd:(?<project>[a-z0-9-]+):(?<pr>[0-9]+) v1 branch=(?<branch>[a-z0-9-]*) digest=(?<digest>[0-9a-f]{16}) -->")]
    private static partial Regex Pattern();
}
