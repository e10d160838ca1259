using System.Diagnostics;
using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>What is read from a repository is what was written, or an error.</summary>
public sealed class RepositoryObjects : IDisposable
{
    private const string Key = "i/1/b/x/data/base.tar";
    private const int MiB = 1 << 20;
    private static readonly int HeaderSize = EncryptedSeal.HeaderSize(RepositoryFolder.Key.Of(new byte[32]));
    private readonly RepositoryFolder _folder = new();
    private readonly Dictionary<string, byte[]> _memory = [];

    /// <summary>Encrypted and compressed.</summary>
    public static TheoryData<bool, bool> Kinds => new() { { false, false }, { false, true }, { true, false }, { true, true } };

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>Sizes around those of the chunks and frames.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task What_is_written_is_read_whatever_its_size(bool encrypted, bool compressed)
    {
        var repository = await _folder.InitializeAsync(encrypted);
        foreach (var size in new[] { 0, 1, 51, 52, 53, 4095, 128 << 10, MiB - 1, MiB, MiB + 1, 2 * MiB, (5 * MiB) + 7, 32 * MiB, (32 * MiB) + 1 })
        {
            var content = RepositoryFolder.Content(size);

            var part = await RepositoryFolder.WriteAsync(repository, Key, content, compressed);

            Assert.Equal((Key, size, new FileInfo(_folder.FileOf(Key)).Length), (part.Key, part.Bytes, part.StoredBytes));
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), part.ContentSha256);
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_folder.FileOf(Key)))), part.Sha256);
            Assert.True((await RepositoryFolder.ReadAsync(repository, Key, compressed)).AsSpan().SequenceEqual(content), $"{size} bytes are not what was written");
        }
    }

    /// <summary>However the writer cuts what it writes, and the reader what it reads; compressed by the system's zstd and by its port.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pieces_of_any_size_make_the_same_object(bool byPort)
    {
        var repository = await _folder.InitializeAsync(encrypted: true);
        repository.Compression = new(1, 2, byPort);
        var sizes = Gen.Resize(Gen.ListOf(Gen.Frequency((3, Gen.Choose(0, 100)), (1, Gen.Choose(0, 2 * MiB)))), 12);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(20), Prop.ForAll(sizes.ToArbitrary(), pieces =>
        {
            var content = RepositoryFolder.Content(pieces.Sum());
            Task.Run(() => RoundTrip(content, pieces)).GetAwaiter().GetResult();
        }));

        async Task RoundTrip(byte[] content, IReadOnlyList<int> pieces)
        {
            await repository.WriteAsync(Key, (stream, _) =>
            {
                var at = 0;
                foreach (var piece in pieces)
                {
                    stream.Write(content, at, piece);
                    at += piece;
                }

                return Task.CompletedTask;
            }, compress: true, default);
            await using var read = await repository.ReadAsync(Key, compressed: true, default);
            var target = new byte[content.Length + 1];
            var (length, next) = (0, 0);
            while (await read.ReadAsync(target.AsMemory(length, Math.Min(target.Length - length, 1 + (pieces.Count == 0 ? 0 : pieces[next++ % pieces.Count])))) is var count and > 0)
                length += count;
            Assert.True(target.AsSpan(0, length).SequenceEqual(content));
        }
    }

    /// <summary>All bits of a small object in the course of some runs, and a sample of a large one's.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_flipped_bit_is_noticed_wherever_it_is(bool encrypted, bool compressed)
    {
        foreach (var (size, flips) in new[] { (0, 200), (300, 600), (Large(compressed), 50) })
        {
            var (repository, content, stored) = await StoredAsync(encrypted, compressed, size);
            var random = new Random(Environment.ProcessId);
            for (var i = 0; i < flips; i++)
            {
                var bit = random.Next(stored.Length * 8);
                var damaged = stored.ToArray();
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                await AssertNoticedAsync(repository, damaged, content, compressed, encrypted, $"bit {bit} of {stored.Length} bytes");
            }
        }
    }

    /// <summary>All of a small object, and the ends of chunks and a sample of a large one; also what is added.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_truncation_is_noticed_wherever_it_is(bool encrypted, bool compressed)
    {
        var random = new Random(Environment.ProcessId);
        foreach (var size in new[] { 0, 300, Large(compressed) })
        {
            var (repository, content, stored) = await StoredAsync(encrypted, compressed, size);
            var chunk = MiB + 16;
            var lengths = size < 1000 ? Enumerable.Range(0, stored.Length)
                : [0, 1, stored.Length - 1, stored.Length - 52, HeaderSize, HeaderSize + chunk, HeaderSize + (2 * chunk), .. Enumerable.Range(0, 20).Select(_ => random.Next(stored.Length))];
            foreach (var length in lengths)
                await AssertNoticedAsync(repository, stored[..length], content, compressed, encrypted, $"{length} of {stored.Length} bytes");
            foreach (var more in new byte[][] { [0], new byte[16], stored })
                await AssertNoticedAsync(repository, [.. stored, .. more], content, compressed, encrypted, $"{more.Length} bytes more than {stored.Length}");
        }
    }

    /// <summary>They have the same key and are both whole.</summary>
    [Fact]
    public async Task Chunks_that_are_swapped_repeated_or_left_out_are_noticed()
    {
        var (repository, content, stored) = await StoredAsync(encrypted: true, compressed: false, Large(false));
        var chunk = MiB + 16;
        byte[] header = stored[..HeaderSize], first = stored.AsSpan(HeaderSize, chunk).ToArray(), second = stored.AsSpan(HeaderSize + chunk, chunk).ToArray(), rest = stored[(HeaderSize + (2 * chunk))..];
        foreach (var changed in new byte[][] { [.. header, .. second, .. first, .. rest], [.. header, .. first, .. rest], [.. header, .. first, .. first, .. second, .. rest], [.. header, .. first, .. first, .. rest] })
            await AssertNoticedAsync(repository, changed, content, compressed: false, encrypted: true, "chunks");
    }

    /// <summary>Both are whole; each is in the other one's place.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Objects_that_are_swapped_are_noticed(bool encrypted, bool compressed)
    {
        var repository = await _folder.InitializeAsync(encrypted);
        await RepositoryFolder.WriteAsync(repository, "i/one", RepositoryFolder.Content(1000, 1), compressed);
        await RepositoryFolder.WriteAsync(repository, "i/two", RepositoryFolder.Content(1000, 2), compressed);
        File.Copy(_folder.FileOf("i/one"), _folder.FileOf("i/two"), overwrite: true);

        var error = await Assert.ThrowsAsync<PgdException>(() => RepositoryFolder.ReadAsync(repository, "i/two", compressed));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Contains("i/two", error.Message, StringComparison.Ordinal);
    }

    /// <summary>An encrypted object and one that is not cannot stand for each other, nor can one of another repository with the same key.</summary>
    [Fact]
    public async Task Objects_of_another_repository_are_noticed()
    {
        foreach (var (mine, theirs) in new[] { (true, true), (true, false), (false, true) })
        {
            using var folder = new RepositoryFolder();
            using var other = new RepositoryFolder();
            var (repository, second) = (await folder.InitializeAsync(mine), await other.InitializeAsync(theirs));
            await RepositoryFolder.WriteAsync(repository, "i/one", RepositoryFolder.Content(1000, 1), compress: false);
            await RepositoryFolder.WriteAsync(second, "i/one", RepositoryFolder.Content(1000, 2), compress: false);
            File.Copy(other.FileOf("i/one"), folder.FileOf("i/one"), overwrite: true);

            var error = await Assert.ThrowsAsync<PgdException>(() => RepositoryFolder.ReadAsync(repository, "i/one", compressed: false));

            Assert.Equal(ExitCode.Failed, error.ExitCode);
        }
    }

    /// <summary>Whoever has lost the tool still has his backups.</summary>
    [Fact]
    public async Task Zstd_itself_reads_what_is_not_encrypted()
    {
        if (!File.Exists("/usr/bin/zstd"))
            Assert.Skip("zstd is not installed");
        var (_, content, _) = await StoredAsync(encrypted: false, compressed: true, Large(true));

        var start = new ProcessStartInfo("/usr/bin/zstd") { RedirectStandardOutput = true };
        foreach (var argument in new[] { "-d", "-c", "-q", _folder.FileOf(Key) })
            start.ArgumentList.Add(argument);
        using var zstd = Process.Start(start)!;
        using var output = new MemoryStream();
        await zstd.StandardOutput.BaseStream.CopyToAsync(output);
        await zstd.WaitForExitAsync();

        Assert.Equal(0, zstd.ExitCode);
        Assert.True(output.ToArray().AsSpan().SequenceEqual(content));
    }

    /// <summary>Nor does it hold anything that could be recognized.</summary>
    [Fact]
    public async Task The_same_content_is_never_encrypted_to_the_same_bytes()
    {
        var repository = await _folder.InitializeAsync(encrypted: true);

        var parts = new[] { await RepositoryFolder.WriteAsync(repository, Key, new byte[1000], compress: false), await RepositoryFolder.WriteAsync(repository, Key, new byte[1000], compress: false) };

        Assert.Equal(parts[0].ContentSha256, parts[1].ContentSha256);
        Assert.NotEqual(parts[0].Sha256, parts[1].Sha256);
        Assert.True(File.ReadAllBytes(_folder.FileOf(Key)).AsSpan().IndexOf(new byte[8]) < 0);
    }

    // Two whole chunks and a bit, also after compression.
    private static int Large(bool compressed) => ((compressed ? 4 : 2) * MiB) + 1000;

    private async Task<(BackupRepository Repository, byte[] Content, byte[] Stored)> StoredAsync(bool encrypted, bool compressed, int size)
    {
        var (content, store) = (RepositoryFolder.Content(size), new MemoryStore(_memory));
        _memory.Clear();
        var repository = await BackupRepository.InitializeAsync(store, encrypted ? RepositoryFolder.Key : null, default);
        await RepositoryFolder.WriteAsync(repository, Key, content, compressed);
        // For what reads it from outside.
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.FileOf(Key))!);
        File.WriteAllBytes(_folder.FileOf(Key), _memory[Key]);
        return (repository, content, _memory[Key]);
    }

    private async Task AssertNoticedAsync(BackupRepository repository, byte[] damaged, byte[] content, bool compressed, bool encrypted, string what)
    {
        _memory[Key] = damaged;
        await using var stream = await repository.ReadAsync(Key, compressed, default);
        using var read = new MemoryStream();

        var error = await Record.ExceptionAsync(() => stream.CopyToAsync(read));

        Assert.True(error is PgdException { ExitCode: ExitCode.Failed } && error.Message.Contains(Key, StringComparison.Ordinal), $"{what}: {error?.ToString() ?? "not noticed"}");
        Assert.True(!encrypted || content.AsSpan().StartsWith(read.GetBuffer().AsSpan(0, (int)read.Length)), $"{what}: bytes were read that were never written");
    }

    /// <summary>No more than objects by their keys: what is tested is what is above it, thousands of times.</summary>
    private sealed class MemoryStore(Dictionary<string, byte[]> objects) : IBackupStore
    {
        public string Url => "memory:";

        public async Task WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool onlyIfAbsent, CancellationToken cancellationToken)
        {
            using var content = new MemoryStream();
            await write(content, cancellationToken);
            objects[key] = content.ToArray();
        }

        public Task<Stream> ReadAsync(string key, CancellationToken cancellationToken) => Task.FromResult<Stream>(new MemoryStream(objects[key]));

        public IAsyncEnumerable<StoredObject> ListAsync(string prefix, CancellationToken cancellationToken) => AsyncEnumerable.Empty<StoredObject>();

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
