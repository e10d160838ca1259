using System.Text;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Who may open a repository, and what is told to who may not.</summary>
public sealed class RepositoryKeys : IDisposable
{
    private readonly RepositoryFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>It is one of the two passphrases.</summary>
    [Fact]
    public async Task Only_the_right_passphrase_opens_a_repository()
    {
        var made = await BackupRepository.InitializeAsync(_folder.Store, BackupKey.FromPassphrase("correct horse"), default);
        await RepositoryFolder.WriteAsync(made, "i/one", [1, 2, 3], compress: true);

        var opened = await BackupRepository.OpenAsync(_folder.Store, BackupKey.FromPassphrase("correct horse"), default);
        Assert.Equal([1, 2, 3], await RepositoryFolder.ReadAsync(opened, "i/one", compressed: true));
        Assert.Equal(made.Id, opened.Id);
        Assert.True(opened.IsEncrypted);
        await AssertRefusedAsync(BackupKey.FromPassphrase("correct horsf"), ExitCode.Misuse, "the key is not that of");
        await AssertRefusedAsync(RepositoryFolder.Key, ExitCode.Misuse, "encrypted with a passphrase, and a key file was given");
        await AssertRefusedAsync(null, ExitCode.Misuse, "encrypted with a passphrase, and none was given");
    }

    /// <summary>Else backups would be written in plain text by someone who believes them to be encrypted.</summary>
    [Fact]
    public async Task A_key_for_a_repository_without_encryption_is_refused()
    {
        await _folder.InitializeAsync(encrypted: false);

        await AssertRefusedAsync(RepositoryFolder.Key, ExitCode.Unsafe, "is not encrypted");
    }

    /// <summary>The same attack, by who can write the repository: he says that it is not encrypted, or that the key is weaker.</summary>
    [Theory]
    [InlineData("\"cipher\": \"aes-256-gcm\"", "\"cipher\": \"none\"")]
    [InlineData("\"id\": \"", "\"id\": \"0")]
    [InlineData("\"check\": \"", "\"check\": \"AAAA")]
    [InlineData("\"salt\": \"", "\"salt\": \"AAAA")]
    public async Task A_header_that_was_changed_is_noticed(string original, string changed)
    {
        await _folder.InitializeAsync(encrypted: true);
        var header = File.ReadAllText(_folder.FileOf("repo.json"));
        Assert.Contains(original, header, StringComparison.Ordinal);
        File.WriteAllText(_folder.FileOf("repo.json"), header.Replace(original, changed, StringComparison.Ordinal));

        await Assert.ThrowsAsync<PgdException>(() => BackupRepository.OpenAsync(_folder.Store, RepositoryFolder.Key, default));
    }

    /// <summary>Each is its own error.</summary>
    [Theory]
    [InlineData("{\"format\": 2}", "made by a newer version: this one does not know format 2")]
    [InlineData("{\"format\":1,\"id\":\"a\",\"cipher\":\"rot13\",\"kdf\":\"none\",\"salt\":\"\",\"check\":\"\",\"created\":\"2026-01-01T00:00:00Z\"}", "does not know the cipher rot13")]
    [InlineData("{\"format\":1,\"id\":\"a\",\"cipher\":\"aes-256-gcm\",\"kdf\":\"md5\",\"salt\":\"\",\"check\":\"\",\"created\":\"2026-01-01T00:00:00Z\"}", "does not know the key derivation md5")]
    [InlineData("{\"format\":1}", "repo.json in the repository")]
    [InlineData("[]", "repo.json in the repository")]
    [InlineData("{\"format\":\"1\"}", "repo.json in the repository")]
    [InlineData("", "repo.json in the repository")]
    [InlineData("{", "repo.json in the repository")]
    public async Task A_header_that_cannot_be_understood_says_why(string header, string message)
    {
        File.WriteAllText(_folder.FileOf("repo.json"), header);

        await AssertRefusedAsync(null, ExitCode.Failed, message);
    }

