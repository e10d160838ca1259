using System.Security.Cryptography;
using System.Text;

namespace Pgd.Backups;

/// <summary>What gives each object of an encrypted repository a key of its own.</summary>
internal abstract class ObjectKeys
{
    /// <summary>What an object begins with whose key is made in this way.</summary>
    public abstract ReadOnlySpan<byte> Mark { get; }

    /// <summary>How many bytes after that say which key it is; they are no secret.</summary>
    public abstract int HintSize { get; }

    /// <summary>Whether objects can be read as well.</summary>
    public abstract bool CanRead { get; }

    /// <summary>What only a key of this repository gives; it tells nothing about the key.</summary>
    public abstract byte[] Check(ReadOnlySpan<byte> of);

    /// <summary>A new object's key, and what tells it to who can read.</summary>
    /// <param name="name">The object's name, and all else that is bound to it.</param>
    public abstract (byte[] Hint, byte[] Key) New(ReadOnlySpan<byte> name);

    /// <summary>The key of an object that was written.</summary>
    /// <exception cref="CryptographicException">The hint is none.</exception>
    public abstract byte[] Of(ReadOnlySpan<byte> hint, ReadOnlySpan<byte> name);
}

/// <summary>All who write can read: the objects' keys derive from the repository's, each with a salt.</summary>
internal sealed class SharedKeys(byte[] repositoryKey) : ObjectKeys
{
    public override ReadOnlySpan<byte> Mark => "pgdE\u0001"u8;

    public override int HintSize => 32;

    public override bool CanRead => true;

    public override byte[] Check(ReadOnlySpan<byte> of) => HKDF.Expand(HashAlgorithmName.SHA256, repositoryKey, 32, of.ToArray());

    public override (byte[] Hint, byte[] Key) New(ReadOnlySpan<byte> name)
    {
        var salt = RandomNumberGenerator.GetBytes(HintSize);
        return (salt, Of(salt, name));
    }

    public override byte[] Of(ReadOnlySpan<byte> hint, ReadOnlySpan<byte> name)
    {
        var key = new byte[BackupKey.Size];
        HKDF.Expand(HashAlgorithmName.SHA256, repositoryKey, key, [.. "pgd object"u8, .. hint, .. name]);
        return key;
    }
}

/// <summary>
/// Who writes cannot read, not even what he wrote: each object has a key pair that is made for it and forgotten, and its key is what that and the reader's have in common (ECIES with P-256
/// and HKDF). The half that is no secret is at the object's beginning.
/// </summary>
/// <param name="pair">The reader's, or only its public half.</param>
/// <param name="canRead">Whether it is both.</param>
/// <param name="salt">The repository's.</param>
internal sealed class PairKeys(ECDiffieHellman pair, bool canRead, byte[] salt) : ObjectKeys
{
    private const int CoordinateSize = 32;
    private const byte Uncompressed = 4;

    // Those that write side by side have one each: the object of a key is not meant for several threads.
    private readonly ECParameters _pair = pair.ExportParameters(canRead);
    private readonly byte[] _public = PointOf(pair);

    public override ReadOnlySpan<byte> Mark => "pgdE\u0002"u8;

    public override int HintSize => 1 + (2 * CoordinateSize);

    public override bool CanRead => canRead;

    public override byte[] Check(ReadOnlySpan<byte> of) => HKDF.DeriveKey(HashAlgorithmName.SHA256, _public, 32, salt, of.ToArray());

    public override (byte[] Hint, byte[] Key) New(ReadOnlySpan<byte> name)
    {
        using var own = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        using var reader = ECDiffieHellman.Create(new ECParameters { Curve = _pair.Curve, Q = _pair.Q });
        var hint = PointOf(own);
        return (hint, Derive(own, reader, hint, name));
    }

    public override byte[] Of(ReadOnlySpan<byte> hint, ReadOnlySpan<byte> name)
    {
        if (hint[0] != Uncompressed)
            throw new CryptographicException("it has no point of the curve");
        // A point that is not on the curve is refused by this.
        using var writer = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new() { X = hint[1..(1 + CoordinateSize)].ToArray(), Y = hint[(1 + CoordinateSize)..].ToArray() } });
        using var own = ECDiffieHellman.Create(_pair);
        return Derive(own, writer, hint, name);
    }

    private byte[] Derive(ECDiffieHellman own, ECDiffieHellman other, ReadOnlySpan<byte> hint, ReadOnlySpan<byte> name)
    {
        var shared = own.DeriveRawSecretAgreement(other.PublicKey);
        try
        {
            return HKDF.DeriveKey(HashAlgorithmName.SHA256, shared, BackupKey.Size, salt, [.. "pgd object"u8, .. hint, .. _public, .. name]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shared);
        }
    }

    private static byte[] PointOf(ECDiffieHellman pair)
    {
        var point = pair.ExportParameters(includePrivateParameters: false).Q;
        return [Uncompressed, .. point.X!, .. point.Y!];
    }
}
