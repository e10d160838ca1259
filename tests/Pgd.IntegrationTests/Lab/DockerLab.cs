using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>A Docker engine, this machine's own if it runs and else one of this run, and images with PostgreSQL made from the distribution's packages.</summary>
public sealed class DockerLab : IDisposable
{
    // Kept between runs, for the images in it.
    private const string Folder = "/var/cache/pgd-lab/docker", OwnSocket = "/var/cache/pgd-lab/docker/engine.sock";
    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(60);
    private readonly ConcurrentDictionary<int, Lazy<string>> _images = new();
    private readonly Lazy<string> _unavailable;
    private Process? _engine;
    private FileStream? _lock;

    internal DockerLab() => _unavailable = new(Begin);

    /// <summary>The engine's socket.</summary>
    public static string Socket => Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } host ? host["unix://".Length..] : "/var/run/docker.sock";

    /// <summary>Whether a test has asked for it: then containers count among what a root has.</summary>
    public bool IsUsed => _unavailable.IsValueCreated && _unavailable.Value.Length == 0;

    /// <summary>The image with a major version of PostgreSQL: 15 or 17.</summary>
    public string Image(int major)
    {
        Lab.Require(_unavailable.Value.Length == 0, $"There is no Docker engine: {_unavailable.Value}");
        var error = _images.GetOrAdd(major, static major => new(() => Make(major))).Value;
        Lab.Require(error.Length == 0, $"There is no image with PostgreSQL {major}: {error}");
        return $"pgd-test:{major}";
    }

    /// <summary>The image of a major version with what a script changes in it; the name says what that is.</summary>
    public string Variant(int major, string name, string script)
    {
        var (image, maker) = ($"{Image(major)}-{name}", $"pgd-test-{Guid.NewGuid():N}");
        // Images are kept between runs, and one without a name would be kept for ever.
        if (LabCommand.Try("docker", "image", "inspect", "--format", "{{.Comment}}", image) is (0, var comment, _))
        {
            if (comment.Trim() == script)
                return image;
            LabCommand.Run("docker", "image", "rm", image);
        }

        LabCommand.Run("docker", "run", "--name", maker, "--network", "none", "--entrypoint", "/bin/sh", Image(major), "-ec", script);
        LabCommand.Run("docker", "commit", "--message", script, maker, image);
        LabCommand.Run("docker", "rm", maker);
        return image;
    }

    /// <summary>What the engine has of a root, as its own client lists it: containers, and the ports that lead to them.</summary>
    public static IEnumerable<string> Listing(string root)
    {
        foreach (var line in LabCommand.Run("docker", "ps", "--all", "--filter", $"label=pgd.root={root}", "--format", "{{.Names}}\t{{.State}}\t{{.Ports}}").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = line.Split('\t');
            yield return $"container {fields[0]} {fields[1]}";
            foreach (var published in fields[2].Split(", ", StringSplitOptions.RemoveEmptyEntries).Where(port => port.Contains("->", StringComparison.Ordinal)))
                yield return $"port {published.Split("->")[0].Split(':')[^1]}";
        }

        foreach (var network in LabCommand.Run("docker", "network", "ls", "--filter", $"label=pgd.root={root}", "--format", "{{.Name}}").Split('\n', StringSplitOptions.RemoveEmptyEntries))
            yield return $"network {network}";
    }

    /// <summary>Ends the engine: by SIGKILL, or as its administrator would. Only one that this run has started itself.</summary>
    public void Stop(bool kill)
    {
        Lab.Require(_unavailable.Value.Length == 0, $"There is no Docker engine: {_unavailable.Value}");
        Lab.Require(_engine is not null, "The Docker engine is this machine's own, and not ours to end");
        End(kill ? "-KILL" : "-TERM");
        // Its helper ends with it. Where nobody takes notice of a dead process, the next engine would take it for alive and wait for it.
        File.Delete($"{Folder}/run/containerd/containerd.pid");
    }

    /// <summary>Starts the engine again.</summary>
    public void Restart()
    {
        if (Start() is { Length: > 0 } error)
            throw new InvalidOperationException(error);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_engine is not null)
            End("-TERM");
        _lock?.Dispose();
    }

    private void End(string signal)
    {
        LabCommand.Try("kill", signal, _engine!.Id.ToString(CultureInfo.InvariantCulture));
        _engine.WaitForExit();
        _engine.Dispose();
        _engine = null;
    }

    private string Begin()
    {
        if (!LabCommand.Exists("docker"))
            return "there is no program docker to look at it with";
        if (LabCommand.Try("docker", "version").Status == 0)
            return "";
        if (!Environment.IsPrivilegedProcess || !LabCommand.Exists("dockerd"))
            return "docker version says that none answers, and there is no dockerd to start, or we are not root";
        Directory.CreateDirectory(Folder);
        // Others may pass through to the socket.
        File.SetUnixFileMode(Folder, LabFolder.Traversable);
        _lock = LabFolder.WaitForLock($"{Folder}/lock");
        return Start();
    }

    private string Start()
    {
        // Its own output would come between the tests'.
        _engine = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"exec dockerd --data-root {Folder}/data --exec-root {Folder}/run --pidfile {Folder}/pid --host unix://{OwnSocket} >{Folder}/log 2>&1 </dev/null"]))!;
        // For this process and all that it starts.
        Environment.SetEnvironmentVariable("DOCKER_HOST", $"unix://{OwnSocket}");
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < LongestStart && !_engine.HasExited; Thread.Sleep(50))
        {
            if (LabCommand.Try("docker", "version").Status == 0)
                return "";
        }

        return $"dockerd does not answer: {File.ReadLines($"{Folder}/log").LastOrDefault()}";
    }

    private static string Make(int major)
    {
        var (status, _, error) = LabCommand.Try("bash", Path.Combine(Checkout.Folder, "build", "docker-image.sh"), major.ToString(CultureInfo.InvariantCulture));
        return status == 0 ? "" : error.Trim();
    }
}
