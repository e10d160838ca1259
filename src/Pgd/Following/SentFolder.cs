using Pgd.Backups;
using Pgd.Linux;
using Pgd.Storage;

namespace Pgd.Following;

/// <summary>Files of a server in the data directory of a new one.</summary>
/// <param name="volume">The new one's, which is empty.</param>
/// <param name="expected">How many bytes there will be, about.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class SentFolder(Volume volume, long expected, IReporter reporter)
{
    private const UnixFileMode Closed = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly bool _asRoot = Libc.EffectiveUserId() == 0;
    private readonly FileStatus _owner = Libc.Status(volume.Data);

    /// <summary>Writes them as they come.</summary>
    /// <returns>How many bytes they have.</returns>
    public async Task<long> WriteAsync(IClusterFiles files, CancellationToken cancellationToken)
    {
        var done = 0L;
        while (await files.NextAsync(cancellationToken).ConfigureAwait(false) is { } file)
        {
            // What the server says of what it sent is proved when all has come, and of no use then.
            var target = file.Path == ServerManifest.File ? Stream.Null : Open(file.Path);
            await using var _ = target.ConfigureAwait(false);
            var content = file.Open();
            await using var __ = content.ConfigureAwait(false);
            await content.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
            done += file.Bytes;
            reporter.Progress($"copying {files.Name}", Math.Min(done, expected), expected);
        }

        return done;
    }

    /// <summary>Makes the folders in which nothing came, and the configuration if it is elsewhere.</summary>
    public void Complete(IReadOnlyList<string> folders)
    {
        foreach (var folder in folders)
            Make(Inside(folder));
        foreach (var (name, content) in RestoredFiles.Configuration.Where(file => !File.Exists(Inside(file.Key))))
        {
            Open(name).Dispose();
            File.WriteAllText(Inside(name), content);
        }
    }

    private FileStream Open(string path)
    {
        var place = Inside(path);
        Make(Path.GetDirectoryName(place)!);
        var stream = new FileStream(place, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, UnixCreateMode = Closed });
        Own(place);
        return stream;
    }

    private void Make(string folder)
    {
        if (Directory.Exists(folder))
            return;
        Make(Path.GetDirectoryName(folder)!);
        Directory.CreateDirectory(folder, Closed | UnixFileMode.UserExecute);
        Own(folder);
    }

    private void Own(string path)
    {
        if (_asRoot && Libc.LChown(path, _owner.Owner, _owner.Group) != 0)
            throw Libc.LastError(path);
    }

    // A server is only believed as far as it stays where it belongs.
    private string Inside(string path) => !Path.IsPathRooted(path) && !path.Split('/').Any(part => part is "" or "." or "..") ? Path.Combine(volume.Data, path)
        : throw new PgdException(ExitCode.Failed, $"the server sent a file \"{path}\", which is outside of a data directory", "Connect to the server itself.");
}
