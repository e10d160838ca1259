using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;

namespace Pgd.Backups;

/// <summary>
/// An object of a bucket while it is written: one request if it is small, else parts, of which one is sent while the next one is filled. Each part goes with its MD5, and the server's answer
/// is compared with it.
/// </summary>
internal sealed class S3Upload(S3Store store, string key, string name, bool onlyIfAbsent) : WriteLayer
{
    /// <summary>Bytes of all parts but the last one: some servers want them all of one size, and all of them allow 10,000.</summary>
    public const int PartSize = 16 << 20;

    private const int MostParts = 10_000;
    private static readonly TimeSpan CleaningUp = TimeSpan.FromSeconds(30);

    private readonly string _mark = Guid.NewGuid().ToString("n");
    private readonly List<PartETag> _parts = [];
    private byte[]? _part;
    private int _used;
    private long _total;
    private string? _uploadId;
    private Task? _sending;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            // Only what is followed by something is known not to be all.
            if (_used == PartSize)
                await SendPartAsync(cancellationToken).ConfigureAwait(false);
            _part ??= ArrayPool<byte>.Shared.Rent(PartSize);
            var count = Math.Min(buffer.Length, PartSize - _used);
            buffer[..count].CopyTo(_part.AsMemory(_used));
            buffer = buffer[count..];
            _used += count;
            _total += count;
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (_uploadId is null)
        {
            await PutAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        await SendPartAsync(cancellationToken).ConfigureAwait(false);
        await _sending!.ConfigureAwait(false);
        try
        {
            await store.AskAsync(key, () => store.Client.CompleteMultipartUploadAsync(
                new() { BucketName = store.Address.Bucket, Key = name, UploadId = _uploadId, PartETags = _parts, IfNoneMatch = onlyIfAbsent ? "*" : null }, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException)
        {
            // The answer may have been lost, and then the next try finds no such upload, or that there is an object already: ours.
            if (!await IsOursAsync(cancellationToken).ConfigureAwait(false))
                throw;
        }

        if (await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is var stored && stored?.ContentLength != _total)
            throw store.Lied(key, $"{_total} bytes were sent, and it has {stored?.ContentLength ?? 0}");
        _uploadId = null;
    }

    /// <summary>Takes back what was sent, on its own clock.</summary>
    public async Task AbortAsync()
    {
        using var patience = new CancellationTokenSource(CleaningUp);
        try
        {
            if (_sending is { } sending)
                await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_uploadId is not null)
                await store.Client.AbortMultipartUploadAsync(new() { BucketName = store.Address.Bucket, Key = name, UploadId = _uploadId }, patience.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The first error is the one to tell. What stays is invisible, and a lifecycle rule of the bucket removes it.
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && _part is not null)
            ArrayPool<byte>.Shared.Return(_part);
        _part = null;
        base.Dispose(disposing);
    }

    private async Task PutAsync(CancellationToken cancellationToken)
    {
        var content = _part ?? [];
        var hash = Md5(content.AsSpan(0, _used));
        using var stream = new MemoryStream(content, 0, _used, writable: false);
        var request = new PutObjectRequest
        {
            BucketName = store.Address.Bucket,
            Key = name,
            InputStream = stream,
            AutoCloseStream = false,
            UseChunkEncoding = false,
            MD5Digest = Convert.ToBase64String(hash),
            IfNoneMatch = onlyIfAbsent ? "*" : null,
        };
        request.Metadata[S3Store.WriteMark] = _mark;
        try
        {
            var response = await store.AskAsync(key, () => store.Client.PutObjectAsync(request, cancellationToken), cancellationToken).ConfigureAwait(false);
            if (!IsOf(response.ETag, hash, response.ServerSideEncryptionMethod))
            {
                await store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
                throw store.Lied(key, "what it stored is not what was sent");
            }
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Exists)
        {
            if (!await IsOursAsync(cancellationToken).ConfigureAwait(false))
                throw;
        }
    }

    private async Task SendPartAsync(CancellationToken cancellationToken)
    {
        if (_parts.Count == MostParts - 1)
            throw new PgdException(ExitCode.Failed, $"{key} is larger than the {(long)MostParts * PartSize >> 30} GB that an object of {store.Url} can have", "Write it in several parts.");
        if (_uploadId is null)
        {
            var request = new InitiateMultipartUploadRequest { BucketName = store.Address.Bucket, Key = name };
            request.Metadata[S3Store.WriteMark] = _mark;
            _uploadId = (await store.AskAsync(key, () => store.Client.InitiateMultipartUploadAsync(request, cancellationToken), cancellationToken).ConfigureAwait(false)).UploadId;
        }

        if (_sending is not null)
            await _sending.ConfigureAwait(false);
        var (part, used) = (_part!, _used);
        (_part, _used) = (null, 0);
        _sending = SendAsync(part, used, _parts.Count + 1, cancellationToken);
    }

    private async Task SendAsync(byte[] part, int length, int number, CancellationToken cancellationToken)
    {
        // Whoever fills the next part shall not wait for the hash of this one.
        await Task.Yield();
        var hash = Md5(part.AsSpan(0, length));
        using var stream = new MemoryStream(part, 0, length, writable: false);
        var request = new UploadPartRequest
        {
            BucketName = store.Address.Bucket,
            Key = name,
            UploadId = _uploadId,
            PartNumber = number,
            PartSize = length,
            InputStream = stream,
            UseChunkEncoding = false,
            MD5Digest = Convert.ToBase64String(hash),
        };
        var response = await store.AskAsync(key, () => store.Client.UploadPartAsync(request, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (!IsOf(response.ETag, hash, response.ServerSideEncryptionMethod))
            throw store.Lied(key, $"what it stored as part {number} is not what was sent");
        _parts.Add(new(number, response.ETag));
        ArrayPool<byte>.Shared.Return(part);
    }

    private async Task<bool> IsOursAsync(CancellationToken cancellationToken) =>
        await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is { } stored && stored.Metadata[S3Store.WriteMark] == _mark;

    // With a key of the server's key management, and on a few servers always, the tag is something else.
    private static bool IsOf(string? tag, byte[] hash, ServerSideEncryptionMethod? encryption) =>
        tag?.Trim('"') is not { Length: 32 } text || !text.All(char.IsAsciiHexDigit) || (encryption is not null && encryption != ServerSideEncryptionMethod.None && encryption != ServerSideEncryptionMethod.AES256)
        || string.Equals(text, Convert.ToHexString(hash), StringComparison.OrdinalIgnoreCase);

#pragma warning disable CA5351 // What S3 compares with; against somebody who wants to forge, there is the seal above.
    private static byte[] Md5(ReadOnlySpan<byte> content) => MD5.HashData(content);
#pragma warning restore CA5351
}
