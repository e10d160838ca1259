using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Pgd.Backups;

/// <summary>
/// A bucket as a store, of Amazon's S3 or of a server that speaks like it. An object is put in one request, or in parts that become visible together; what the server says that it has
/// stored is compared with what was sent.
/// </summary>
internal sealed class S3Store : IBackupStore
{
    // A header of ours, by which we know an object again whose answer was lost.
    internal const string WriteMark = "x-amz-meta-pgd-write";

    private readonly TimeProvider _time;
    private readonly IReporter _reporter;
    private readonly SemaphoreSlim _asking = new(1);
    private bool? _isConditional;

    public S3Store(S3Address address, TimeProvider time, IReporter reporter)
    {
        (Address, _time, _reporter) = (address, time, reporter);
        var configuration = new AmazonS3Config
        {
            AuthenticationRegion = address.Region,
            ForcePathStyle = address.PathStyle,
            Timeout = address.Timeout,
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = 3,
            // The newer checksums are unknown to many servers; the MD5 of each request is known to all.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            IgnoreConfiguredEndpointUrls = true,
        };
        if (address.Endpoint is { } endpoint)
            configuration.ServiceURL = endpoint.AbsoluteUri;
        else
            configuration.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(address.Region);
        Client = address.Credentials switch
        {
            null => new AmazonS3Client(configuration),
            { Token: null } key => new AmazonS3Client(new BasicAWSCredentials(key.Id, key.Secret), configuration),
            var key => new AmazonS3Client(new SessionAWSCredentials(key.Id, key.Secret, key.Token), configuration),
        };
    }

    public string Url => Address.ToString();

    internal S3Address Address { get; }

    internal AmazonS3Client Client { get; }

