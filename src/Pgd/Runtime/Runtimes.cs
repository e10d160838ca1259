using Pgd.Configuration;
using Pgd.Docker;
using Pgd.State;

namespace Pgd.Runtime;

/// <summary>The runtimes, in the order in which <c>auto</c> asks them.</summary>
internal sealed class Runtimes(HostConfiguration configuration, Layout layout)
{
    private readonly Lazy<Docker> _docker = new(() => new(layout, DockerEngine.At(Environment.GetEnvironmentVariable("DOCKER_HOST"))));

    public Native Native { get; } = new(configuration, layout);

    public Docker Docker => _docker.Value;

    public IReadOnlyList<IRuntime> All => [Native, Docker];

    /// <summary>Those that can be asked what they run. One that a project needs is among them whether it answers or not: not to know is an error.</summary>
    public IEnumerable<IRuntime> Asked(IEnumerable<ProjectRecord> projects) => All.Where(r => projects.Any(p => p.Runtime == r.Name) || r.Unavailable() is null);

    /// <summary>The runtime of that name.</summary>
    public IRuntime Named(string name) => name == Native.Name ? Native : All.FirstOrDefault(r => r.Name == name)
        ?? throw new PgdException(ExitCode.Misuse, $"there is no runtime \"{name}\"", $"Choose one of auto, {string.Join(", ", All.Select(r => r.Name))}.");

    /// <summary>The runtime of that name, or for <c>auto</c> the first that can be used: with an image Docker, else server programs of this machine where there are any.</summary>
    public IRuntime Choose(string? name, string? image)
    {
        var candidates = name is not (null or "auto") ? [Named(name)] : image is not null ? [Docker] : All;
        return candidates.FirstOrDefault(r => r.Unavailable() is null) ?? throw new PgdException(ExitCode.MachineLacks,
            string.Join("; ", candidates.Select(r => $"the runtime {r.Name} cannot be used: {r.Unavailable()}")),
            "Install PostgreSQL's server, for example: apt-get install postgresql; or Docker: apt-get install docker.io; or name the folder of its programs in config.yaml under postgres: binaries.");
    }
}
