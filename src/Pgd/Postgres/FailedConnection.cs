using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;
using Pgd.Libpq;

namespace Pgd.Postgres;

/// <summary>Why a server could not be reached, in our words, with what to type.</summary>
internal static class FailedConnection
{
    private const string Rules = "its pg_hba.conf says who may log in from where", Unknown = "If it does not know who signed the client's certificate (sslcert), that has to be in its ssl_ca_file.";

    /// <summary>What a failure to connect means.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="e">What was thrown.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The error; what was thrown if it is about something else.</returns>
    public static async Task<Exception> OfAsync(ConnectionUrl url, Exception e, CancellationToken cancellationToken)
    {
        if (e is PostgresException refused)
            return Refused(url, refused);
        var causes = Causes(e).ToList();
        // What is below others is a word of TLS. An argument is wrong if the key is another certificate's.
        var isOfCertificate = e is CryptographicException || (e is ArgumentException && url.Parameters.ContainsKey("sslcert"));
        if (!isOfCertificate && !causes.Exists(cause => cause is NpgsqlException or SocketException or TimeoutException or AuthenticationException or IOException or UnauthorizedAccessException))
            return e;
        if (causes.OfType<SocketException>().FirstOrDefault() is { } socket)
            return Unreachable(url, socket);
        if (causes.Exists(cause => cause is TimeoutException))
        {
            return new PgdException(ExitCode.Failed, $"cannot connect to {url}: it did not answer within {url.ToNpgsql().Timeout} s",
                "Check host and port, and whether a firewall lets this machine through. To wait longer: connect_timeout=60 in the URL.", e);
        }

        if (FileFault(url) is { } missing)
            return missing;
        if (isOfCertificate)
        {
            return new PgdException(ExitCode.Misuse, $"cannot connect to {url}: the client's certificate and its key cannot be read, or are not of each other",
                "Name both as PEM files: sslcert=FILE and sslkey=FILE; a key with a passphrase needs sslpassword as well.", e);
        }

        if (causes.Exists(cause => cause is AuthenticationException) && await CertificateFaultAsync(url, e, cancellationToken) is { } fault)
            return fault;
        if (e is NpgsqlException { InnerException: null } && IsEncrypted(url))
            return new PgdException(ExitCode.Failed, $"cannot connect to {url}: the server does not encrypt connections", "Turn it on there (ssl = on, with ssl_cert_file and ssl_key_file); or do without it: sslmode=prefer", e);
        return new PgdException(ExitCode.Failed, $"cannot connect to {url}: {ScriptConnection.Innermost(e)}", url.Parameters.ContainsKey("sslcert") ? Unknown : null, e);
    }

    private static PgdException Refused(ConnectionUrl url, PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword => new(ExitCode.Failed, $"{url} refuses the login: {e.MessageText}", "Check user and password; --password-stdin reads the password from standard input, and ~/.pgpass is read as well.", e),
        PostgresErrorCodes.InvalidAuthorizationSpecification when url.Parameters.GetValueOrDefault("sslmode") == "disable" => new(ExitCode.Failed, $"{url} refuses the login: {e.MessageText}", $"If it takes encrypted connections only, leave out sslmode=disable. Else check the user; {Rules}.", e),
        PostgresErrorCodes.InvalidAuthorizationSpecification when url.Parameters.ContainsKey("sslcert") => new(ExitCode.Failed, $"{url} refuses the login: {e.MessageText}", $"Check the user, and whether the client's certificate (sslcert) is signed by who is in the server's ssl_ca_file; {Rules}.", e),
        PostgresErrorCodes.InvalidAuthorizationSpecification => new(ExitCode.Failed, $"{url} refuses the login: {e.MessageText}", $"Check user and password; {Rules}. If it demands a certificate of the client: sslcert=FILE and sslkey=FILE in the URL.", e),
        PostgresErrorCodes.InvalidCatalogName => new(ExitCode.NotFound, $"cannot connect to {url}: {e.MessageText}", inner: e),
        _ => new(ExitCode.Failed, $"cannot connect to {url}: {e.MessageText}", inner: e),
    };

