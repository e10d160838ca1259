using FsCheck;
using FsCheck.Fluent;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Names of objects and addresses of stores that are none.</summary>
public sealed class StoreNames : IDisposable
{
    private readonly RepositoryFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>They lead out of the repository, into what the store keeps for itself, or are read differently by different servers.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a/./b")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData(".unfinished/x")]
    [InlineData("a b")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("a%2fb")]
    [InlineData("ä")]
    [InlineData("a\0b")]
    public async Task What_is_no_key_is_refused_by_every_call(string key)
    {
        var store = _folder.Store;
        foreach (var call in new Func<Task>[]
        {
            () => store.WriteAsync(key, (_, _) => Task.CompletedTask, onlyIfAbsent: false, default),
            () => store.ReadAsync(key, default),
            () => store.DeleteAsync(key, default),
        })
        {
            var error = await Assert.ThrowsAsync<PgdException>(call);
            Assert.Equal(ExitCode.Unsafe, error.ExitCode);
            Assert.DoesNotContain('\n', error.Message);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    /// <summary>Whatever is a key stays inside, whoever thought of it.</summary>
    [Fact]
    public void A_key_is_always_a_path_below_the_root()
    {
        var part = Gen.Elements("a", "..", ".", "", "..a", "a..", "~", "-", "b/c", "/", "\\", "\0", "%2e", "\u2024");
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Gen.ListOf(part).ToArbitrary(), parts =>
        {
            var key = string.Join('/', parts);
            return !ObjectKey.IsWellFormed(key) || Path.GetFullPath(Path.Combine("/root", key)) == $"/root/{key}";
        }));
    }

    /// <summary>What an address holds is not repeated where it may be a secret.</summary>
    [Theory]
    [InlineData("", "is empty")]
    [InlineData("file://host/path", "is no folder")]
    [InlineData("file:///path?x=1", "is no folder")]
    [InlineData("gs://bucket:secret@x", "cannot be at gs://…")]
    [InlineData("https://user:secret@host/", "cannot be at https://…")]
    public void An_address_that_is_none_is_refused(string url, string message)
    {
        var error = Assert.Throws<PgdException>(() => BackupStores.Open(url, new Dictionary<string, string>(), TimeProvider.System));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
    }

    /// <summary>With spaces and all.</summary>
    [Fact]
    public async Task A_folder_may_be_named_by_its_path_or_its_address()
    {
        var folder = _folder.FileOf("with space");
        var (byPath, byAddress) = (BackupStores.Open(folder + "/", new Dictionary<string, string>(), TimeProvider.System), BackupStores.Open($"file://{folder.Replace(" ", "%20", StringComparison.Ordinal)}", new Dictionary<string, string>(), TimeProvider.System));

        await byPath.WriteAsync("x", (_, _) => Task.CompletedTask, onlyIfAbsent: false, default);

        Assert.True(File.Exists($"{folder}/x"));
        Assert.Equal(byPath.Url, byAddress.Url);
        await (await byAddress.ReadAsync("x", default)).DisposeAsync();
    }
}
