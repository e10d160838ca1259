using System.Security.Cryptography;
using System.Text;

namespace Pgd.Postgres;

/// <summary>
/// PostgreSQL's stored form of a password. It is computed here, so that the password itself reaches no server log, no <c>pg_stat_statements</c>
/// and no other session's eyes.
/// </summary>
/// <remarks>RFC 5802; https://www.postgresql.org/docs/current/catalog-pg-authid.html.</remarks>
internal static class ScramVerifier
{
    private const int Iterations = 4096, SaltLength = 16;

    /// <summary>For passwords of ASCII letters and digits, as ours are: SASLprep leaves them as they are.</summary>
    public static string Of(string password) => Of(password, RandomNumberGenerator.GetBytes(SaltLength));

    public static string Of(string password, byte[] salt)
    {
        var salted = Rfc2898DeriveBytes.Pbkdf2(password, salt, Iterations, HashAlgorithmName.SHA256, 32);
        var storedKey = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        var serverKey = HMACSHA256.HashData(salted, "Server Key"u8);
        return $"SCRAM-SHA-256${Iterations}:{Convert.ToBase64String(salt)}${Convert.ToBase64String(storedKey)}:{Convert.ToBase64String(serverKey)}";
    }
}
