using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>The files of a backup in a folder: first as the full one has them, then with the changes of each that builds on it.</summary>
/// <param name="folder">A folder that is there and empty.</param>
/// <param name="repository">Where the backups are.</param>
/// <param name="chain">The backup, after those that it builds on.</param>
/// <param name="owner">Whose the files will be.</param>
/// <param name="group">Their group.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class RestoredFiles(string folder, BackupRepository repository, IReadOnlyList<StoredBackup> chain, uint owner, uint group, IReporter reporter)
{
    // Distributions keep them outside of the data directory, and without them no server starts.
    internal static readonly IReadOnlyDictionary<string, string> Configuration = new Dictionary<string, string>
    {
        ["postgresql.conf"] = "# Its server had its postgresql.conf elsewhere.\n",
        ["pg_hba.conf"] = "# Its server had its pg_hba.conf elsewhere.\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n",
        ["pg_ident.conf"] = "# Its server had its pg_ident.conf elsewhere.\n",
    };

    private readonly bool _asRoot = Libc.EffectiveUserId() == 0;

    /// <summary>Restores them, proves every byte, and waits until they are on the disk.</summary>
    /// <exception cref="PgdException">The backup is damaged (<see cref="ExitCode.Failed"/>), or there is no room (<see cref="ExitCode.NoRoom"/>).</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var last = chain[^1].Manifest!;
        foreach (var inner in last.Folders)
        {
            var path = Inside(inner);
            Directory.CreateDirectory(path, closed);
            Own(path);
        }

        Own(folder);
        File.SetUnixFileMode(folder, closed);
        var (needed, changed) = (Needed(), new HashSet<string>(StringComparer.Ordinal));
        var (total, done) = (chain.Sum(link => link.Manifest!.Bytes), 0L);
        for (var i = 0; i < chain.Count; i++)
        {
            var (manifest, wanted) = (chain[i].Manifest!, needed[i]);
            foreach (var file in manifest.Files.Where(file => file.Changes is not null && wanted.Contains(file.Path)))
            {
                changed.Add(file.Path);
                using var handle = File.OpenHandle(Inside(file.Path), FileMode.Open, FileAccess.Write);
                RandomAccess.SetLength(handle, file.Bytes);
            }

            await SideBySideAsync(Enumerable.Range(0, manifest.Parts.Count), async (part, token) =>
                await DataParts.ReadAsync(manifest, part, repository, file => wanted.Contains(file.Path) ? Open(file) : null, bytes => reporter.Progress($"restoring {last.Id}", Interlocked.Add(ref done, bytes), total), token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }

        // What came in one piece was proved on the way.
        await SideBySideAsync(last.Files.Where(file => changed.Contains(file.Path)), ProveAsync, cancellationToken).ConfigureAwait(false);
        foreach (var (name, content) in File.Exists(Inside("PG_VERSION")) ? Configuration.Where(file => !File.Exists(Inside(file.Key))) : [])
        {
            await File.WriteAllTextAsync(Inside(name), content, cancellationToken).ConfigureAwait(false);
            File.SetUnixFileMode(Inside(name), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Own(Inside(name));
        }

        Libc.SyncFileSystem(folder);
    }

    /// <summary>Has the server of a standby's files end its recovery where its write-ahead log ends: it goes on as a standby only if somebody says so.</summary>
    public void EndRecovery()
    {
        File.AppendAllText(Inside("postgresql.auto.conf"), "restore_command = 'false' # There is nothing to be had beside what was restored.\n");
        File.WriteAllText(Inside("recovery.signal"), "");
        Own(Inside("recovery.signal"));
    }

    private static Task SideBySideAsync<T>(IEnumerable<T> all, Func<T, CancellationToken, ValueTask> work, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(all, new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8), CancellationToken = cancellationToken }, work);

    // What each backup of the chain has to bring: nothing that a later one has in one piece, or no more.
    private List<HashSet<string>> Needed()
    {
        var (needed, wanted) = (new List<HashSet<string>>(), chain[^1].Manifest!.Files.Select(file => file.Path).ToHashSet(StringComparer.Ordinal));
        foreach (var manifest in chain.Reverse().Select(link => link.Manifest!))
        {
            var files = manifest.Files.Where(file => wanted.Contains(file.Path)).ToList();
            if (files.Count < wanted.Count)
                throw new PgdException(ExitCode.Failed, $"{manifest.Id} does not have {wanted.First(path => files.TrueForAll(file => file.Path != path))}, which a later backup builds on", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
            needed.Insert(0, wanted);
            wanted = [.. files.Where(file => file.IsAsBefore || file.Changes is not null).Select(file => file.Path)];
        }

        return wanted.Count == 0 ? needed : throw new PgdException(ExitCode.Failed, $"{chain[0].Backup.Id} is no full backup: it does not have all of {wanted.First()}", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
    }

    private async ValueTask ProveAsync(BackedUpFile file, CancellationToken cancellationToken)
    {
        using var content = new FileStream(Inside(file.Path), new FileStreamOptions { Access = FileAccess.Read, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
        if (content.Length != file.Bytes || await DataParts.DigestOfAsync(content, file.Bytes, cancellationToken).ConfigureAwait(false) != file.Digest)
            throw new PgdException(ExitCode.Failed, $"{chain[^1].Backup.Id} is damaged: {file.Path} is not what was backed up", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
    }

    private FileStream Open(BackedUpFile file)
    {
        var path = Inside(file.Path);
        if (file.Changes is not null)
            return new(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Write, Options = FileOptions.Asynchronous });
        var stream = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, PreallocationSize = 0 });
        Own(path);
        return stream;
    }

    private void Own(string path)
    {
        if (_asRoot && Libc.LChown(path, owner, group) != 0)
            throw Libc.LastError(path);
    }

    // A manifest is only believed as far as it stays where it belongs.
    private string Inside(string path) => !Path.IsPathRooted(path) && !path.Split('/').Any(part => part is "" or "." or "..") ? Path.Combine(folder, path)
        : throw new PgdException(ExitCode.Failed, $"the backup has a file \"{path}\", which is outside of a data directory", "It was not made by pgd; do not use it.");
}