    private static PgdException Unreachable(ConnectionUrl url, SocketException e) => e.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => new(ExitCode.Failed, $"cannot connect to {url}: {e.Message}", "Check the name of the host, and whether it is known on this machine.", e),
        SocketError.ConnectionRefused => new(ExitCode.Failed, $"cannot connect to {url}: {e.Message}", "Check host and port, and whether the server runs and listens there (listen_addresses).", e),
        // That is what a socket that is not there is called.
        SocketError.AddressNotAvailable when url.Hosts.Any(host => host.IsSocket) => new(ExitCode.Failed, $"cannot connect to {url}: there is no socket of a server", "Check folder and port, and whether the server runs (unix_socket_directories).", e),
        // With a word of it that is not heard any more.
        SocketError.ConnectionReset when url.Parameters.ContainsKey("sslcert") => new(ExitCode.Failed, $"cannot connect to {url}: {e.Message}", Unknown, e),
        _ => new(ExitCode.Failed, $"cannot connect to {url}: {e.Message}", "Check host and port, and whether a firewall lets this machine through.", e),
    };

    // What libpq would say first as well.
    private static PgdException? FileFault(ConnectionUrl url)
    {
        var mode = url.Parameters.GetValueOrDefault("sslmode");
        string[] files = mode == "disable" ? [] : mode is "verify-ca" or "verify-full" || url.ToNpgsql().SslMode == SslMode.VerifyCA ? ["sslrootcert", "sslcert", "sslkey"] : ["sslcert", "sslkey"];
        foreach (var keyword in files)
        {
            if (url.Parameters.GetValueOrDefault(keyword) is not { } file || file == "system")
                continue;
            try
            {
                using var opened = File.OpenRead(file);
                if (keyword == "sslrootcert" && RootsIn(file).Count == 0)
                    return new(ExitCode.Misuse, $"cannot connect to {url}: sslrootcert has no certificate in it", "Name the PEM file with the certificate of the server's authority: sslrootcert=FILE");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return new(ExitCode.Misuse, $"cannot connect to {url}: {keyword} cannot be read: {e.Message}", $"Name a file that is there and may be read: {keyword}=FILE", e);
            }
        }

        return null;
    }

    private static X509Certificate2Collection RootsIn(string file)
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(file);
        }
        catch (CryptographicException)
        {
            // There is none in it.
        }

        return roots;
    }

    // Npgsql says only that it does not trust it. Nothing is sent to a server that is not trusted: it shows its certificate, and is left.
    private static async Task<PgdException?> CertificateFaultAsync(ConnectionUrl url, Exception e, CancellationToken cancellationToken)
    {
        PgdException? fault = null;
        var builder = url.ToNpgsql();
        (builder.SslMode, builder.RootCertificate) = (SslMode.Require, null);
        var source = new NpgsqlDataSourceBuilder(builder.ConnectionString).UseSslClientAuthenticationOptionsCallback(options => options.RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
        {
            if (shown is not null)
                fault = CertificateFault(url, shown, chain?.ChainPolicy.ExtraStore ?? [], errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch), e);
            return false;
        }).Build();
        await using (source)
        {
            try
            {
                await using var connection = source.CreateConnection();
                await connection.OpenAsync(cancellationToken);
            }
            catch (Exception left) when (left is NpgsqlException or AuthenticationException or TimeoutException or IOException)
            {
                // As meant.
            }
        }

        return fault;
    }

    private static PgdException? CertificateFault(ConnectionUrl url, X509Certificate shown, X509Certificate2Collection further, bool isOfAnotherName, Exception e)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(shown.GetRawCertData());
        using var chain = new X509Chain();
        (chain.ChainPolicy.RevocationMode, chain.ChainPolicy.DisableCertificateDownloads) = (X509RevocationMode.NoCheck, true);
        chain.ChainPolicy.ExtraStore.AddRange(further);
        var root = url.Parameters.GetValueOrDefault("sslrootcert") is { } file and not "system" ? file : null;
        if (root is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(RootsIn(root));
        }

        if (!chain.Build(certificate))
        {
            return Array.Exists(chain.ChainStatus, status => status.Status == X509ChainStatusFlags.NotTimeValid)
                ? new(ExitCode.Failed, $"cannot connect to {url}: the server's certificate is valid from {certificate.NotBefore:yyyy-MM-dd} to {certificate.NotAfter:yyyy-MM-dd}", "Renew it there, and have it read again: SELECT pg_reload_conf();", e)
                : new(ExitCode.Failed, $"cannot connect to {url}: the server's certificate is signed by {certificate.Issuer}, which {(root is null ? "this machine does not know" : "is not in sslrootcert")}", "Name the file with the certificate of its authority: sslrootcert=FILE", e);
        }

        return isOfAnotherName && url.Parameters.GetValueOrDefault("sslmode") == "verify-full"
            ? new(ExitCode.Failed, $"cannot connect to {url}: the server's certificate is for {NamesOf(certificate)}, and not for {url.Host}", "Name the server as its certificate does; or have nobody look at the name: sslmode=verify-ca", e)
            : null;
    }

    private static string NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } names && names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(address => address.ToString())).ToList() is { Count: > 0 } all
            ? string.Join(", ", all) : certificate.Subject;

    private static bool IsEncrypted(ConnectionUrl url) => url.Parameters.GetValueOrDefault("sslmode") is "require" or "verify-ca" or "verify-full";

    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (var cause = e; cause is not null; cause = cause.InnerException)
            yield return cause;
    }
}
