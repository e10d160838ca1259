using System.Globalization;

namespace Pgd.Backups;

/// <summary>Where a bucket is and how it is spoken to: <c>s3://bucket/prefix?endpoint=https://…&amp;region=…&amp;path-style=true&amp;timeout=120</c>.</summary>
/// <param name="Bucket">Its name.</param>
/// <param name="Prefix">What all keys begin with: nothing, or a part that ends with a stroke.</param>
/// <param name="Endpoint">The server; null for Amazon's of the region.</param>
/// <param name="Region">The region, which is a part of each signature.</param>
/// <param name="PathStyle">Whether the bucket is a part of the path instead of the host's name, as for most servers that are not Amazon's.</param>
/// <param name="Timeout">How long one request may take, and how long a server may be silent.</param>
/// <param name="Credentials">From the environment; null to look where the SDK does: its files, and what a cloud tells its machines.</param>
internal sealed record S3Address(string Bucket, string Prefix, Uri? Endpoint, string Region, bool PathStyle, TimeSpan Timeout, S3Credentials? Credentials)
{
    private const string Example = "s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION&path-style=true";

    /// <summary>Without secrets: there is no place for one in it.</summary>
    public override string ToString() => $"s3://{Bucket}/{Prefix.TrimEnd('/')}{(Endpoint is null ? "" : $"?endpoint={Endpoint.GetLeftPart(UriPartial.Authority)}")}";

    /// <summary>Reads an address, and what it leaves open from the variables that other programs use.</summary>
    public static S3Address Parse(string url, IReadOnlyDictionary<string, string> environment)
    {
        var (place, query) = url.Split('?', 2) is [var before, var after] ? (before, after) : (url, "");
        if (!place.StartsWith("s3://", StringComparison.OrdinalIgnoreCase) || place.Contains('@', StringComparison.Ordinal))
            throw Wrong("it is no bucket's, or has a user's name or key in it", "Credentials belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
        var (bucket, prefix) = place[5..].Split('/', 2) is [var name, var rest] ? (name, rest.Trim('/')) : (place[5..], "");
        if (bucket.Length is < 3 or > 63 || !bucket.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_'))
            throw Wrong($"'{bucket}' is no bucket's name", Example);
        if (prefix.Length > 0)
            ObjectKey.Check(prefix);

        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var option in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, value) = option.Split('=', 2) is [var k, var v] ? (k, Uri.UnescapeDataString(v)) : (option, "");
            if (key is not ("endpoint" or "region" or "path-style" or "timeout") || value.Length == 0)
                throw Wrong("it may have the options endpoint, region, path-style and timeout, each with a value", Example);
            options[key] = value;
        }

        var endpoint = options.GetValueOrDefault("endpoint") ?? Variable("AWS_ENDPOINT_URL_S3") ?? Variable("AWS_ENDPOINT_URL");
        Uri? server = null;
        if (endpoint is not null && !(Uri.TryCreate(endpoint, UriKind.Absolute, out server) && server is { Scheme: "http" or "https", UserInfo: "", Query: "" }))
            throw Wrong("its endpoint is no address of a server", "Write endpoint=https://HOST or endpoint=http://HOST:PORT, without a name and a password.");
        if (!bool.TryParse(options.GetValueOrDefault("path-style", "false"), out var pathStyle))
            throw Wrong("path-style is true or false", Example);
        if (!int.TryParse(options.GetValueOrDefault("timeout", "120"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds is < 1 or > 3600)
            throw Wrong("timeout is a number of seconds from 1 to 3600", Example);

        return new(bucket, prefix.Length == 0 ? "" : prefix + "/", server, options.GetValueOrDefault("region") ?? Variable("AWS_REGION") ?? Variable("AWS_DEFAULT_REGION") ?? "us-east-1",
            pathStyle, TimeSpan.FromSeconds(seconds), CredentialsOf());

        string? Variable(string variable) => environment.TryGetValue(variable, out var value) && value.Length > 0 ? value : null;

        S3Credentials? CredentialsOf() => (Variable("AWS_ACCESS_KEY_ID"), Variable("AWS_SECRET_ACCESS_KEY")) switch
        {
            ({ } id, { } secret) => new(id, secret, Variable("AWS_SESSION_TOKEN")),
            (null, null) => null,
            _ => throw new PgdException(ExitCode.Misuse, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set", "Set both, or none to use what the SDK finds itself."),
        };
    }

    // The address itself is not repeated, because what is wrong with it may be a secret in the wrong place.
    private static PgdException Wrong(string fault, string hint) => new(ExitCode.Misuse, $"the address of the backup repository cannot be used: {fault}", hint);
}

/// <summary>Who asks. Never shown.</summary>
internal sealed record S3Credentials(string Id, string Secret, string? Token)
{
    /// <summary>Nothing.</summary>
    public override string ToString() => nameof(S3Credentials);
}