    /// <summary>Neither in an empty folder nor in none.</summary>
    [Fact]
    public async Task Where_no_repository_is_that_is_said()
    {
        await AssertRefusedAsync(null, ExitCode.NotFound, "there is no backup repository at file:///");
        var nowhere = BackupStores.Open(_folder.FileOf("nowhere"), new Dictionary<string, string>(), TimeProvider.System);

        var error = await Assert.ThrowsAsync<PgdException>(() => BackupRepository.OpenAsync(nowhere, null, default));

        Assert.Equal(ExitCode.NotFound, error.ExitCode);
        Assert.False(Directory.Exists(_folder.FileOf("nowhere")));
    }

    /// <summary>A new header would make all of the old backups unreadable.</summary>
    [Fact]
    public async Task A_repository_is_not_made_twice_nor_over_backups_whose_header_is_lost()
    {
        var repository = await _folder.InitializeAsync(encrypted: true);
        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => _folder.InitializeAsync(encrypted: true))).ExitCode);
        await RepositoryFolder.WriteAsync(repository, "i/one", [1], compress: false);
        File.Delete(_folder.FileOf("repo.json"));

        var error = await Assert.ThrowsAsync<PgdException>(() => _folder.InitializeAsync(encrypted: true));

        Assert.Equal(ExitCode.Exists, error.ExitCode);
        Assert.Contains("i/one", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Three ways to write the same 32 bytes.</summary>
    [Fact]
    public async Task A_key_file_may_be_written_in_three_ways()
    {
        var bytes = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();
        await BackupRepository.InitializeAsync(_folder.Store, BackupKey.FromFile(KeyFile(bytes)), default);
        foreach (var content in new[] { bytes, Encoding.ASCII.GetBytes(Convert.ToBase64String(bytes) + "\n"), Encoding.ASCII.GetBytes(Convert.ToHexString(bytes) + "\r\n"), Encoding.ASCII.GetBytes(Convert.ToHexStringLower(bytes)) })
            Assert.True((await BackupRepository.OpenAsync(_folder.Store, BackupKey.FromFile(KeyFile(content)), default)).IsEncrypted);
    }

    /// <summary>What is no key, is not there, or is everybody's.</summary>
    [Fact]
    public void A_key_file_that_cannot_be_one_is_refused_without_telling_what_is_in_it()
    {
        foreach (var content in new[] { "", "secret", new string('a', 63), new string('g', 64), new string('A', 48), new string('x', 5000) })
        {
            var error = Assert.Throws<PgdException>(() => BackupKey.FromFile(KeyFile(Encoding.ASCII.GetBytes(content))));
            Assert.Equal(ExitCode.Misuse, error.ExitCode);
            Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        }

        Assert.Equal(ExitCode.NotFound, Assert.Throws<PgdException>(() => BackupKey.FromFile(_folder.FileOf("none"))).ExitCode);
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => BackupKey.FromPassphrase(" ")).ExitCode);
        foreach (var mode in new[] { UnixFileMode.GroupRead, UnixFileMode.OtherRead, UnixFileMode.GroupWrite, UnixFileMode.OtherWrite })
            Assert.Equal(ExitCode.Unsafe, Assert.Throws<PgdException>(() => BackupKey.FromFile(KeyFile(new byte[32], mode))).ExitCode);
    }

    /// <summary>Records tell all that they are, as a rule.</summary>
    [Fact]
    public void A_key_never_tells_itself()
    {
        Assert.Equal("BackupKey", BackupKey.FromPassphrase("secret").ToString());
        Assert.Equal("BackupKey", $"{RepositoryFolder.Key}");
    }

    private string KeyFile(byte[] content, UnixFileMode others = UnixFileMode.None)
    {
        var path = _folder.FileOf(".key");
        File.WriteAllBytes(path, content);
        if (OperatingSystem.IsLinux())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | others);
        return path;
    }

    private async Task AssertRefusedAsync(BackupKey? key, ExitCode code, string message)
    {
        var error = await Assert.ThrowsAsync<PgdException>(() => BackupRepository.OpenAsync(_folder.Store, key, default));
        Assert.Equal(code, error.ExitCode);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
    }
}
