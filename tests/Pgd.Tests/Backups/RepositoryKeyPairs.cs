using System.Security.Cryptography;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Who has the public key writes into a repository, and reads nothing of it, not even what he wrote.</summary>
public sealed class RepositoryKeyPairs : IDisposable
{
    private const string Key = "i/1/b/x/data/base.tar";
    private readonly RepositoryFolder _folder = new();
    private readonly BackupKeyPair _pair;

    public RepositoryKeyPairs() => _pair = BackupKey.MakePair(_folder.FileOf(".key"));

    private BackupKey Private => BackupKey.FromFile(_pair.PrivateKey);

    private BackupKey Public => BackupKey.FromPublicFile(_pair.PublicKey);

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_the_public_key_wrote_is_read_with_the_private_one_alone()
    {
        var writer = await BackupRepository.InitializeAsync(_folder.Store, Public, default);
        foreach (var size in new[] { 0, 1, 300, (1 << 20) - 1, 1 << 20, (3 << 20) + 7 })
        {
            var content = RepositoryFolder.Content(size);
            await RepositoryFolder.WriteAsync(writer, Key, content, compress: false);
            var reader = await BackupRepository.OpenAsync(_folder.Store, Private, default);

            Assert.True((await RepositoryFolder.ReadAsync(reader, Key, compressed: false)).AsSpan().SequenceEqual(content));
            Assert.Equal((true, true, true, false), (reader.IsEncrypted, reader.IsReadable, writer.IsEncrypted, writer.IsReadable));
        }

        var refused = await Assert.ThrowsAsync<PgdException>(() => RepositoryFolder.ReadAsync(writer, Key, compressed: false));
        Assert.Equal(ExitCode.Misuse, refused.ExitCode);
        Assert.Contains("private key", refused.Message, StringComparison.Ordinal);
        // What the private key writes is read with it as well.
        await RepositoryFolder.WriteAsync(await BackupRepository.OpenAsync(_folder.Store, Private, default), Key, [1, 2], compress: true);
        Assert.Equal([1, 2], await RepositoryFolder.ReadAsync(await BackupRepository.OpenAsync(_folder.Store, Private, default), Key, compressed: true));
    }

    /// <summary>Those of the key that is in front of it too.</summary>
    [Fact]
    public async Task A_flipped_bit_and_a_truncation_are_noticed_wherever_they_are()
    {
        await RepositoryFolder.WriteAsync(await BackupRepository.InitializeAsync(_folder.Store, Public, default), Key, RepositoryFolder.Content(40), compress: false);
        var (reader, stored) = (await BackupRepository.OpenAsync(_folder.Store, Private, default), File.ReadAllBytes(_folder.FileOf(Key)));
        for (var bit = 0; bit < stored.Length * 8; bit++)
        {
            var damaged = stored.ToArray();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            await AssertNoticedAsync(damaged, $"bit {bit}");
        }

        for (var length = 0; length < stored.Length; length++)
            await AssertNoticedAsync(stored[..length], $"{length} bytes");

        async Task AssertNoticedAsync(byte[] damaged, string what)
        {
            File.WriteAllBytes(_folder.FileOf(Key), damaged);
            var error = await Record.ExceptionAsync(() => RepositoryFolder.ReadAsync(reader, Key, compressed: false));
            Assert.True(error is PgdException { ExitCode: ExitCode.Failed } && error.Message.Contains(Key, StringComparison.Ordinal), $"{what}: {error?.ToString() ?? "not noticed"}");
        }
    }

