namespace Pgd.Tool;

/// <summary>What a stream can show: whether a person watches it, in color, how wide.</summary>
internal sealed record Screen(bool IsTerminal, bool Color, int Width)
{
    /// <summary>A file or a pipe.</summary>
    public static Screen None { get; } = new(false, false, int.MaxValue);

    public static Screen Of(IReadOnlyDictionary<string, string> environment, bool isTerminal)
    {
        // https://no-color.org and https://bixense.com/clicolors
        var forced = environment.TryGetValue("CLICOLOR_FORCE", out var force) && force is not ("" or "0");
        var refused = environment.TryGetValue("NO_COLOR", out var no) && no.Length > 0;
        var dumb = environment.TryGetValue("TERM", out var term) && term == "dumb";
        return new(isTerminal && !dumb, !refused && (forced || (isTerminal && !dumb)), isTerminal ? WidthOfTerminal() : int.MaxValue);
    }

    public string Red(string text) => Color ? $"\e[1;31m{text}\e[0m" : text;

    public string Yellow(string text) => Color ? $"\e[33m{text}\e[0m" : text;

    public string Green(string text) => Color ? $"\e[32m{text}\e[0m" : text;

    public string Dim(string text) => Color ? $"\e[2m{text}\e[0m" : text;

    public string Bold(string text) => Color ? $"\e[1m{text}\e[0m" : text;

    private static int WidthOfTerminal()
    {
        try
        {
            return Console.WindowWidth is > 0 and var width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }
}