    public async Task WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool onlyIfAbsent, CancellationToken cancellationToken)
    {
        var name = NameOf(key);
        var conditional = onlyIfAbsent && await IsConditionalAsync(cancellationToken).ConfigureAwait(false);
        if (onlyIfAbsent && !conditional && await HeadAsync(key, cancellationToken).ConfigureAwait(false) is not null)
            throw StoreErrors.Exists(this, key);
        await using var upload = new S3Upload(this, key, name, conditional);
        try
        {
            await write(upload, cancellationToken).ConfigureAwait(false);
            await upload.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await upload.AbortAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task<Stream> ReadAsync(string key, CancellationToken cancellationToken)
    {
        var response = await GetAsync(key, 0, null, null, cancellationToken).ConfigureAwait(false);
        return new S3Download(this, key, response, _time);
    }

    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = Address.Bucket, Prefix = Address.Prefix + ObjectKey.CheckPrefix(prefix) };
        var last = "";
        while (true)
        {
            var page = await AskAsync("the list of objects", () => Client.ListObjectsV2Async(request, cancellationToken), cancellationToken).ConfigureAwait(false);
            var objects = (page.S3Objects ?? []).Where(found => found.Key.StartsWith(request.Prefix, StringComparison.Ordinal))
                .Select(found => new StoredObject(found.Key[Address.Prefix.Length..], found.Size ?? 0, found.LastModified is { } written ? new(written.ToUniversalTime(), TimeSpan.Zero) : default))
                .Where(found => ObjectKey.IsWellFormed(found.Key)).OrderBy(found => found.Key, StringComparer.Ordinal).ToList();
            foreach (var found in objects)
            {
                if (string.CompareOrdinal(found.Key, last) <= 0)
                    throw Lied("the list of objects", "it is not in the order of the keys");
                last = found.Key;
                yield return found;
            }

            if (page.IsTruncated != true)
                yield break;
            if (string.IsNullOrEmpty(page.NextContinuationToken) || page.NextContinuationToken == request.ContinuationToken)
                throw Lied("the list of objects", "it says that there is more, and not where");
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    public async Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        var name = NameOf(key);
        try
        {
            await AskAsync(key, () => Client.DeleteObjectAsync(Address.Bucket, name, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound && e.InnerException is AmazonS3Exception { ErrorCode: not "NoSuchBucket" })
        {
        }
    }

    public ValueTask DisposeAsync()
    {
        Client.Dispose();
        _asking.Dispose();
        return ValueTask.CompletedTask;
    }

    internal async Task<GetObjectMetadataResponse?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        var name = NameOf(key);
        try
        {
            return await AskAsync(key, () => Client.GetObjectMetadataAsync(Address.Bucket, name, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Gets an object or a part of it, if it is still the one with a tag.</summary>
    internal Task<GetObjectResponse> GetAsync(string key, long offset, long? length, string? tag, CancellationToken cancellationToken)
    {
        var request = new GetObjectRequest { BucketName = Address.Bucket, Key = NameOf(key), EtagToMatch = tag };
        if (length is { } count)
            request.ByteRange = new(offset, offset + count - 1);
        return AskAsync(key, () => Client.GetObjectAsync(request, cancellationToken), cancellationToken);
    }

    /// <summary>Asks the server something, and tells what went wrong in our words.</summary>
    internal async Task<T> AskAsync<T>(string what, Func<Task<T>> ask, CancellationToken cancellationToken)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not PgdException && !cancellationToken.IsCancellationRequested)
        {
            throw Told(what, e);
        }
    }

    internal PgdException Told(string what, Exception e)
    {
        const string credentials = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the region, and that they allow GetObject, PutObject, DeleteObject, ListBucket and AbortMultipartUpload.";
        switch (e)
        {
            case PgdException told:
                return told;
            case AmazonS3Exception { ErrorCode: "NoSuchBucket" }:
                return new(ExitCode.NotFound, $"there is no bucket {Address.Bucket} for {Url}", "Make it with the server's own program, or correct the address.", e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.NotFound }:
                return StoreErrors.NotFound(this, what, e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict }:
                return StoreErrors.Exists(this, what, e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.RequestedRangeNotSatisfiable }:
                return new(ExitCode.Failed, $"{what} in the repository {Url} is shorter than it was when it was written", "Restore another backup, or get this file back from a copy of the repository.", e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.InsufficientStorage } or AmazonS3Exception { ErrorCode: "XMinioStorageFull" or "QuotaExceeded" or "QuotaExceededException" }:
                return new(ExitCode.NoRoom, $"no space is left in the repository {Url}; {what} was not written", "Free some, prune old backups, or use another repository.", e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized } refused:
                return new(ExitCode.MachineLacks, $"the server of {Url} refused access to {what}: {refused.ErrorCode}", credentials, e);
            case AmazonS3Exception { StatusCode: HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect } or AmazonS3Exception { ErrorCode: "AuthorizationHeaderMalformed" }:
                return new(ExitCode.Misuse, $"the bucket of {Url} is in another region than {Address.Region}", "Add region=… to the address.", e);
            case AmazonS3Exception failed:
                return new(ExitCode.Failed, $"the server of {Url} failed at {what}, also when asked again: {(int)failed.StatusCode} {failed.ErrorCode}", "Try again later. What was begun is not in the repository.", e);
            case AmazonClientException when Address.Credentials is null && e is not AmazonServiceException && !IsTimeout(e):
                return new(ExitCode.MachineLacks, $"there are no credentials for {Url}", credentials, e);
        }

        return IsTimeout(e)
            ? new(ExitCode.Failed, $"the server of {Url} did not answer about {what} within {Address.Timeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s, also when asked again", "Try again later, or wait longer with timeout=SECONDS in the address.", e)
            : new(ExitCode.MachineLacks, $"the server of {Url} cannot be reached for {what}: {Innermost(e).Message}", "Check the endpoint and the network. What was begun is not in the repository.", e);
    }

    /// <summary>The error about a server that says one thing and does another one.</summary>
    internal PgdException Lied(string what, string fault) => new(ExitCode.Failed, $"the server of {Url} did not do what it said with {what}: {fault}", "Look at the server. Nothing that it holds can be relied on until then.");

    internal static bool IsTimeout(Exception e) => e is OperationCanceledException or TimeoutException || (e.InnerException is { } inner && IsTimeout(inner));

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private string NameOf(string key) => Address.Prefix + ObjectKey.Check(key);

    // Servers that do not know the condition write all the same and say that they did. So it is tried once, on an object that nobody needs.
    private async Task<bool> IsConditionalAsync(CancellationToken cancellationToken)
    {
        await _asking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isConditional is { } known)
                return known;
            var key = $"clock/{Guid.NewGuid():n}";
            try
            {
                for (var time = 0; time < 2; time++)
                {
                    var request = new PutObjectRequest { BucketName = Address.Bucket, Key = NameOf(key), ContentBody = "", IfNoneMatch = "*", UseChunkEncoding = false };
                    await AskAsync(key, () => Client.PutObjectAsync(request, cancellationToken), cancellationToken).ConfigureAwait(false);
                }

                _isConditional = false;
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Exists)
            {
                _isConditional = true;
            }
            catch (PgdException e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest })
            {
                _isConditional = false;
            }

            await DeleteAsync(key, cancellationToken).ConfigureAwait(false);
            if (_isConditional == false)
                _reporter.Warn($"the server of {Url} cannot write only what is not there yet: two operations that begin in the same moment may not notice each other");
            return _isConditional.Value;
        }
        finally
        {
            _asking.Release();
        }
    }
}
