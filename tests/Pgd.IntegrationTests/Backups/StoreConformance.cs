using System.Collections.Concurrent;
using Pgd.Backups;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>What every store does, whatever it is made of.</summary>
public abstract class StoreConformance : IAsyncLifetime
{
    private const int MiB = 1 << 20;

    /// <summary>The store.</summary>
    private protected IBackupStore Store { get; private set; } = null!;

    /// <summary>Whether it can write only what is not there, in one step.</summary>
    private protected virtual bool IsConditional => true;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => Store = await OpenAsync();

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Around the size of a part, and whole parts.</summary>
    [Fact]
    public async Task What_is_written_is_read()
    {
        foreach (var size in new[] { 0, 1, MiB, (16 * MiB) - 1, 16 * MiB, (16 * MiB) + 1, (37 * MiB) + 5 })
        {
            var content = Content(size);
            await WriteAsync("i/1/data", content);
            Assert.True((await ReadAsync("i/1/data")).AsSpan().SequenceEqual(content), $"{size} bytes");
        }

        Assert.Empty(Unfinished());
    }

    [Fact]
    public async Task What_is_not_there_is_said_to_be_missing_and_can_be_deleted_all_the_same()
    {
        var error = await Assert.ThrowsAsync<PgdException>(() => Store.ReadAsync("i/none", default));
        Assert.Equal(ExitCode.NotFound, error.ExitCode);
        Assert.Contains($"there is no i/none in the repository {Store.Url}", error.Message, StringComparison.Ordinal);

        await Store.DeleteAsync("i/none", default);
        await WriteAsync("i/one", [1]);
        await Store.DeleteAsync("i/one", default);
        await Store.DeleteAsync("i/one", default);
        Assert.Empty(await ListAsync(""));
        await WriteAsync("i/one", [1]);
    }

    [Fact]
    public async Task Objects_are_listed_by_prefix_in_the_order_of_their_keys()
    {
        string[] keys = ["a/b", "a-b", "a.b", "ab", "a/b-c", "a_b", "A", "a/c/d", "b"];
        foreach (var key in keys)
            await WriteAsync(key, Content(key.Length));
        foreach (var prefix in new[] { "", "a", "a/", "a/b", "a/c/", "a/c/d", "z", "z/", "b" })
            Assert.Equal(keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal), (await ListAsync(prefix)).Select(found => found.Key));
        var first = (await ListAsync("a/b-c"))[0];
        Assert.Equal(5, first.Bytes);
        Assert.InRange(first.WrittenAt, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
    }

    [Fact]
    public async Task More_objects_than_a_page_has_are_listed_all()
    {
        await Parallel.ForAsync(0, 1005, async (i, _) => await WriteAsync($"many/{i:D5}", []));

        Assert.Equal(Enumerable.Range(0, 1005).Select(i => $"many/{i:D5}"), (await ListAsync("many/")).Select(found => found.Key));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(20 * MiB)]
    public async Task What_is_there_is_replaced_or_kept_as_asked(int size)
    {
        await WriteAsync("x", [1, 2, 3]);
        var error = await Assert.ThrowsAsync<PgdException>(() => WriteAsync("x", Content(size), onlyIfAbsent: true));
        Assert.Equal(ExitCode.Exists, error.ExitCode);
        Assert.Equal([1, 2, 3], await ReadAsync("x"));
        Assert.Empty(Unfinished());

        await WriteAsync("y", Content(size), onlyIfAbsent: true);
        await WriteAsync("x", Content(size));

        Assert.Equal(size, (await ReadAsync("x")).Length);
        Assert.Equal(size, (await ReadAsync("y")).Length);
    }

