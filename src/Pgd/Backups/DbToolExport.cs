using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Backups;

/// <summary>
/// Writes a logical backup as the folder that DB Backup Utility (<c>dbtool.py</c>) makes of a database, with plain SQL in it, so that it can be restored without pgd. The folder has its name
/// when all of it is on the disk.
/// </summary>
/// <param name="repository">Where it is.</param>
/// <param name="chain">The backup, after those that it builds on.</param>
/// <param name="withOwners">Whether what is restored belongs to whom it belonged to.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class DbToolExport(BackupRepository repository, IReadOnlyList<StoredBackup> chain, bool withOwners, IReporter reporter)
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string Schema = "schema.sql", Metadata = "metadata.json", Differences = ".backup_diff", Chain = "manifest.json";
    private static readonly DbToolJson Json = new(new(DbToolJson.Default.Options) { TypeInfoResolver = null, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    private readonly BackupManifest _manifest = chain[^1].Manifest!;

    private bool IsByColumn => _manifest.Database!.ChangedBy is not null;

    /// <summary>Writes it.</summary>
    /// <param name="parent">The folder that gets it.</param>
    /// <param name="cancellationToken">Ends it, with nothing left.</param>
    /// <exception cref="PgdException">It is of a whole cluster (<see cref="ExitCode.Misuse"/>), the folder is there (<see cref="ExitCode.Exists"/>), the backup is damaged (<see cref="ExitCode.Failed"/>), or there is no room (<see cref="ExitCode.NoRoom"/>).</exception>
    public async Task<ExportedBackup> RunAsync(string parent, CancellationToken cancellationToken)
    {
        if (_manifest.Mode != BackupMode.Logical)
            throw new PgdException(ExitCode.Misuse, $"{_manifest.Id} has the files of a whole cluster, and the layout is one of a database as SQL", "Restore it as a branch (dotnet pgd backup restore ID --to-branch PROJECT/BRANCH), and back that up with --mode logical.");
        var entry = DbToolBackup.Of(chain[^1], repository.Store.Url, isWhole: true);
        var (folder, dump) = (Path.Combine(parent, entry.Id), $"{DbToolBackup.FileName(_manifest.Database!.Name)}_{(_manifest.Database.IsPartial ? "partial_" : "")}{DbToolBackup.TimeIn(_manifest)}.sql.zst");
        RefuseWhatIsThere(folder);
        var partial = folder + ".partial";
        Directory.CreateDirectory(parent);
        Directory.CreateDirectory(partial, FolderMode);
        DiskFull.RefuseWithout(_manifest.StoredBytes, partial);
        // What is locked is somebody's; the rest was left by one who died.
        var target = Lock(Path.Combine(partial, dump));
        await using var _ = target.ConfigureAwait(false);
        try
        {
            return await DiskFull.TellAsync(parent, async () =>
            {
                reporter.Step($"exporting {_manifest.Id} to {folder}");
                using (var zstd = new ZstdWriter(target, repository.Compression))
                {
                    await (_manifest.Engine is null ? SqlAsync(zstd, cancellationToken)
                        : IsByColumn ? new MariaDbScript(chain, ReadAsync, "exporting", reporter).WriteAsync(zstd, cancellationToken)
                        : CopyAsync(chain[^1].Prefix + MariaDbDump.Key, zstd, cancellationToken)).ConfigureAwait(false);
                    await zstd.CompleteAsync(cancellationToken).ConfigureAwait(false);
                }

                var schema = New(Path.Combine(partial, Schema));
                await using (schema.ConfigureAwait(false))
                    await SchemaAsync(schema, cancellationToken).ConfigureAwait(false);
                Write(Path.Combine(partial, Metadata), entry with
                {
                    Tables = entry.Tables.ToDictionary(table => table.Key, table => table.Value with { FilePath = Path.Combine(folder, dump) }),
                    Statistics = entry.Statistics with { TotalSizeBytes = target.Length },
                    BackupLocation = folder,
                    SchemaFile = Path.Combine(folder, Schema),
                }, Json.DbToolBackup);
                Directory.CreateDirectory(Path.Combine(partial, Differences), FolderMode);
                Write(Path.Combine(partial, Differences, Chain), new(entry.TimestampStart, [], entry.TimestampStart), Json.DbToolChain);
                await target.FlushAsync(cancellationToken).ConfigureAwait(false);
                Libc.SyncFileSystem(partial);
                Fault.Here("backup-export:written");
                RefuseWhatIsThere(folder);
                Directory.Move(partial, folder);
                return new ExportedBackup(chain[^1].Backup, folder, [dump, Schema, Metadata, $"{Differences}/{Chain}"]);
            }).ConfigureAwait(false);
        }
        catch
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
            throw;
        }
    }

    private static void RefuseWhatIsThere(string folder)
    {
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new PgdException(ExitCode.Exists, $"{folder} is there already, and not empty", "Remove it, or name another folder with --to.");
        if (Directory.Exists(folder))
            Directory.Delete(folder);
    }

    private static FileStream Lock(string path)
    {
        try
        {
            return new(path, new FileStreamOptions { Mode = System.IO.FileMode.Create, Access = FileAccess.Write, Share = FileShare.None, Options = FileOptions.Asynchronous, UnixCreateMode = FileMode });
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new PgdException(ExitCode.Locked, $"somebody else is writing {path}", "Wait until that is done, or name another folder with --to.", e);
        }
    }

    private static FileStream New(string path) => new(path, new FileStreamOptions { Mode = System.IO.FileMode.Create, Access = FileAccess.Write, Options = FileOptions.Asynchronous, UnixCreateMode = FileMode });

    private static void Write<T>(string path, T value, JsonTypeInfo<T> shape)
    {
        using var file = New(path);
        JsonSerializer.Serialize(file, value, shape);
    }

    private Task SqlAsync(Stream target, CancellationToken cancellationToken) =>
        new LogicalScript(chain, withOwners ? "" : LogicalDump.WithoutOwners, ReadAsync, reporter).WriteAsync(target, cancellationToken);

    private async Task SchemaAsync(Stream target, CancellationToken cancellationToken)
    {
        if (IsByColumn && _manifest.Engine is not null)
        {
            foreach (var definitions in MariaDbRows.Definitions.Where(definitions => _manifest.Parts.Any(part => part.Key == chain[^1].Prefix + definitions)))
                await CopyAsync(chain[^1].Prefix + definitions, target, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (_manifest.Engine is not null)
        {
            var definitions = new MariaDbDefinitions(target);
            await using var _ = definitions.ConfigureAwait(false);
            await CopyAsync(chain[^1].Prefix + MariaDbDump.Key, definitions, cancellationToken).ConfigureAwait(false);
            await definitions.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        foreach (var section in (string[])[LogicalDump.BeforeData, LogicalDump.AfterData])
            await CopyAsync(chain[^1].Prefix + (withOwners ? "" : LogicalDump.WithoutOwners) + section, target, cancellationToken).ConfigureAwait(false);
    }

    private async Task CopyAsync(string key, Stream target, CancellationToken cancellationToken)
    {
        var stored = await ReadAsync(key, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        await stored.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
    }

    private async Task<Stream> ReadAsync(string key, CancellationToken cancellationToken)
    {
        var part = chain.SelectMany(link => link.Manifest!.Parts).FirstOrDefault(part => part.Key == key) ?? throw new PgdException(ExitCode.Failed, $"the manifest of {_manifest.Id} has no {key}", "It was not made by pgd; do not use it.");
        return new Proved(await repository.ReadAsync(key, compressed: true, cancellationToken).ConfigureAwait(false), part);
    }

    /// <summary>An object whose end comes only if it is what was backed up.</summary>
    private sealed class Proved(Stream inner, StoredPart part) : ReadLayer
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            _hash.AppendData(buffer.Span[..read]);
            if (read == 0 && buffer.Length > 0 && Convert.ToHexStringLower(_hash.GetCurrentHash()) != part.ContentSha256)
                throw new PgdException(ExitCode.Failed, $"{part.Key} is damaged: it is not what was backed up", "What is damaged is not exported; choose another backup: dotnet pgd backup list");
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _hash.Dispose();
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}

/// <summary>A backup that was written as files of another form.</summary>
/// <param name="Backup">The backup.</param>
/// <param name="Folder">The folder.</param>
/// <param name="Files">What is in it.</param>
public sealed record ExportedBackup(Backup Backup, string Folder, IReadOnlyList<string> Files);
