using System.Diagnostics;
using Pgd.Provisioning;
using Xunit;

namespace Pgd.Tests.Provisioning;

/// <summary>The mount script runs as root for whoever is in the group: what it is given is refused before anything is asked or done.</summary>
public sealed class MountScriptNames : IDisposable
{
    private const int Misuse = 2;
    private readonly string _file = Path.GetTempFileName();

    // Refused names never get as far as to zfs; others fail there, or where it is missing.
    public MountScriptNames() => File.WriteAllText(_file, MountScript.Text("tank/pgd", "/nonexistent/zfs"));

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("mount", "tank/pgd")]
    [InlineData("mount", "tank/pgd/")]
    [InlineData("mount", "tank/pgd/shop")]
    [InlineData("mount", "tank/pgd/shop/main")]
    [InlineData("mount", "tank/pgd/shop/g1")]
    [InlineData("mount", "tank/pgd/shop/main/g1/g2")]
    [InlineData("mount", "tank/pgd/shop/main/g1/")]
    [InlineData("mount", "tank/pgd//main/g1")]
    [InlineData("mount", "tank/pgd/shop//g1")]
    [InlineData("mount", "/tank/pgd/shop/main/g1")]
    [InlineData("mount", "tank/pgd/../main/g1")]
    [InlineData("mount", "tank/pgd/shop/../g1")]
    [InlineData("mount", "tank/pgd/./main/g1")]
    [InlineData("mount", "tank/pgd/shop/main/..")]
    [InlineData("mount", "tank/pgd/shop/main/g1.")]
    [InlineData("mount", "tank/pgd/shop/main/g1..")]
    [InlineData("mount", "tank/pgd/shop/main/g1./x")]
    [InlineData("mount", "tank/pgd/shop/main/g")]
    [InlineData("mount", "tank/pgd/shop/main/g1x")]
    [InlineData("mount", "tank/pgd/shop/main/s")]
    [InlineData("mount", "tank/pgd/shop/main/s.wal")]
    [InlineData("mount", "tank/pgd/shop/main/s0a1b2cx")]
    [InlineData("mount", "tank/pgd/shop/main/gs1")]
    [InlineData("mount", "tank/pgd/shop/main/h1")]
    [InlineData("mount", "tank/pgd/shop/main/1")]
    [InlineData("mount", "tank/pgd/shop/main/g1@snapshot")]
    [InlineData("mount", "tank/pgd/shop/main/g1#bookmark")]
    [InlineData("mount", "tank/pgd/shop/main/g1 ")]
    [InlineData("mount", "tank/pgd/shop/main/g1\n")]
    [InlineData("mount", "tank/pgd/shop/main/g1\ntank/pgd/shop/main/g1")]
    [InlineData("mount", "tank/pgd/shop/main/g1;id")]
    [InlineData("mount", "tank/pgd/shop/main/$(id)")]
    [InlineData("mount", "tank/pgd/shop/*/g1")]
    [InlineData("mount", "tank/pgd/SHOP/main/g1")]
    [InlineData("mount", "tank/pgd/shöp/main/g1")]
    [InlineData("mount", "tank/pgd/-o/main/g1")]
    [InlineData("mount", "tank/pgd/shop/.zfs/g1")]
    [InlineData("mount", "tank/other/shop/main/g1")]
    [InlineData("mount", "tank/pgdx/shop/main/g1")]
    [InlineData("mount", "other/pgd/shop/main/g1")]
    [InlineData("mount", "")]
    [InlineData("mount", "-a")]
    [InlineData("mount", "--help")]
    [InlineData("unmount", "/")]
    [InlineData("unmount", "tank/pgd/shop/main/../../../..")]
    [InlineData("umount", "tank/pgd/shop/main/g1")]
    [InlineData("-a", "tank/pgd/shop/main/g1")]
    [InlineData("", "tank/pgd/shop/main/g1")]
    [InlineData("mount")]
    [InlineData("mount", "-f", "tank/pgd/shop/main/g1")]
    [InlineData("mount", "tank/pgd/shop/main/g1", "/etc")]
    [InlineData]
    public void What_is_no_volume_is_refused(params string[] arguments)
    {
        var (status, error) = Run(arguments);

        Assert.Equal(Misuse, status);
        Assert.StartsWith("pgd-zfs: ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tank/pgd/shop/main/g1")]
    [InlineData("tank/pgd/shop/pr-42-0a1b2c3d/g12")]
    [InlineData("tank/pgd/shop/main/g1.wal")]
    [InlineData("tank/pgd/shop/main/s0a1b2c3d4e5f")]
    [InlineData("tank/pgd/shop/main/s0a1b2c3d4e5f.wal")]
    [InlineData("tank/pgd/shop/main/g1.16400")]
    public void A_volume_s_name_is_understood(string dataset)
    {
        Assert.NotEqual(Misuse, Run("mount", dataset).Status);
        // Nothing is mounted, so there is nothing to do.
        Assert.Equal((0, ""), Run("unmount", dataset));
    }

    private (int Status, string Error) Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", [_file, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
