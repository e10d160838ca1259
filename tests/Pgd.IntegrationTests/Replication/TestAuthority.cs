using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Pgd.IntegrationTests.Branches;

namespace Pgd.IntegrationTests.Replication;

/// <summary>An authority that signs what a test needs, with its certificate in a file.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    /// <param name="name">Its name.</param>
    /// <param name="folder">Where its certificate goes, in a file that everybody may read.</param>
    public TestAuthority(string name, string folder)
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        Certificate = Path.Combine(folder, $"{name}.crt");
        File.WriteAllText(Certificate, Pem);
    }

    /// <summary>The file.</summary>
    public string Certificate { get; }

    /// <summary>What is in it.</summary>
    public string Pem => _certificate.ExportCertificatePem() + "\n";

    /// <summary>Signs a certificate.</summary>
    /// <param name="name">Whose.</param>
    /// <param name="host">Its host name; null for a client.</param>
    /// <param name="passphrase">What its key is locked with; null for nothing.</param>
    public (string Certificate, string Key) Sign(string name, string? host = null, string? passphrase = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        if (host is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(host);
            request.CertificateExtensions.Add(names.Build());
        }

        using var signed = request.Create(_certificate, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(29), RandomNumberGenerator.GetBytes(8));
        return (signed.ExportCertificatePem() + "\n", (passphrase is null ? key.ExportPkcs8PrivateKeyPem() : key.ExportEncryptedPkcs8PrivateKeyPem(passphrase, new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 10_000))) + "\n");
    }

    /// <summary>Has a server encrypt, with a certificate for a host, and know clients by ours; who may log in is said as in pg_hba.conf.</summary>
    public void Encrypt(ScratchServer server, string host, params IReadOnlyList<string> rules)
    {
        var (certificate, key) = Sign(host, host);
        foreach (var (name, text) in (IEnumerable<(string, string)>)[("server.crt", certificate), ("server.key", key), ("ca.crt", Pem)])
        {
            var file = Path.Combine(server.Data, name);
            File.WriteAllText(file, text);
            LabCommand.Run("chown", "postgres", file);
            LabCommand.Run("chmod", "600", file);
        }

        File.AppendAllLines(Path.Combine(server.Data, "postgresql.conf"), ["ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", "ssl_ca_file = 'ca.crt'"]);
        if (rules.Count > 0)
            File.WriteAllLines(Path.Combine(server.Data, "pg_hba.conf"), rules);
        server.Stop();
        server.Start();
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }
}
