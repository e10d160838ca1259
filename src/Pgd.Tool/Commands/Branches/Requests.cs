namespace Pgd.Tool.Commands.Branches;

/// <summary>Makes domain values of what the options of branch commands say.</summary>
internal static class Requests
{
    public static Consistency Consistency(string? text) => text switch
    {
        "backup" => Pgd.Consistency.Backup,
        "none" => Pgd.Consistency.None,
        _ => Pgd.Consistency.Auto,
    };

    public static Dictionary<string, string> Labels(IReadOnlyList<string> texts)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in texts)
        {
            var parts = text.Split('=', 2);
            if (parts.Length != 2 || parts[0].Length == 0)
                throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a label", "Write it as KEY=VALUE, for example --label owner=ada.");
            labels[parts[0]] = parts[1];
        }

        return labels;
    }

    public static Anonymization? Anonymization(IReadOnlyList<string> files, Session session) =>
        files.Count == 0 ? null : new() { Files = [.. files.Select(file => ExistingFile(file, session))] };

    private static string ExistingFile(string file, Session session)
    {
        var path = Path.GetFullPath(file, session.WorkingDirectory);
        return File.Exists(path) ? path : throw new PgdException(ExitCode.Misuse, $"there is no file {file}", "Check the path given with --anonymize.");
    }
}
