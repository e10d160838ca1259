using Pgd.Libpq;

namespace Pgd.Backups;

/// <summary>A physical backup of a server that is no branch.</summary>
internal static class ServerBackup
{
    private const string Configuration = "postgresql.conf";

    /// <summary>Makes one.</summary>
    /// <exception cref="PgdException">The server cannot be read, with what to type, or the repository refuses.</exception>
    public static async Task<Backup> MakeAsync(ConnectionUrl url, ChainRule rule, BackupCatalog catalog, IReporter reporter, CancellationToken cancellationToken)
    {
        var (source, name) = (await PhysicalSource.OpenAsync(url, cancellationToken).ConfigureAwait(false), url.ToString());
        await using var _ = source.ConfigureAwait(false);
        var history = $"{source.SystemIdentifier}/{source.Timeline:X8}";
        var begun = await catalog.BeginAsync(source.SystemIdentifier, await catalog.BaseAsync(StoredBackup.SeriesOf(name, null, null), history, rule, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        await using var __ = begun.ConfigureAwait(false);
        reporter.Step($"backing up {name} to {catalog.Repository.Store.Url}");
        var said = await SaidOfAsync(begun.BuildsOn.Parent, catalog.Repository, cancellationToken).ConfigureAwait(false);
        if (begun.BuildsOn.Parent is not null && await source.WhyNotInPartAsync(said, cancellationToken).ConfigureAwait(false) is { } why)
        {
            // Only who can do something about it is told.
            if (source.Major >= PhysicalSource.FirstWithSummaries)
                reporter.Warn($"all files of {name} are read, and not only what changed in them: {why}");
            said = null;
        }

        using var earlier = begun.BuildsOn.Parent is null ? null : new EarlierFiles(begun.BuildsOn.Chain, catalog.Repository);
        var (written, folders, manifest) = await source.ReadAsync(said, files => DataParts.WriteAsync(files, earlier, begun.Prefix, catalog.Repository, reporter, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (!written.Files.Exists(file => file.Path == Configuration))
            reporter.Warn($"{name} has its {Configuration} outside of its data directory, and so it is not in the backup: keep a copy of it");
        var manifestPart = manifest is null ? null
            : await catalog.Repository.WriteAsync(begun.Prefix + ServerManifest.File, (stream, token) => stream.WriteAsync(manifest.Text, token).AsTask(), compress: true, cancellationToken).ConfigureAwait(false);
        return await catalog.CommitAsync(begun, new BackupManifest
        {
            Id = begun.Id,
            History = history,
            Source = name,
            PostgresMajor = source.Major,
            SystemIdentifier = source.SystemIdentifier,
            Libc = source.Libc,
            Superuser = source.Superuser,
            CreatedAt = begun.At,
            DataAsOf = source.DataAsOf,
            Lsn = manifest?.Lsn,
            IsRecovering = source.IsStandby,
            // Its server may have libraries that ours lack.
            IsAdopted = true,
            Folders = folders,
            Files = written.Files,
            Parts = written.Parts,
            BlockMaps = written.Maps,
            ServerManifest = manifestPart,
        }, cancellationToken).ConfigureAwait(false);
    }

    // What the server said of the files of an earlier backup.
    private static async Task<ServerManifest?> SaidOfAsync(StoredBackup? backup, BackupRepository repository, CancellationToken cancellationToken)
    {
        if (backup?.Manifest!.ServerManifest is not { } part)
            return null;
        var stored = await repository.ReadAsync(part.Key, compressed: true, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        using var all = new MemoryStream();
        await stored.CopyToAsync(all, cancellationToken).ConfigureAwait(false);
        return ServerManifest.Read(all.ToArray());
    }
}
