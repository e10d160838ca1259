using Amazon.Runtime;
using Amazon.S3.Model;

namespace Pgd.Backups;

/// <summary>An object of a bucket while it is read. Where the connection breaks or the server falls silent, it goes on from there; what ends early is an error and no end.</summary>
internal sealed class S3Download(S3Store store, string key, GetObjectResponse response, TimeProvider time) : ReadLayer
{
    private const int Attempts = 4;
    private readonly string? _tag = response.ETag;
    private GetObjectResponse? _response = response;
    private long _position, _left = response.ContentLength;
    private int _failures;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_left > 0 && buffer.Length > 0)
        {
            using var patience = new CancellationTokenSource(store.Address.Timeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            try
            {
                _response ??= await store.GetAsync(key, _position, _left, _tag, cancellationToken).ConfigureAwait(false);
                // Some servers do not know that condition either.
                if (_response.ETag != _tag)
                    throw Changed(null);
                var read = await _response.ResponseStream.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _left)], either.Token).ConfigureAwait(false);
                if (read == 0)
                    throw new EndOfStreamException("it ended early");
                (_position, _left, _failures) = (_position + read, _left - read, 0);
                return read;
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Exists)
            {
                throw Changed(e);
            }
            catch (Exception e) when (e is not PgdException && !cancellationToken.IsCancellationRequested)
            {
                _response?.Dispose();
                _response = null;
                if (++_failures == Attempts)
                    throw store.Told(key, e);
            }
        }

        return 0;
    }

    private PgdException Changed(Exception? inner) => new(ExitCode.Failed, $"{key} in the repository {store.Url} was changed while it was read", "Read it again.", inner);

    protected override void Dispose(bool disposing)
    {
        try
        {
            if (disposing)
                _response?.Dispose();
        }
        catch (AmazonClientException)
        {
            // The SDK compares a digest here, and who reads has found the damage by the seal, with a message that says where.
        }

        base.Dispose(disposing);
    }
}
