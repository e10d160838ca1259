using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Pgd.Tls;

/// <summary>
/// For which names an authority may speak (RFC 5280, section 4.2.1.10). Whoever may make branches can sign, and somebody may come to trust the
/// authority for more than branches: it must be worth nothing for anybody else's name.
/// </summary>
internal sealed record NameConstraints(IReadOnlyList<string> Dns, IReadOnlyList<IPNetwork> Networks)
{
    public const string Oid = "2.5.29.30";

    /// <summary>What is nobody's outside: the loopback, and the networks that anybody may number as they like.</summary>
    public static NameConstraints Private { get; } = new(["localhost", ServerNames.AddressForOldClients],
        [.. new[] { "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10" }.Select(IPNetwork.Parse)]);

    private static Asn1Tag Permitted { get; } = new(TagClass.ContextSpecific, 0);

    private static Asn1Tag DnsName { get; } = new(TagClass.ContextSpecific, 2);

    private static Asn1Tag Address { get; } = new(TagClass.ContextSpecific, 7);

    public bool Permit(ServerNames names) => names.Dns.All(Permits) && names.Addresses.All(Permits);

    /// <summary>The same, with what these names need.</summary>
    public NameConstraints With(ServerNames names) => new(
        [.. Dns, .. names.Dns.Where(name => !Permits(name))],
        [.. Networks, .. names.Addresses.Where(address => !Permits(address)).Select(Around)]);

    public X509Extension ToExtension()
    {
        var asn = new AsnWriter(AsnEncodingRules.DER);
        using (asn.PushSequence())
        using (asn.PushSequence(Permitted))
        {
            foreach (var name in Dns)
            {
                using (asn.PushSequence())
                    asn.WriteCharacterString(UniversalTagNumber.IA5String, name, DnsName);
            }

            foreach (var network in Networks)
            {
                var address = network.BaseAddress.GetAddressBytes();
                using (asn.PushSequence())
                    asn.WriteOctetString([.. address, .. Mask(address.Length, network.PrefixLength)], Address);
            }
        }

        return new(Oid, asn.Encode(), critical: true);
    }

    /// <summary>What a certificate of ours says.</summary>
    public static NameConstraints Of(X509Certificate2 certificate)
    {
        var (dns, networks) = (new List<string>(), new List<IPNetwork>());
        var permitted = new AsnReader(certificate.Extensions[Oid]?.RawData ?? new byte[] { 0x30, 2, 0xa0, 0 }, AsnEncodingRules.DER).ReadSequence().ReadSequence(Permitted);
        while (permitted.HasData)
        {
            var subtree = permitted.ReadSequence();
            if (subtree.PeekTag().HasSameClassAndValue(DnsName))
                dns.Add(subtree.ReadCharacterString(UniversalTagNumber.IA5String, DnsName));
            else if (subtree.ReadOctetString(Address) is var bytes)
                networks.Add(new(new IPAddress(bytes.AsSpan(0, bytes.Length / 2)), bytes.Skip(bytes.Length / 2).Sum(b => int.PopCount(b))));
        }

        return new(dns, networks);
    }

    // A name permits those below it as well.
    private bool Permits(string name) => Dns.Any(d => name.Equals(d, StringComparison.OrdinalIgnoreCase) || name.EndsWith("." + d, StringComparison.OrdinalIgnoreCase));

    private bool Permits(IPAddress address) => Networks.Any(network => network.Contains(address));

    // A machine that moves inside its own network, as one with IPv6 does every day, needs no other certificate.
    private static IPNetwork Around(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        if (bytes.Length == 4)
            return new(address, 32);
        bytes.AsSpan(8).Clear();
        return new(new IPAddress(bytes), 64);
    }

    private static IEnumerable<byte> Mask(int length, int bits) => Enumerable.Range(0, length).Select(i => (byte)(0xFF00 >> Math.Clamp(bits - (8 * i), 0, 8)));
}
