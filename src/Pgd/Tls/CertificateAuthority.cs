using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Tls;

/// <summary>
/// The certificate authority of this root. Its key derives from the host key, so whoever may know the branches' passwords can sign, nobody else, and
/// no further secret is stored. Its certificate is in a file that every account can read.
/// </summary>
internal sealed class CertificateAuthority(Layout layout, HostKey hostKey, OperatingSystemLocks locks, TimeProvider clock)
{
    private const int Years = 20;
    // From 826 days on some clients accept a certificate of no authority.
    private static readonly TimeSpan Life = TimeSpan.FromDays(820), Left = TimeSpan.FromDays(400), Skew = TimeSpan.FromHours(1);

    /// <summary>
    /// A certificate with its key, in one file's text, for the server of these names: the one that it has, if that will do. A server reads it when it
    /// starts and may then run for long, so one that is half-way through its life is not kept.
    /// </summary>
    public async Task<string> IssueAsync(string server, ServerNames names, string? present, CancellationToken cancellationToken)
    {
        using var key = Key();
        X509Certificate2 certificate;
        using (await locks.AcquireAsync(cancellationToken, LockRequest.CertificateAuthority).ConfigureAwait(false))
            certificate = FindOrMake(key, names);
        using (certificate)
            return present is not null && WillDo(present, names, certificate) ? present : Issue(server, names, certificate, key);
    }

    private X509Certificate2 FindOrMake(ECDsa key, ServerNames names)
    {
        var now = clock.GetUtcNow();
        var (found, constraints) = (Read(key), NameConstraints.Private);
        if (found is not null)
        {
            constraints = NameConstraints.Of(found);
            if (constraints.Permit(names) && found.NotAfter.ToUniversalTime() > now.UtcDateTime + Life)
                return found;
            found.Dispose();
        }

        // Key and name stay, so that what was signed before is good under the new one as well.
        var request = new CertificateRequest($"CN=pgd CA {Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()))[..8]}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(constraints.With(names).ToExtension());
        using var signed = request.CreateSelfSigned(now - Skew, now.AddYears(Years));
        var made = X509CertificateLoader.LoadCertificate(signed.RawDataMemory.Span);
        Write(made.ExportCertificatePem() + "\n");
        return made;
    }

    private X509Certificate2? Read(ECDsa key)
    {
        try
        {
            if (!File.Exists(layout.CertificateAuthority))
                return null;
            var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(layout.CertificateAuthority));
            if (certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
                return certificate;
            certificate.Dispose();
            return null;
        }
        catch (CryptographicException)
        {
            // Damaged. It can be had again.
            return null;
        }
    }

    private void Write(string text)
    {
        var beside = layout.CertificateAuthority + ".new";
        File.Delete(beside);
        const UnixFileMode readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        using (var file = Libc.CreateNew(beside, readable))
        {
            // A umask takes it away from the others.
            File.SetUnixFileMode(file, readable);
            RandomAccess.Write(file, System.Text.Encoding.ASCII.GetBytes(text), 0);
            RandomAccess.FlushToDisk(file);
        }

        File.Move(beside, layout.CertificateAuthority, overwrite: true);
    }

    private bool WillDo(string present, ServerNames names, X509Certificate2 authority)
    {
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(present, present);
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(authority);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            chain.ChainPolicy.VerificationTime = (clock.GetUtcNow() + Left).LocalDateTime;
            return certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()?.RawData.AsSpan().SequenceEqual(names.ToExtension().RawData) == true && chain.Build(certificate);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private string Issue(string server, ServerNames names, X509Certificate2 authority, ECDsa authoritysKey)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={server}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1" /* serverAuth */)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(authority.Extensions.OfType<X509SubjectKeyIdentifierExtension>().First()));
        request.CertificateExtensions.Add(names.ToExtension());
        var serial = RandomNumberGenerator.GetBytes(16);
        // Positive, and of one length.
        serial[0] = (byte)((serial[0] & 0x3F) | 0x40);
        var (from, now) = (new DateTimeOffset(authority.NotBefore.ToUniversalTime()), clock.GetUtcNow());
        using var certificate = request.Create(authority.SubjectName, X509SignatureGenerator.CreateForECDsa(authoritysKey), from > now - Skew ? from : now - Skew, now + Life - Skew, serial);
        return $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n";
    }

    private ECDsa Key()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = hostKey.Derive($"certificate authority {attempt}") });
            }
            catch (CryptographicException) when (attempt < 3)
            {
                // One number in four billion is not one of the curve's.
            }
        }
    }
}
