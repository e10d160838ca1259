using System.Diagnostics.CodeAnalysis;
using System.Runtime.Versioning;
using Xunit;

[assembly: SupportedOSPlatform("linux")]
[assembly: AssemblyFixture(typeof(Pgd.IntegrationTests.LabFixture))]

namespace Pgd.IntegrationTests;

/// <summary>What the tests need of this machine: file systems of their own and server binaries. Each is made when first asked for.</summary>
public sealed class Lab
{
    private Lab()
    {
    }

    /// <summary>The lab of this run.</summary>
    public static Lab Current { get; } = new();

    /// <summary>File systems on loop devices.</summary>
    public FileSystemLab FileSystems { get; } = new();

    /// <summary>PostgreSQL's server programs.</summary>
    public ServerBinariesLab Servers { get; } = new();

    /// <summary>A Docker engine.</summary>
    public DockerLab Docker { get; } = new();

    /// <summary>Datasets on a ZFS pool.</summary>
    public ZfsLab Zfs { get; } = new();

    /// <summary>The run's shared file system of a kind: <c>btrfs</c>, <c>xfs</c> (with reflinks) or <c>ext4</c>.</summary>
    public LoopFileSystem FileSystem(string kind) => FileSystems.Shared(kind);

    /// <summary>Says what a test needs of the machine: a desk may lack it, a build server may not.</summary>
    public static void Require([DoesNotReturnIf(false)] bool condition, string reason)
    {
        if (condition)
            return;
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI")))
            Assert.Skip(reason);
        Assert.Fail($"{reason} (CI is set: a missing prerequisite is a failure)");
    }
}

/// <summary>Ends the lab when xUnit has run the last test.</summary>
public sealed class LabFixture : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        // Its containers use what is on the file systems.
        Lab.Current.Docker.Dispose();
        Lab.Current.Zfs.Dispose();
        Lab.Current.FileSystems.Dispose();
    }
}
