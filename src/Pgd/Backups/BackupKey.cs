using System.Security.Cryptography;
using System.Text;
using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>What opens an encrypted repository: a passphrase, the 32 bytes of a key file, or a key pair, whose public half writes only. Nothing of it is ever shown.</summary>
internal sealed record BackupKey
{
    /// <summary>Bytes of a key.</summary>
    public const int Size = 32;

    // As many as are advised for SHA-256 (OWASP's cheat sheet on storing passwords).
    private const int Iterations = 600_000;
    private const string Pbkdf2 = "pbkdf2-sha256-600000", Hkdf = "hkdf-sha256", Ecdh = "ecdh-p256-hkdf-sha256";

    // 1.2.840.10045.3.1.7, RFC 5480: P-256.
    private const string CurveName = "1.2.840.10045.3.1.7", HowToKey = "Make one: umask 077; openssl rand -base64 32 > FILE", HowToPair = "Make a pair: dotnet pgd backup keygen --to FILE";

    private readonly Func<byte[], ObjectKeys> _keys;

    private BackupKey(string derivation, Func<byte[], ObjectKeys> keys) => (Derivation, _keys) = (derivation, keys);

    /// <summary>How a repository's key comes from it; the repository records that.</summary>
    public string Derivation { get; }

    /// <summary>A key that a person can remember.</summary>
    public static BackupKey FromPassphrase(string passphrase) => string.IsNullOrWhiteSpace(passphrase)
        ? throw new PgdException(ExitCode.Misuse, "the passphrase of the backup repository is empty", "Give one, or none at all if the backups are not to be encrypted.")
        : new(Pbkdf2, salt => new SharedKeys(HKDF.Extract(HashAlgorithmName.SHA256, Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, Iterations, HashAlgorithmName.SHA256, Size), salt)));

    /// <summary>The key in a file: 32 bytes as they are, in base64 or in hexadecimal digits; or the private key of a pair, as PEM. A file that others may read is refused.</summary>
    public static BackupKey FromFile(string path)
    {
        var content = Read(path, isSecret: true);
        if (content.AsSpan().IndexOf("-----BEGIN"u8) >= 0)
            return FromPem(path, content, isPrivate: true);
        return FromBytes(Parse(content)
            ?? throw new PgdException(ExitCode.Misuse, $"the key file {path} has no key in it: that is 32 bytes as they are, in base64, or as 64 hexadecimal digits", HowToKey));
    }

    /// <summary>The public key of a pair, as PEM: who has only that writes what he cannot read.</summary>
    public static BackupKey FromPublicFile(string path) => FromPem(path, Read(path, isSecret: false), isPrivate: false);

    /// <summary>Makes a key pair: the private key in a file that only its owner may read, the public one beside it.</summary>
    /// <exception cref="PgdException">One of the files is there (<see cref="ExitCode.Exists"/>), or cannot be written (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static BackupKeyPair MakePair(string path)
    {
        var made = new BackupKeyPair(path, path + ".pub");
        if (new[] { made.PrivateKey, made.PublicKey }.FirstOrDefault(Path.Exists) is { } there)
            throw new PgdException(ExitCode.Exists, $"there is a file {there}, and what was encrypted with a key is lost without it", "Choose another name.");
        using var pair = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        try
        {
            Write(made.PrivateKey, pair.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Write(made.PublicKey, pair.ExportSubjectPublicKeyInfoPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the keys cannot be written to {path}: {e.Message}", "Choose a folder in which you may write.", e);
        }

        return made;

        static void Write(string file, string pem, UnixFileMode mode)
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = mode;
            using var writer = new StreamWriter(file, Encoding.ASCII, options);
            writer.Write(pem + "\n");
        }
    }

    /// <summary>Nothing.</summary>
    public override string ToString() => nameof(BackupKey);

    internal static BackupKey FromBytes(ReadOnlySpan<byte> key)
    {
        var secret = key.ToArray();
        return new(Hkdf, salt => new SharedKeys(HKDF.Extract(HashAlgorithmName.SHA256, secret, salt)));
    }

    internal static BackupKey FromPair(ECDiffieHellman pair, bool canRead) => new(Ecdh, salt => new PairKeys(pair, canRead, salt));

    /// <summary>Whether this version knows how to do a derivation.</summary>
    internal static bool Knows(string derivation) => derivation is Pbkdf2 or Hkdf or Ecdh;

    /// <summary>What a derivation begins with, in a person's words.</summary>
    internal static string Kind(string derivation) => derivation switch { Pbkdf2 => "a passphrase", Ecdh => "a key pair", _ => "a key file" };

    /// <summary>The keys of one repository's objects.</summary>
    internal ObjectKeys Of(byte[] salt) => _keys(salt);

    private static byte[] Read(string path, bool isSecret)
    {
        try
        {
            // Links are followed: mounted secrets are such.
            using var file = File.OpenHandle(path);
            var status = Libc.Status(file);
            const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
            if (isSecret && (status.Mode & others) != 0)
                throw new PgdException(ExitCode.Unsafe, $"the key file {path} can be read or written by others", $"chmod 600 {path}. If they may have read it, make a new repository with a new key.");
            var content = new byte[Math.Min(status.Size, 4096)];
            return content[..RandomAccess.Read(file, content, 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(e is FileNotFoundException or DirectoryNotFoundException ? ExitCode.NotFound : ExitCode.MachineLacks, $"the key file {path} cannot be read: {e.Message}", isSecret ? HowToKey : HowToPair, e);
        }
    }

    private static BackupKey FromPem(string path, byte[] content, bool isPrivate)
    {
        var pem = Encoding.ASCII.GetString(content);
        if (pem.Contains(" PRIVATE KEY-----", StringComparison.Ordinal) != isPrivate)
        {
            throw isPrivate ? new PgdException(ExitCode.Misuse, $"{path} has no private key in it", "Give the private key of the pair; the public one, which only writes, with --public-key.")
                : new PgdException(ExitCode.Misuse, $"{path} has no public key in it", "Give the public key of the pair, the file that ends in .pub; the private one, with which all is read, is given with --key-file.");
        }

        try
        {
            var pair = ECDiffieHellman.Create();
            pair.ImportFromPem(pem);
            if (pair.ExportParameters(includePrivateParameters: false).Curve.Oid.Value != CurveName)
                throw new PgdException(ExitCode.Misuse, $"the key in {path} is of another curve than P-256", HowToPair);
            return FromPair(pair, isPrivate);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            // What the runtime says may have some of the content in it.
            throw new PgdException(ExitCode.Misuse, $"{path} has no {(isPrivate ? "private" : "public")} key in it that can be used: that is one of P-256, as PEM without a password", HowToPair);
        }
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

/// <summary>A key pair that was made.</summary>
/// <param name="PrivateKey">The file of the private key, with which all is read.</param>
/// <param name="PublicKey">The file of the public one, with which is only written.</param>
public sealed record BackupKeyPair(string PrivateKey, string PublicKey);
