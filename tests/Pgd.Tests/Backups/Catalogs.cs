using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Which backups a repository has.</summary>
public sealed class Catalogs : IDisposable
{
    private readonly RepositoryFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>His machine slept, and another one cleaned up after him.</summary>
    [Fact]
    public async Task Who_was_taken_for_dead_completes_no_backup()
    {
        var repository = await _folder.InitializeAsync(encrypted: false);
        var catalog = new BackupCatalog(repository);
        await using var begun = await catalog.BeginAsync("1", default);
        var part = await RepositoryFolder.WriteAsync(repository, begun.Prefix + "data/00000.tar", RepositoryFolder.Content(1000), compress: true);
        var running = Assert.Single(await catalog.ListAsync(default));
        Assert.Equal((BackupStatus.Running, "somebody is at it"), (running.Backup.Status, await catalog.DeleteUnlessKeptAsync(running, default)));
        File.Delete(_folder.FileOf($"locks/backup-{begun.Id}/000000000001"));
        await new BackupCatalog(repository).DeleteAsync(running, default);

        var error = await Assert.ThrowsAsync<PgdException>(() => catalog.CommitAsync(begun, ManifestOf(begun, part), default));

        Assert.Equal(ExitCode.Locked, error.ExitCode);
        await begun.DisposeAsync();
        Assert.Equal(BackupStatus.Incomplete, Assert.Single(await catalog.ListAsync(default)).Backup.Status);
    }

    /// <summary>He would take older data for the newest.</summary>
    [Fact]
    public async Task Who_asks_for_the_latest_never_gets_an_older_one_because_that_is_damaged()
    {
        var repository = await _folder.InitializeAsync(encrypted: false);
        var catalog = new BackupCatalog(repository);
        var made = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            await using var begun = await catalog.BeginAsync("1", default);
            made.Add((await catalog.CommitAsync(begun, ManifestOf(begun, await RepositoryFolder.WriteAsync(repository, begun.Prefix + "data/00000.tar", [1], compress: true)), default)).Id);
        }

        made.Sort(StringComparer.Ordinal);
        Assert.Equal(made[1], (await catalog.RequireAsync("latest", default)).Backup.Id);
        // Nothing but backups is left: no lock, no clock.
        Assert.Equal(["i", "repo.json"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName).Where(name => name![0] != '.').Order());
        File.WriteAllText(_folder.FileOf($"i/1/b/{made[1]}/manifest.json"), "{}");

        var error = await Assert.ThrowsAsync<PgdException>(() => catalog.RequireAsync("latest", default));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Contains(made[1], error.Message, StringComparison.Ordinal);
        Assert.Equal(made[0], (await catalog.RequireAsync(made[0], default)).Backup.Id);
    }

    private static BackupManifest ManifestOf(BegunBackup begun, StoredPart part) =>
        new() { Id = begun.Id, Source = "shop/main", SystemIdentifier = "1", CreatedAt = begun.At, Parts = [part] };
}
