using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Security.Cryptography.X509Certificates;
using Pgd.Postgres;

namespace Pgd.Tls;

/// <summary>By which names clients may call a branch's server. No name server is asked for them: it may be slow to answer, or not be there.</summary>
internal sealed record ServerNames(IReadOnlyList<string> Dns, IReadOnlyList<IPAddress> Addresses)
{
    /// <summary>libpq compares an address with certificates' addresses since version 15; before, with their names alone.</summary>
    public const string AddressForOldClients = "127.0.0.1";

    /// <summary>This machine's loopback and its own name, the address that the branch is published on, and this machine's others where that is not the loopback.</summary>
    public static ServerNames Of(string host)
    {
        SortedSet<string> names = new(StringComparer.OrdinalIgnoreCase) { "localhost", AddressForOldClients };
        Dictionary<string, IPAddress> addresses = new[] { IPAddress.Loopback, IPAddress.IPv6Loopback }.ToDictionary(a => a.ToString());
        var machine = System.Net.Dns.GetHostName();
        foreach (var name in (string[])[machine, machine.Split('.')[0], host])
        {
            if (IPAddress.TryParse(name, out var address))
                Add(address);
            else if (Uri.CheckHostName(name) == UriHostNameType.Dns)
                names.Add(new IdnMapping().GetAscii(name));
        }

        foreach (var address in Postgres.Addresses.IsLoopback(host) ? [] : NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address))
        {
            // Such an address means something with the interface's name only, which no certificate has.
            if (!address.IsIPv6LinkLocal)
                Add(address);
        }

        return new([.. names], [.. addresses.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => a.Value)]);

        void Add(IPAddress address) => addresses[address.ToString()] = address;
    }

    /// <summary>As a certificate says it.</summary>
    public X509Extension ToExtension()
    {
        var builder = new SubjectAlternativeNameBuilder();
        foreach (var name in Dns)
            builder.AddDnsName(name);
        foreach (var address in Addresses)
            builder.AddIpAddress(address);
        return builder.Build();
    }
}
