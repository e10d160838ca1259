using System.Text.RegularExpressions;

namespace Pgd.Configuration;

/// <summary>What a machine is called where several share the work of one repository: it stands in comments, so it has nothing in it that means something there.</summary>
internal static partial class MachineName
{
    /// <summary>Reads a name that somebody chose.</summary>
    /// <exception cref="PgdException">It is not a name (<see cref="ExitCode.Misuse"/>).</exception>
    public static string Parse(string text) =>
        Form().IsMatch(text) ? text : throw new PgdException(ExitCode.Misuse, $"\"{text}\" cannot be the name of a machine", "It has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or a digit.");

    /// <summary>A name that the system has; the kernel takes anything for one.</summary>
    public static string Of(string system)
    {
        var name = Strange().Replace(system, "-").Trim('-', '.', '_');
        return name.Length == 0 ? "localhost" : name[..Math.Min(name.Length, 64)];
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z")]
    private static partial Regex Form();

    [GeneratedRegex(@"[^A-Za-z0-9._-]+")]
    private static partial Regex Strange();
}
