using System.Runtime.CompilerServices;

namespace Pgd.Backups;

/// <summary>The stores by their addresses.</summary>
internal static class BackupStores
{
    /// <summary>
    /// Opens a folder (<c>file:///path</c>, or a path) or a bucket (<c>s3://bucket/prefix?endpoint=…&amp;region=…&amp;path-style=true</c>). Nothing is asked
    /// of it yet.
    /// </summary>
    /// <param name="url">Its address.</param>
    /// <param name="environment">Where a bucket's credentials come from (<c>AWS_…</c>).</param>
    /// <param name="time">The clock.</param>
    /// <param name="reporter">Hears what a store cannot do as it should.</param>
    public static IBackupStore Open(string url, IReadOnlyDictionary<string, string> environment, TimeProvider time, IReporter? reporter = null)
    {
        if (url.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
        {
            return Uri.TryCreate(url, UriKind.Absolute, out var file) && file is { IsFile: true, Host: "", Query: "", Fragment: "" }
                ? new FileStore(file.LocalPath)
                : throw new PgdException(ExitCode.Misuse, $"the repository {url} is no folder", "Write file:///path with three strokes and an absolute path, or just the path.");
        }

        if (url.StartsWith("s3:", StringComparison.OrdinalIgnoreCase))
            return OpenBucket(url, environment, time, reporter ?? SilentReporter.Instance);
        if (url.IndexOf("://", StringComparison.Ordinal) is var end and > 0)
        {
            // What comes after the scheme may hold a password.
            throw new PgdException(ExitCode.Misuse, $"a repository cannot be at {url[..end]}://…", "A folder is file:///path or a path; a bucket is s3://BUCKET/PREFIX?endpoint=https://….");
        }

        return string.IsNullOrWhiteSpace(url)
            ? throw new PgdException(ExitCode.Misuse, "the address of the backup repository is empty", "A folder is file:///path or a path; a bucket is s3://BUCKET/PREFIX?endpoint=https://….")
            : new FileStore(Path.GetFullPath(url));
    }

    // Apart, because the SDK is large: it is loaded when this is compiled, and not before.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static S3Store OpenBucket(string url, IReadOnlyDictionary<string, string> environment, TimeProvider time, IReporter reporter) => new(S3Address.Parse(url, environment), time, reporter);
}
