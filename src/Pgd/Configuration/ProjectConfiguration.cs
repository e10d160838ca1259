namespace Pgd.Configuration;

/// <summary>What a host says about one project: a section of <c>projects:</c> in its configuration.</summary>
public sealed record ProjectConfiguration
{
    internal static ProjectConfiguration Nothing { get; } = new();

    /// <summary>
    /// PostgreSQL's settings for the servers of its branches, <c>main</c> included, from their next start on. They come before those in the data directory; what keeps a
    /// branch apart from its source, and what pgd reaches it by, is not among them.
    /// </summary>
    public IReadOnlyDictionary<string, ServerSetting> Settings { get; init; } = new Dictionary<string, ServerSetting>();

    internal ProjectConfiguration Over(ProjectConfiguration below) => new()
    {
        Settings = new Dictionary<string, ServerSetting>(below.Settings.Where(s => !Settings.ContainsKey(s.Key)).Concat(Settings)),
    };
}

/// <summary>A setting of a server.</summary>
/// <param name="Value">What it is set to.</param>
/// <param name="Source">Who says so: a file and the line.</param>
public sealed record ServerSetting(string Value, string Source);