    [Fact]
    public async Task Of_many_that_make_the_same_object_at_once_one_does()
    {
        for (var round = 0; round < 10; round++)
        {
            var key = $"locks/{round}";
            var made = new ConcurrentBag<byte>();
            await Parallel.ForAsync(0, 8, async (i, _) =>
            {
                try
                {
                    await WriteAsync(key, [(byte)i], onlyIfAbsent: true);
                    made.Add((byte)i);
                }
                catch (PgdException e) when (e.ExitCode == ExitCode.Exists)
                {
                }
            });
            // A server that does not know the condition may let several; the object is one of theirs all the same.
            var stored = Assert.Single(await ReadAsync(key));
            Assert.Contains(stored, made);
            Assert.True(made.Count == 1 || !IsConditional, $"{made.Count} made it");
        }
    }

    /// <summary>At the beginning, and after some parts were sent.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(40 * MiB)]
    public async Task A_writer_that_fails_or_is_interrupted_leaves_what_was_there_before(int written)
    {
        await WriteAsync("x", [1, 2, 3]);
        await Assert.ThrowsAsync<InvalidDataException>(() => Store.WriteAsync("x", async (stream, token) =>
        {
            await stream.WriteAsync(Content(written), token);
            throw new InvalidDataException();
        }, onlyIfAbsent: false, default));
        using var interrupt = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.WriteAsync("x", async (stream, token) =>
        {
            await stream.WriteAsync(Content(written), token);
            await interrupt.CancelAsync();
        }, onlyIfAbsent: false, interrupt.Token));

        Assert.Equal([1, 2, 3], await ReadAsync("x"));
        Assert.Equal(["x"], (await ListAsync("")).Select(found => found.Key));
        Assert.Empty(Unfinished());
    }

    [Fact]
    public async Task A_repository_is_made_locked_written_and_read()
    {
        var key = BackupKey.FromBytes(new byte[BackupKey.Size]);
        var made = await BackupRepository.InitializeAsync(Store, key, default);
        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => BackupRepository.InitializeAsync(Store, key, default))).ExitCode);
        var repository = await BackupRepository.OpenAsync(Store, key, default);
        Assert.Equal(made.Id, repository.Id);
        await using (await repository.LockAsync("backup", isForGood: false, default))
        {
            var error = await Assert.ThrowsAsync<PgdException>(() => repository.LockAsync("backup", isForGood: false, default));
            Assert.Equal(ExitCode.Locked, error.ExitCode);
            Assert.Contains($"process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        }

        await using var again = await repository.LockAsync("backup", isForGood: false, default);
        var content = Content(40 * MiB);
        var part = await repository.WriteAsync("i/1/data", async (stream, token) => await stream.WriteAsync(content, token), compress: true, default);

        await using var read = await repository.ReadAsync("i/1/data", compressed: true, default);
        Assert.True((await AllAsync(read)).AsSpan().SequenceEqual(content));
        Assert.Equal(part.StoredBytes, Assert.Single(await ListAsync("i/")).Bytes);
    }

    /// <summary>What is there of objects that are not finished.</summary>
    private protected abstract IReadOnlyList<string> Unfinished();

    /// <summary>A new, empty store.</summary>
    private protected abstract Task<IBackupStore> OpenAsync();

    private protected static byte[] Content(int size)
    {
        var content = new byte[size];
        new Random(size).NextBytes(content);
        return content;
    }

    private protected Task WriteAsync(string key, byte[] content, bool onlyIfAbsent = false) =>
        Store.WriteAsync(key, async (stream, token) => await stream.WriteAsync(content, token), onlyIfAbsent, default);

    private protected async Task<byte[]> ReadAsync(string key)
    {
        await using var stream = await Store.ReadAsync(key, default);
        return await AllAsync(stream);
    }

    private protected static async Task<byte[]> AllAsync(Stream stream)
    {
        using var content = new MemoryStream();
        await stream.CopyToAsync(content);
        return content.ToArray();
    }

    private protected async Task<IReadOnlyList<StoredObject>> ListAsync(string prefix)
    {
        var found = new List<StoredObject>();
        await foreach (var one in Store.ListAsync(prefix, default))
            found.Add(one);
        return found;
    }
}
