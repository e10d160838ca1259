using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Pgd;

/// <summary>The full name of a branch, written <c>project/branch</c>. A value of this type is always well-formed.</summary>
[JsonConverter(typeof(BranchNameJson))]
public sealed record BranchName
{
    /// <summary>The name of a project's first branch.</summary>
    public const string Main = "main";

    /// <summary>The longest name of a project or branch: it must fit a DNS label beside a hash of eight digits.</summary>
    public const int MaximumLength = 50;

    private const int HashLength = 12, LongestSlug = 36;

    private BranchName(string project, string branch)
    {
        Project = project;
        Branch = branch;
    }

    /// <summary>The project's name.</summary>
    public string Project { get; }

    /// <summary>The branch's name inside its project.</summary>
    public string Branch { get; }

    /// <summary>Whether this is the project's first branch.</summary>
    public bool IsMain => Branch == Main;

    /// <summary>Joins two names, both checked.</summary>
    /// <exception cref="PgdException">A name is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static BranchName Of(string project, string branch) => new(CheckProject(project), CheckPart("branch", branch));

    /// <summary>Reads <c>project/branch</c>.</summary>
    /// <exception cref="PgdException">The text is not of that form (<see cref="ExitCode.Misuse"/>).</exception>
    public static BranchName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('/');
        if (parts.Length != 2)
            throw new PgdException(ExitCode.Misuse, $"{Quote(text)} is not the name of a branch", "Write it as PROJECT/BRANCH, for example prod/dev.");
        return Of(parts[0], parts[1]);
    }

    /// <summary>
    /// The branch's name for a git ref, or for anything else: always the same, well-formed, and another one for each. What is well-formed as it is stays as it is; of anything
    /// else letters and digits stay, and twelve digits of a hash are added.
    /// </summary>
    public static string ForRef(string reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        // What looks like one of ours gets a hash as well: else somebody could choose a ref that means another ref's branch.
        if (IsWellFormed(reference) && reference != Main && !LooksHashed(reference))
            return reference;
        var letters = string.Concat(reference.ToLowerInvariant().Select(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '-'));
        var slug = string.Join('-', letters.Split('-', StringSplitOptions.RemoveEmptyEntries));
        slug = slug[..Math.Min(slug.Length, LongestSlug)].TrimEnd('-');
        return $"{(slug.Length == 0 ? "ref" : slug)}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(reference)))[..HashLength]}";
    }

    /// <summary>Checks the name of a project.</summary>
    /// <exception cref="PgdException">It is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static string CheckProject(string name) => CheckPart("project", name);

    /// <inheritdoc/>
    public override string ToString() => $"{Project}/{Branch}";

    /// <summary>Whether the text may stand as a project's or branch's name.</summary>
    public static bool IsWellFormed([NotNullWhen(true)] string? name) => Fault(name) is null;

    private static string CheckPart(string kind, string name) =>
        Fault(name) is { } fault
            ? throw new PgdException(ExitCode.Misuse, $"{Quote(name)} cannot be the name of a {kind}: {fault}",
                $"Use 1 to {MaximumLength} lower-case letters, digits and inner hyphens, for example pr-42.")
            : name;

    private static bool LooksHashed(string name) => name.Length > HashLength && name[^(HashLength + 1)] == '-' && name[^HashLength..].All(c => char.IsAsciiDigit(c) || c is >= 'a' and <= 'f');

    // The strictest of DNS labels, ZFS components, container names and PostgreSQL identifiers, so that one name serves all of them.
    private static string? Fault(string? name)
    {
        if (string.IsNullOrEmpty(name))
            return "it is empty";
        if (name.Length > MaximumLength)
            return $"it is longer than {MaximumLength} characters";
        foreach (var c in name)
        {
            if (c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-'))
                return c is >= 'A' and <= 'Z' ? "it has an upper-case letter" : $"it has the character {Printable(c)}";
        }

        return name[0] == '-' || name[^1] == '-' ? "it begins or ends with a hyphen" : null;
    }

    private static string Quote(string? text)
    {
        var shown = string.Concat((text ?? "").Take(80).Select(c => char.IsControl(c) ? Printable(c) : c.ToString()));
        return $"\"{shown}{(text?.Length > 80 ? "…" : "")}\"";
    }

    private static string Printable(char c) => char.IsControl(c) || char.IsSurrogate(c) ? $"U+{(int)c:X4}" : $"'{c}'";
}
