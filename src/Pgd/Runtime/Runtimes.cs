using Pgd.Configuration;
using Pgd.State;

namespace Pgd.Runtime;

/// <summary>The runtimes, in the order in which <c>auto</c> asks them.</summary>
internal sealed class Runtimes(HostConfiguration configuration, Layout layout)
{
    public Native Native { get; } = new(configuration, layout);

    public IReadOnlyList<IRuntime> All => [Native];

    /// <summary>The runtime of that name.</summary>
    public IRuntime Named(string name) => All.FirstOrDefault(r => r.Name == name)
        ?? throw new PgdException(ExitCode.Misuse, $"there is no runtime \"{name}\"", $"Choose one of auto, {string.Join(", ", All.Select(r => r.Name))}.");

    /// <summary>The runtime of that name, or for <c>auto</c> the first that can be used.</summary>
    public IRuntime Choose(string? name)
    {
        var candidates = name is null or "auto" ? All : [Named(name)];
        return candidates.FirstOrDefault(r => r.Unavailable() is null) ?? throw new PgdException(ExitCode.MachineLacks,
            string.Join("; ", candidates.Select(r => $"the runtime {r.Name} cannot be used: {r.Unavailable()}")),
            "Install PostgreSQL's server, for example: apt-get install postgresql; or name the folder of its programs in config.yaml under postgres: binaries.");
    }
}
