using System.CommandLine;

namespace Pgd.Tool.CommandLine;

/// <summary>The options that every command has.</summary>
internal sealed class CommonOptions
{
    public Option<string?> Root { get; } = new("--root") { Description = "Folder that holds all projects", HelpName = "DIR", Recursive = true };

    public Option<bool> Json { get; } = new("--json") { Description = "Print the result as JSON", Recursive = true };

    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Show no progress", Recursive = true };

    public Option<string?> WaitLock { get; } = new("--wait-lock")
    {
        Description = "How long to wait for another operation on the same branch (default 1m)",
        HelpName = "DURATION",
        Recursive = true,
    };

    public IEnumerable<Option> All => [Root, Json, Quiet, WaitLock];
}
