using System.Globalization;

namespace Pgd.State;

/// <summary>
/// Pull requests that were closed, and when: events may come late, and one that tells of an earlier time must not make a branch that nobody would delete.
/// An empty file each, whose time is the closing's.
/// </summary>
internal sealed class Tombstones(Layout layout)
{
    // No event comes later than that.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    /// <summary>When the pull request was closed; null if it never was, as far as we heard, or long ago.</summary>
    public DateTimeOffset? ClosedAt(long repositoryId, int pullRequest)
    {
        // Of a file that is not there, .NET tells a time in 1601.
        var file = new FileInfo(FileOf(repositoryId, pullRequest));
        return file.Exists ? new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero) : null;
    }

    /// <summary>Remembers it, and forgets what is old.</summary>
    public void Write(long repositoryId, int pullRequest, DateTimeOffset closedAt)
    {
        if (!Directory.Exists(layout.State))
            return;
        try
        {
            layout.EnsureClosed();
            var file = FileOf(repositoryId, pullRequest);
            // Of two closings the later one counts, in whatever order they were told.
            if (ClosedAt(repositoryId, pullRequest) is { } known && known > closedAt)
                return;
            // Only its maker may set a file's time; whoever may write into the folder may replace it. Put there as a whole: until it has its time it has
            // that of this moment, and an event from before that would be taken for one from before the closing.
            var beside = $"{file}.{Guid.NewGuid():N}";
            File.WriteAllBytes(beside, []);
            File.SetLastWriteTimeUtc(beside, closedAt.UtcDateTime);
            File.Move(beside, file, overwrite: true);
            foreach (var old in new DirectoryInfo(layout.Closed).EnumerateFiles().Where(f => f.LastWriteTimeUtc < DateTime.UtcNow - Kept))
                old.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The branch goes whether this is remembered or not: on a full disk that is the way out.
        }
    }

    private string FileOf(long repositoryId, int pullRequest) => Path.Combine(layout.Closed, string.Create(CultureInfo.InvariantCulture, $"{repositoryId}-{pullRequest}"));
}
