using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>A network with machines on it that have nothing but their addresses there and a loopback interface of their own: namespaces on a bridge.</summary>
internal sealed class PrivateNetwork : IDisposable
{
    private static int _networks = Environment.ProcessId;
    private readonly string _name, _prefix;
    private readonly List<string> _namespaces = [];

    public PrivateNetwork()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "network namespaces need root");
        Lab.Require(LabCommand.Exists("ip"), "ip (the package iproute2) is not installed");
        var number = Interlocked.Increment(ref _networks) & 0xffff;
        _name = string.Create(CultureInfo.InvariantCulture, $"pgd{number:x4}");
        _prefix = string.Create(CultureInfo.InvariantCulture, $"10.{128 + (number >> 8 & 0x7f)}.{number & 0xff}");
        var (status, _, error) = LabCommand.Try("ip", "link", "add", _name, "type", "bridge");
        Lab.Require(status == 0, $"this machine can make no bridge: {error.Trim()}");
        LabCommand.Run("ip", "address", "add", $"{Address}/24", "dev", _name);
        LabCommand.Run("ip", "link", "set", _name, "up");
    }

    /// <summary>Where its machines reach this process.</summary>
    public string Address => $"{_prefix}.1";

    /// <summary>Its addresses.</summary>
    public string Subnet => $"{_prefix}.0/24";

    /// <summary>Adds a machine. Returns its address, and what to run a program on it through.</summary>
    public (string Address, IReadOnlyList<string> Through) AddMachine()
    {
        var number = _namespaces.Count + 2;
        var (space, port) = ($"{_name}-{number}", $"{_name}p{number}");
        var address = $"{_prefix}.{number}";
        LabCommand.Run("ip", "netns", "add", space);
        _namespaces.Add(space);
        LabCommand.Run("ip", "link", "add", port, "master", _name, "type", "veth", "peer", "name", "eth0", "netns", space);
        LabCommand.Run("ip", "link", "set", port, "up");
        foreach (var arguments in (string[][])[["address", "add", $"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]])
            LabCommand.Run("ip", ["-netns", space, .. arguments]);
        return (address, ["ip", "netns", "exec", space]);
    }

    /// <summary>Removes the network. What runs on its machines has to have ended.</summary>
    public void Dispose()
    {
        foreach (var space in _namespaces)
            LabCommand.Try("ip", "netns", "delete", space);
        LabCommand.Try("ip", "link", "delete", _name);
    }
}
