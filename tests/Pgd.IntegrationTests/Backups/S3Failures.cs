using Pgd.Backups;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>
/// A server that fails, stalls, lies or refuses: an operation succeeds all the same, or fails with a word about it, and never with half of an object. The misbehavior is that of a proxy of ours.
/// </summary>
public sealed class S3Failures : IAsyncLifetime
{
    private const int Part = S3Upload.PartSize;
    private S3Server _server = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _server = await S3Server.StartAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Each request of an upload, of one in parts, of a list and of a download fails once.</summary>
    [Theory]
    [InlineData(nameof(Misbehavior.Error500))]
    [InlineData(nameof(Misbehavior.SlowDown))]
    [InlineData(nameof(Misbehavior.LoseAnswer))]
    public async Task A_server_that_fails_now_and_then_is_asked_again(string misbehavior)
    {
        await using var store = _server.Open();
        _server.Proxy.Behave = (_, before) => before == 0 ? Enum.Parse<Misbehavior>(misbehavior) : Misbehavior.None;
        var (small, large) = (Content(1000), Content((2 * Part) + 1));

        await WriteAsync(store, "small", small, onlyIfAbsent: true);
        await WriteAsync(store, "large", large, onlyIfAbsent: true);

        Assert.Equal(small, await ReadAsync(store, "small"));
        Assert.True((await ReadAsync(store, "large")).AsSpan().SequenceEqual(large));
        Assert.Equal(["large", "small"], await ListAsync(store));
        Assert.Empty(_server.Heard.Warnings);
    }

    /// <summary>At the first request, at a part, and at the end.</summary>
    [Theory]
    [InlineData("PUT /pgd/repository/x", 1000, nameof(Misbehavior.Error500), ExitCode.Failed, "failed at x, also when asked again: 500 InternalError")]
    [InlineData("?uploads", 3 * Part, nameof(Misbehavior.Error500), ExitCode.Failed, "failed at x")]
    [InlineData("partNumber=2", 3 * Part, nameof(Misbehavior.SlowDown), ExitCode.Failed, "failed at x, also when asked again: 503 SlowDown")]
    [InlineData("POST /pgd/repository/x?uploadId", 3 * Part, nameof(Misbehavior.Error500), ExitCode.Failed, "failed at x")]
    [InlineData("partNumber=2", 3 * Part, nameof(Misbehavior.Stall), ExitCode.Failed, "did not answer about x within 1 s, also when asked again")]
    [InlineData("PUT /pgd/repository/x", 1000, nameof(Misbehavior.Stall), ExitCode.Failed, "did not answer about x within 1 s")]
    [InlineData("partNumber=3", 3 * Part, nameof(Misbehavior.Full), ExitCode.NoRoom, "no space is left in the repository s3://pgd/repository")]
    [InlineData("PUT /pgd/repository/x", 1000, nameof(Misbehavior.Full), ExitCode.NoRoom, "x was not written")]
    public async Task A_server_that_goes_on_failing_leaves_nothing_of_an_object(string request, int size, string misbehavior, ExitCode code, string message)
    {
        await using var store = _server.Open(timeout: 1);
        _server.Proxy.Behave = (what, _) => what.Contains(request, StringComparison.Ordinal) ? Enum.Parse<Misbehavior>(misbehavior) : Misbehavior.None;

        var error = await Assert.ThrowsAsync<PgdException>(() => WriteAsync(store, "x", Content(size)));

        Assert.Equal(code, error.ExitCode);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
        Assert.Empty(await ListAsync(store));
        Assert.Empty(_server.OpenUploads());
    }

