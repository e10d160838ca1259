using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Pgd.State;
using Pgd.Tests.Action;
using Pgd.Tests.Libpq;
using Pgd.Tls;
using Xunit;

namespace Pgd.Tests.Tls;

public sealed class Certificates : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;
    private static readonly ServerNames Local = new(["localhost", "127.0.0.1"], [IPAddress.Loopback, IPAddress.IPv6Loopback]);
    private readonly TemporaryFolder _folder = new();

    private Layout Layout => new(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_server_gets_a_certificate_that_its_authority_vouches_for_and_keeps_it()
    {
        var present = await IssueAsync(Local);

        Assert.True(IsVouchedFor(present));
        Assert.Equal(present, await IssueAsync(Local, present));
        using var certificate = X509Certificate2.CreateFromPem(present, present);
        Assert.Equal(Local.Addresses, certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().EnumerateIPAddresses());
        Assert.True(certificate.NotAfter - certificate.NotBefore <= TimeSpan.FromDays(825));
        Assert.DoesNotContain("PRIVATE", File.ReadAllText(Layout.CertificateAuthority), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_gets_another_certificate_when_its_names_its_time_or_the_authority_call_for_it()
    {
        var present = await IssueAsync(Local);

        var moved = Local with { Addresses = [.. Local.Addresses, IPAddress.Parse("10.1.2.3")] };
        Assert.NotEqual(present, await IssueAsync(moved, present));
        Assert.Equal(present, await IssueAsync(Local, present, Now.AddDays(400)));
        Assert.NotEqual(present, await IssueAsync(Local, present, Now.AddDays(430)));
        Assert.NotEqual(present, await IssueAsync(Local, "torn"));
        Assert.NotEqual(present, await IssueAsync(Local, present[..(present.Length / 2)]));

        File.Delete(Layout.HostKey);
        var other = await IssueAsync(Local, present);
        Assert.NotEqual(present, other);
        Assert.True(IsVouchedFor(other));
        Assert.False(IsVouchedFor(present));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("torn")]
    public async Task An_authority_whose_file_is_lost_is_the_same_again(string? content)
    {
        var present = await IssueAsync(Local);
        File.Delete(Layout.CertificateAuthority);
        if (content is not null)
            File.WriteAllText(Layout.CertificateAuthority, content);

        Assert.Equal(present, await IssueAsync(Local, present));
        Assert.True(IsVouchedFor(present));
    }

    [Fact]
    public async Task An_authority_that_will_end_first_is_renewed_and_what_it_signed_stays_good()
    {
        await IssueAsync(Local);
        var (before, late) = (Authority().NotAfter, Now.AddYears(17));
        var present = await IssueAsync(Local, null, late);
        Assert.Equal(before, Authority().NotAfter);

        var later = await IssueAsync(Local, present, late.AddDays(399));

        Assert.True(Authority().NotAfter > before);
        Assert.Equal(present, later);
        Assert.True(IsVouchedFor(present, late.AddDays(400)));
    }

    [Fact]
    public async Task An_authority_learns_names_and_forgets_none()
    {
        var local = await IssueAsync(Local);
        var alone = File.ReadAllText(Layout.CertificateAuthority);
        // An address in its own network is nobody's outside.
        await IssueAsync(Local with { Addresses = [IPAddress.Parse("192.168.7.7"), IPAddress.Parse("fd00::7")] });
        Assert.Equal(alone, File.ReadAllText(Layout.CertificateAuthority));

        var named = await IssueAsync(new(["db.example.com"], [IPAddress.Parse("203.0.113.9"), IPAddress.Parse("2001:db8::7")]));
        var known = File.ReadAllText(Layout.CertificateAuthority);
        var further = await IssueAsync(new(["other.example.org"], []));

        Assert.NotEqual(alone, known);
        Assert.All([local, named, further], text => Assert.True(IsVouchedFor(text)));
        // What it knows already, and what is as near.
        var text = File.ReadAllText(Layout.CertificateAuthority);
        await IssueAsync(new(["DB.example.com", "replica.db.example.com"], [IPAddress.Parse("203.0.113.9"), IPAddress.Parse("2001:db8::8")]));
        Assert.Equal(text, File.ReadAllText(Layout.CertificateAuthority));
    }

    [Theory]
    [InlineData("example.com", null)]
    [InlineData("notlocalhost", null)]
    [InlineData("localhost.example.com", null)]
    [InlineData("localhost", "203.0.113.9")]
    [InlineData("localhost", "2001:db8::7")]
    public async Task Whoever_has_the_authoritys_key_cannot_speak_for_others(string name, string? address)
    {
        await IssueAsync(Local);
        using var authority = Authority();

        Assert.True(IsVouchedFor(Forge("localhost", "127.0.0.1")));
        Assert.False(IsVouchedFor(Forge(name, address)));

        // With the key that everybody who may make branches can derive.
        string Forge(string name, string? address)
        {
            using var key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = new HostKey(Layout).Derive("certificate authority 0") });
            using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=forged", own, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(name);
            if (address is not null)
                names.AddIpAddress(IPAddress.Parse(address));
            request.CertificateExtensions.Add(names.Build());
            using var forged = request.Create(authority.SubjectName, X509SignatureGenerator.CreateForECDsa(key), Now, Now.AddDays(1), [1]);
            return forged.ExportCertificatePem();
        }
    }

    [Fact]
    public void The_names_of_a_server_are_those_that_clients_may_use()
    {
        var (local, named, published) = (ServerNames.Of("127.0.0.1"), ServerNames.Of("db.example.com"), ServerNames.Of("203.0.113.9"));

        Assert.Contains("localhost", local.Dns);
        Assert.Contains(Dns.GetHostName(), local.Dns, StringComparer.OrdinalIgnoreCase);
        Assert.Equal([IPAddress.Loopback, IPAddress.IPv6Loopback], local.Addresses);
        Assert.Contains("db.example.com", named.Dns);
        Assert.Contains(IPAddress.Parse("203.0.113.9"), published.Addresses);
        Assert.Contains("xn--mnchen-3ya", ServerNames.Of("münchen").Dns);
    }

    private Task<string> IssueAsync(ServerNames names, string? present = null, DateTimeOffset? at = null) =>
        new CertificateAuthority(Layout, new HostKey(Layout), new(Layout, TimeSpan.FromSeconds(10), SilentReporter.Instance), new FakeTime(at ?? Now))
            .IssueAsync("pgd-0123456789ab-g1", names, present, CancellationToken.None);

    private X509Certificate2 Authority() => X509Certificate2.CreateFromPem(File.ReadAllText(Layout.CertificateAuthority));

    private bool IsVouchedFor(string pem, DateTimeOffset? at = null)
    {
        using var certificate = X509Certificate2.CreateFromPem(pem);
        using var authority = Authority();
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = (at ?? Now.AddHours(1)).LocalDateTime;
        return chain.Build(certificate);
    }
}