    [Fact]
    public async Task Objects_that_are_swapped_or_of_another_repository_are_noticed()
    {
        var writer = await BackupRepository.InitializeAsync(_folder.Store, Public, default);
        await RepositoryFolder.WriteAsync(writer, "i/one", [1], compress: false);
        using var other = new RepositoryFolder();
        await RepositoryFolder.WriteAsync(await BackupRepository.InitializeAsync(other.Store, Public, default), Key, [1], compress: false);
        var reader = await BackupRepository.OpenAsync(_folder.Store, Private, default);
        foreach (var file in new[] { _folder.FileOf("i/one"), other.FileOf(Key) })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.FileOf(Key))!);
            File.Copy(file, _folder.FileOf(Key), overwrite: true);
            Assert.Equal(ExitCode.Failed, (await Assert.ThrowsAsync<PgdException>(() => RepositoryFolder.ReadAsync(reader, Key, compressed: false))).ExitCode);
        }
    }

    [Fact]
    public async Task The_same_content_is_never_encrypted_to_the_same_bytes()
    {
        var writer = await BackupRepository.InitializeAsync(_folder.Store, Public, default);

        var parts = new[] { await RepositoryFolder.WriteAsync(writer, Key, new byte[1000], compress: false), await RepositoryFolder.WriteAsync(writer, Key, new byte[1000], compress: false) };

        Assert.NotEqual(parts[0].Sha256, parts[1].Sha256);
        Assert.True(File.ReadAllBytes(_folder.FileOf(Key)).AsSpan().IndexOf(new byte[8]) < 0);
    }

    /// <summary>A runner must not encrypt to whomever the repository names: it is given the key, and the repository has to fit it.</summary>
    [Fact]
    public async Task Another_key_opens_nothing_and_says_so()
    {
        var another = BackupKey.MakePair(_folder.FileOf(".other"));
        await BackupRepository.InitializeAsync(_folder.Store, Public, default);
        foreach (var (key, message) in new[]
        {
            (BackupKey.FromFile(another.PrivateKey), "the key is not that of the repository"),
            (BackupKey.FromPublicFile(another.PublicKey), "the key is not that of the repository"),
            (BackupKey.FromPassphrase("correct horse"), "encrypted with a key pair, and a passphrase was given"),
            (RepositoryFolder.Key, "encrypted with a key pair, and a key file was given"),
            (null, "encrypted with a key pair, and none was given"),
        })
        {
            var error = await Assert.ThrowsAsync<PgdException>(() => BackupRepository.OpenAsync(_folder.Store, key, default));
            Assert.Equal(ExitCode.Misuse, error.ExitCode);
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
        }

        var header = File.ReadAllText(_folder.FileOf("repo.json"));
        File.WriteAllText(_folder.FileOf("repo.json"), header.Replace("\"aes-256-gcm\"", "\"none\"", StringComparison.Ordinal));
        await Assert.ThrowsAsync<PgdException>(() => BackupRepository.OpenAsync(_folder.Store, Public, default));
        // What a version reads that knows no pairs.
        Assert.Contains("\"kdf\": \"ecdh-p256-hkdf-sha256\"", header, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_are_made_once_readable_by_their_owner_alone_and_taken_for_what_they_are()
    {
        Assert.Equal(ExitCode.Exists, Assert.Throws<PgdException>(() => BackupKey.MakePair(_pair.PrivateKey)).ExitCode);
        Assert.Equal(ExitCode.MachineLacks, Assert.Throws<PgdException>(() => BackupKey.MakePair(_folder.FileOf("nowhere/key"))).ExitCode);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_pair.PrivateKey));
            File.SetUnixFileMode(_pair.PrivateKey, UnixFileMode.UserRead | UnixFileMode.GroupRead);
            Assert.Equal(ExitCode.Unsafe, Assert.Throws<PgdException>(() => Private).ExitCode);
            File.SetUnixFileMode(_pair.PrivateKey, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.SetUnixFileMode(_pair.PublicKey, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        Assert.Contains("has no private key in it", Assert.Throws<PgdException>(() => BackupKey.FromFile(_pair.PublicKey)).Message, StringComparison.Ordinal);
        var exposed = Assert.Throws<PgdException>(() => BackupKey.FromPublicFile(_pair.PrivateKey));
        Assert.Contains("has no public key in it", exposed.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(File.ReadAllText(_pair.PrivateKey)[30..60], exposed.ToString(), StringComparison.Ordinal);
        foreach (var pem in new[] { "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----", ECDiffieHellman.Create(ECCurve.NamedCurves.nistP384).ExportPkcs8PrivateKeyPem(), ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256).ExportEncryptedPkcs8PrivateKeyPem("secret", new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)) })
        {
            File.WriteAllText(_pair.PrivateKey, pem);
            Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => Private).ExitCode);
        }

        Assert.Equal(ExitCode.NotFound, Assert.Throws<PgdException>(() => BackupKey.FromPublicFile(_folder.FileOf("none"))).ExitCode);
    }
}
