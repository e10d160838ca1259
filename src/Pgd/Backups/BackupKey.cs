using System.Security.Cryptography;
using System.Text;
using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>What opens an encrypted repository: a passphrase, or the 32 bytes of a key file. Nothing of it is ever shown.</summary>
internal sealed record BackupKey
{
    /// <summary>Bytes of a key.</summary>
    public const int Size = 32;

    // As many as are advised for SHA-256 (OWASP's cheat sheet on storing passwords).
    private const int Iterations = 600_000;
    private const string Pbkdf2 = "pbkdf2-sha256-600000", Hkdf = "hkdf-sha256";

    private readonly byte[] _secret;

    private BackupKey(byte[] secret, string derivation) => (_secret, Derivation) = (secret, derivation);

    /// <summary>How a repository's key comes from it; the repository records that.</summary>
    public string Derivation { get; }

    /// <summary>A key that a person can remember.</summary>
    public static BackupKey FromPassphrase(string passphrase) => string.IsNullOrWhiteSpace(passphrase)
        ? throw new PgdException(ExitCode.Misuse, "the passphrase of the backup repository is empty", "Give one, or none at all if the backups are not to be encrypted.")
        : new(Encoding.UTF8.GetBytes(passphrase), Pbkdf2);

    /// <summary>The key in a file: 32 bytes as they are, in base64 or in hexadecimal digits. A file that others may read is refused.</summary>
    public static BackupKey FromFile(string path)
    {
        byte[] content;
        try
        {
            // Links are followed: mounted secrets are such.
            using var file = File.OpenHandle(path);
            var status = Libc.Status(file);
            const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
            if ((status.Mode & others) != 0)
                throw new PgdException(ExitCode.Unsafe, $"the key file {path} can be read or written by others", $"chmod 600 {path}. If they may have read it, make a new repository with a new key.");
            content = new byte[Math.Min(status.Size, 1024)];
            content = content[..RandomAccess.Read(file, content, 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(e is FileNotFoundException or DirectoryNotFoundException ? ExitCode.NotFound : ExitCode.MachineLacks, $"the key file {path} cannot be read: {e.Message}", "Make one: umask 077; openssl rand -base64 32 > FILE", e);
        }

        return FromBytes(Parse(content)
            ?? throw new PgdException(ExitCode.Misuse, $"the key file {path} has no key in it: that is 32 bytes as they are, in base64, or as 64 hexadecimal digits", "Make one: umask 077; openssl rand -base64 32 > FILE"));
    }

    /// <summary>Nothing.</summary>
    public override string ToString() => nameof(BackupKey);

    internal static BackupKey FromBytes(ReadOnlySpan<byte> key) => new(key.ToArray(), Hkdf);

    /// <summary>Whether this version knows how to do a derivation.</summary>
    internal static bool Knows(string derivation) => derivation is Pbkdf2 or Hkdf;

    /// <summary>What a derivation begins with, in a person's words.</summary>
    internal static string Kind(string derivation) => derivation == Pbkdf2 ? "a passphrase" : "a key file";

    /// <summary>The key of one repository, from which those of its objects derive.</summary>
    internal byte[] RepositoryKey(ReadOnlySpan<byte> salt)
    {
        var secret = Derivation == Pbkdf2 ? Rfc2898DeriveBytes.Pbkdf2(_secret, salt, Iterations, HashAlgorithmName.SHA256, Size) : _secret;
        return HKDF.Extract(HashAlgorithmName.SHA256, secret, salt.ToArray());
    }

    private static byte[]? Parse(byte[] content)
    {
        if (content.Length == Size)
            return content;
        var text = Encoding.ASCII.GetString(content).Trim();
        if (text.Length == 2 * Size && text.All(char.IsAsciiHexDigit))
            return Convert.FromHexString(text);
        var bytes = new byte[Size + 1];
        return Convert.TryFromBase64String(text, bytes, out var count) && count == Size ? bytes[..Size] : null;
    }
}
