namespace Pgd.Tool.Commands.Queries;

/// <summary>What was typed before: in the user's state folder, for him alone, and without statements that have to do with passwords.</summary>
internal sealed class ConsoleHistory
{
    private const int Kept = 1000;
    private readonly string? _file;

    private ConsoleHistory(string? file, List<string> lines) => (_file, Lines) = (file, lines);

    /// <summary>The lines, oldest first.</summary>
    public List<string> Lines { get; }

    public static ConsoleHistory Of(IReadOnlyDictionary<string, string> environment)
    {
        var state = environment.GetValueOrDefault("XDG_STATE_HOME") is { Length: > 0 } given && Path.IsPathRooted(given) ? given
            : environment.GetValueOrDefault("HOME") is { Length: > 0 } home ? Path.Combine(home, ".local", "state") : null;
        var file = state is null ? null : Path.Combine(state, "pgd", "history");
        try
        {
            return new(file, file is not null && File.Exists(file) ? [.. File.ReadLines(file).TakeLast(Kept)] : []);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(null, []);
        }
    }

    /// <summary>Adds the lines of an entry. With a word in it that goes with a password, none is kept, not in memory either.</summary>
    public void Add(IReadOnlyList<string> lines)
    {
        if (HasSecret(string.Join('\n', lines)))
            return;
        foreach (var line in lines.Where(line => !string.IsNullOrWhiteSpace(line) && line != Lines.LastOrDefault()))
            Lines.Add(line);
        if (_file is null || OperatingSystem.IsWindows())
            return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_file)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var beside = $"{_file}.{Environment.ProcessId}";
            using (var stream = new FileStream(beside, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            using (var writer = new StreamWriter(stream))
            {
                foreach (var line in Lines.TakeLast(Kept))
                    writer.Write(line + "\n");
            }

            File.Move(beside, _file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A console without a history file is still one.
        }
    }

    private static bool HasSecret(string text) =>
        text.Contains("password", StringComparison.OrdinalIgnoreCase) || (text.Contains("identified", StringComparison.OrdinalIgnoreCase) && text.Contains("by", StringComparison.OrdinalIgnoreCase));
}
