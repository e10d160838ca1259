using System.Runtime.InteropServices;

namespace Pgd.Tool;

/// <summary>What a stream can show: whether a person watches it, in color, how wide.</summary>
internal sealed partial record Screen(bool IsTerminal, bool Color, int Width)
{
    /// <summary>How many lines it shows.</summary>
    public int Height { get; init; } = 24;

    /// <summary>A file or a pipe.</summary>
    public static Screen None { get; } = new(false, false, int.MaxValue);

    public static Screen Of(IReadOnlyDictionary<string, string> environment, bool isTerminal)
    {
        // https://no-color.org and https://bixense.com/clicolors
        var forced = environment.TryGetValue("CLICOLOR_FORCE", out var force) && force is not ("" or "0");
        var refused = environment.TryGetValue("NO_COLOR", out var no) && no.Length > 0;
        var dumb = environment.TryGetValue("TERM", out var term) && term == "dumb";
        var (width, height) = isTerminal ? SizeOfTerminal() : (int.MaxValue, 0);
        return new Screen(isTerminal && !dumb, !refused && (forced || (isTerminal && !dumb)), width) is var screen && height > 0 ? screen with { Height = height } : screen;
    }

    public string Red(string text) => Color ? $"\e[1;31m{text}\e[0m" : text;

    public string Yellow(string text) => Color ? $"\e[33m{text}\e[0m" : text;

    public string Green(string text) => Color ? $"\e[32m{text}\e[0m" : text;

    public string Dim(string text) => Color ? $"\e[2m{text}\e[0m" : text;

    public string Bold(string text) => Color ? $"\e[1m{text}\e[0m" : text;

    private static (int Width, int Height) SizeOfTerminal()
    {
        const int usual = 80;
        try
        {
            var (width, height) = OperatingSystem.IsLinux() ? Size() : (Console.WindowWidth, Console.WindowHeight);
            return (width > 0 ? width : usual, height);
        }
        catch (IOException)
        {
            return (usual, 0);
        }
    }

    // Console.WindowWidth would initialize the terminal: it switches the keypad's mode and leaves it so, for psql after us as well.
    private static (int Columns, int Rows) Size()
    {
        const nuint getWindowSize = 0x5413;
        for (var descriptor = 1; descriptor <= 2; descriptor++)
        {
            if (ioctl(descriptor, getWindowSize, out var size) == 0)
                return (size.Columns, size.Rows);
        }

        return (0, 0);
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct WindowSize
    {
        public readonly ushort Rows;
        public readonly ushort Columns;
        private readonly ushort _width;
        private readonly ushort _height;
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ioctl(int descriptor, nuint request, out WindowSize size);
}