    [Theory]
    [InlineData(nameof(Misbehavior.CutBody))]
    [InlineData(nameof(Misbehavior.StallInBody))]
    public async Task A_download_that_breaks_goes_on_where_it_broke(string misbehavior)
    {
        await using var store = _server.Open(timeout: 1);
        var content = Content(3 << 20);
        await WriteAsync(store, "x", content);
        _server.Proxy.Behave = (what, before) => what.StartsWith("GET", StringComparison.Ordinal) && before < 2 ? Enum.Parse<Misbehavior>(misbehavior) : Misbehavior.None;

        Assert.True((await ReadAsync(store, "x")).AsSpan().SequenceEqual(content));
        Assert.Equal(3, _server.Proxy.Requests.Count(what => what.StartsWith("GET", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_download_that_is_replaced_meanwhile_does_not_go_on_with_the_other_object()
    {
        await using var store = _server.Open();
        await WriteAsync(store, "x", Content(3 << 20));
        _server.Proxy.Behave = (what, before) => what.StartsWith("GET", StringComparison.Ordinal) && before == 0 ? Misbehavior.CutBody : Misbehavior.None;
        await using var stream = await store.ReadAsync("x", default);
        await WriteAsync(store, "x", new byte[3 << 20]);

        var error = await Assert.ThrowsAsync<PgdException>(() => stream.CopyToAsync(Stream.Null));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
    }

    [Fact]
    public async Task A_download_that_breaks_every_time_is_an_error_and_no_end()
    {
        await using var store = _server.Open();
        await WriteAsync(store, "x", [1]);
        _server.Proxy.Behave = (what, _) => what.StartsWith("GET", StringComparison.Ordinal) ? Misbehavior.CutBody : Misbehavior.None;

        Assert.Equal(ExitCode.MachineLacks, (await Assert.ThrowsAsync<PgdException>(() => ReadAsync(store, "x"))).ExitCode);
    }

    /// <summary>The second one of a large one: its tag and its length are right.</summary>
    [Fact]
    public async Task A_server_that_sends_something_else_is_found_out_by_the_repository()
    {
        await using var store = _server.Open();
        foreach (var key in new[] { null, BackupKey.FromBytes(new byte[BackupKey.Size]) })
        {
            _server.Proxy.Behave = (_, _) => Misbehavior.None;
            await store.DeleteAsync("repo.json", default);
            await store.DeleteAsync("i/x", default);
            var repository = await BackupRepository.InitializeAsync(store, key, default);
            await repository.WriteAsync("i/x", async (stream, token) => await stream.WriteAsync(Content(100_000), token), compress: true, default);
            _server.Proxy.Behave = (what, _) => what.StartsWith("GET", StringComparison.Ordinal) ? Misbehavior.FlipReceived : Misbehavior.None;

            await using var read = await repository.ReadAsync("i/x", compressed: true, default);
            var error = await Assert.ThrowsAsync<PgdException>(() => read.CopyToAsync(Stream.Null));

            Assert.Equal(ExitCode.Failed, error.ExitCode);
            Assert.Contains("i/x in the repository s3://pgd/repository", error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>It says that it has stored a part or the whole, and has not.</summary>
    [Fact]
    public async Task A_server_that_forgets_what_it_was_sent_is_found_out()
    {
        await using var store = _server.Open();
        _server.Proxy.Behave = (what, _) => what.Contains("POST /pgd/repository/x?uploadId", StringComparison.Ordinal) ? Misbehavior.Forget : Misbehavior.None;

        var error = await Assert.ThrowsAsync<PgdException>(() => WriteAsync(store, "x", Content(2 * Part)));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Empty(_server.OpenUploads());
        Assert.Empty(_server.Objects());
    }

    [Fact]
    public async Task A_server_without_the_condition_is_warned_about_once()
    {
        _server.Proxy.IsConditional = false;
        await using var store = _server.Open();
        await WriteAsync(store, "one", [1], onlyIfAbsent: true);
        await WriteAsync(store, "two", [1], onlyIfAbsent: true);

        Assert.Contains("cannot write only what is not there yet", Assert.Single(_server.Heard.Warnings), StringComparison.Ordinal);
        Assert.Equal(["one", "two"], await ListAsync(store));
    }

    [Fact]
    public async Task What_is_wrong_with_the_address_or_the_credentials_is_said()
    {
        await using var strict = await S3Server.StartAsync(strict: true);
        await using var wrong = strict.Open(environment: new() { ["AWS_ACCESS_KEY_ID"] = "S3RVER", ["AWS_SECRET_ACCESS_KEY"] = "not-the-secret" });
        await AssertAsync(wrong, ExitCode.MachineLacks, "refused access to x: SignatureDoesNotMatch");
        await using var nobody = strict.Open(environment: new() { ["AWS_ACCESS_KEY_ID"] = "nobody", ["AWS_SECRET_ACCESS_KEY"] = "not-the-secret" });
        await AssertAsync(nobody, ExitCode.MachineLacks, "refused access to x: InvalidAccessKeyId");
        await using var noBucket = _server.Open(bucket: "nowhere");
        await AssertAsync(noBucket, ExitCode.NotFound, "there is no bucket nowhere");
        await using var unreachable = BackupStores.Open("s3://pgd/x?endpoint=http://127.0.0.1:1&path-style=true", S3Server.Environment, TimeProvider.System);
        await AssertAsync(unreachable, ExitCode.MachineLacks, "cannot be reached for x: Connection refused");

        static async Task AssertAsync(IBackupStore store, ExitCode code, string message)
        {
            foreach (var call in new Func<Task>[] { () => store.ReadAsync("x", default), () => WriteAsync(store, "x", [1]) })
            {
                var error = await Assert.ThrowsAsync<PgdException>(call);
                Assert.True(error.ExitCode == code && error.Message.Contains(message, StringComparison.Ordinal), error.ToString());
                Assert.DoesNotContain("not-the-secret", error.ToString(), StringComparison.Ordinal);
            }
        }
    }

    /// <summary>However large the object is.</summary>
    [Fact]
    public async Task Memory_is_bounded_while_a_large_object_is_written_and_read()
    {
        await using var store = _server.Open();
        var piece = Content(1 << 20);
        long most = 0;

        await store.WriteAsync("x", async (stream, token) =>
        {
            for (var i = 0; i < 200; i++)
            {
                await stream.WriteAsync(piece, token);
                most = Math.Max(most, _server.Proxy.Requests.Count(what => what.Contains("partNumber", StringComparison.Ordinal)) is var sent && i + 1 - (sent * 16) is var held ? held : 0);
            }
        }, onlyIfAbsent: false, default);

        // Two parts, one sent and one filled, in MiB; and one that the proxy has not counted yet.
        Assert.InRange(most, 16, 49);
        Assert.Equal(["x"], await ListAsync(store));
    }

    private static byte[] Content(int size)
    {
        var content = new byte[size];
        new Random(size).NextBytes(content);
        return content;
    }

    private static Task WriteAsync(IBackupStore store, string key, byte[] content, bool onlyIfAbsent = false) =>
        store.WriteAsync(key, async (stream, token) => await stream.WriteAsync(content, token), onlyIfAbsent, default);

    private static async Task<byte[]> ReadAsync(IBackupStore store, string key)
    {
        await using var stream = await store.ReadAsync(key, default);
        using var content = new MemoryStream();
        await stream.CopyToAsync(content);
        return content.ToArray();
    }

    private static async Task<IReadOnlyList<string>> ListAsync(IBackupStore store)
    {
        var keys = new List<string>();
        await foreach (var found in store.ListAsync("", default))
            keys.Add(found.Key);
        return keys;
    }
}
