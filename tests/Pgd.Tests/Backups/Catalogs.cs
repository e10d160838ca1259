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
        await using var begun = await catalog.BeginAsync("1", BackupBase.None(null), default);
        var part = await RepositoryFolder.WriteAsync(repository, begun.Prefix + "data/00000.tar", RepositoryFolder.Content(1000), compress: true);
        var running = Assert.Single(await catalog.ListAsync(default));
        Assert.Equal((BackupStatus.Running, "somebody is at it"), (running.Backup.Status, await catalog.DeleteUnlessKeptAsync(running, default)));
        File.Delete(_folder.FileOf($"locks/backup-{begun.Id}/000000000001"));
        await new BackupCatalog(repository).DeleteAsync([running], default);

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
            await using var begun = await catalog.BeginAsync("1", BackupBase.None(null), default);
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

    [Fact]
    public async Task What_a_backup_is_built_on_follows_rules_and_the_reason_for_a_full_one_is_told()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        var (incremental, differential) = (new ChainRule { Kind = BackupKind.Incremental, Length = 4, FullEvery = TimeSpan.FromDays(7) }, new ChainRule { Kind = BackupKind.Differential });
        async Task<string?> WhyFullAsync(ChainRule rule, string series = "shop/main", string? history = "h") => (await catalog.BaseAsync(series, history, rule, default)).Reason;
        Assert.Equal("there is none to build on", await WhyFullAsync(incremental));

        var full = await MakeAsync(catalog, null);
        var first = await MakeAsync(catalog, full);
        var second = await MakeAsync(catalog, first);

        Assert.Equal([full, first, second], await ChainAsync(catalog, incremental));
        Assert.Equal([full], await ChainAsync(catalog, differential));
        Assert.Empty(await ChainAsync(catalog, ChainRule.Full));
        Assert.Equal("there is none to build on", await WhyFullAsync(incremental, "shop/other"));
        Assert.Contains("was reset, restored or made again", await WhyFullAsync(incremental, history: "another"), StringComparison.Ordinal);
        Assert.Contains("is a standby", await WhyFullAsync(incremental, history: null), StringComparison.Ordinal);
        Assert.Equal($"the chain of {second} has 3 backups", await WhyFullAsync(incremental with { Length = 3 }));

        var old = await MakeAsync(catalog, null, DateTimeOffset.UtcNow.AddDays(-8));
        Assert.Equal($"the last full one, {old}, is 8d old", await WhyFullAsync(incremental));
        File.Delete(_folder.FileOf($"i/1/b/{old}/COMMITTED"));
        File.Delete(_folder.FileOf($"i/1/b/{first}/COMMITTED"));
        Assert.Equal($"the last one, {second}, cannot be used: it builds on {first}, which is no good: whoever made it ended before it was complete", await WhyFullAsync(incremental));
        var error = await Assert.ThrowsAsync<PgdException>(async () => await catalog.ChainAsync(await catalog.RequireAsync(second, default), default));
        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Equal((BackupStatus.Damaged, BackupStatus.Complete), ((await catalog.ListAsync(default)).Single(found => found.Backup.Id == second).Backup.Status, (await catalog.RequireAsync(full, default)).Backup.Status));
    }

    /// <summary>Whatever the order in which one builds and another one deletes.</summary>
    [Fact]
    public async Task What_others_build_on_is_not_deleted()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        var full = await MakeAsync(catalog, null);
        var listed = await catalog.ListAsync(default);
        var child = await MakeAsync(catalog, full);
        Assert.Equal($"{child} is built on it", (await catalog.DeleteAsync(listed, default))[full]);

        var chain = new BackupBase(BackupKind.Incremental, await catalog.ChainAsync(await catalog.RequireAsync(child, default), default), null);
        await using (await catalog.BeginAsync("1", chain, default))
        {
            var busy = await catalog.DeleteAsync(await catalog.ListAsync(default), default);
            Assert.Equal([child, full], busy.Where(stays => stays.Value.Contains("builds on it", StringComparison.Ordinal)).Select(stays => stays.Key).Order(StringComparer.Ordinal).Reverse());
            Assert.Equal(ExitCode.Locked, (await Assert.ThrowsAsync<PgdException>(() => catalog.BeginAsync("1", chain, default))).ExitCode);
        }

        Assert.Empty(await catalog.DeleteAsync([.. (await catalog.ListAsync(default)).Where(found => found.Manifest is not null)], default));
        Assert.Equal(ExitCode.Locked, (await Assert.ThrowsAsync<PgdException>(() => catalog.BeginAsync("1", chain, default))).ExitCode);
    }

    /// <summary>A moment is that of PostgreSQL: the oldest open transaction, the next one, and those between that are open.</summary>
    [Theory]
    [InlineData("100:110:100,105", "100:110:100,105", null)]
    [InlineData("100:110:100,105", "105:120:105,115", null)]
    [InlineData("100:110:100,105", "120:120:", null)]
    [InlineData("100:110:", "90:100:", "was restored")]
    [InlineData("100:110:", "2047483749:2047483749:", "used again")]
    [InlineData("110:110:", "100:110:100", "made meanwhile")]
    [InlineData("100:110:100", "100:110:100,105", "made meanwhile")]
    public void Rows_are_only_built_on_an_earlier_moment_of_the_same_history(string then, string now, string? whyNot)
    {
        var earlier = new BackupManifest { Id = "x", Source = "s", SystemIdentifier = "1", CreatedAt = DateTimeOffset.UtcNow, Database = new() { Name = "d", Snapshot = then } };

        var rows = EarlierRows.Of([new("p/", earlier, new() { Id = "x", Status = BackupStatus.Complete })], now, out var told);

        Assert.Equal(whyNot is null, rows is not null);
        Assert.Contains(whyNot ?? "", told ?? "", StringComparison.Ordinal);
        if (rows is not null)
            Assert.Contains("'100'::xid", rows.IsLater, StringComparison.Ordinal);
    }

    private static async Task<string> MakeAsync(BackupCatalog catalog, string? parent, DateTimeOffset? at = null)
    {
        var buildsOn = parent is null ? BackupBase.None(null) : new(BackupKind.Incremental, await catalog.ChainAsync(await catalog.RequireAsync(parent, default), default), null);
        await using var begun = await catalog.BeginAsync("1", buildsOn, default);
        var part = await RepositoryFolder.WriteAsync(catalog.Repository, begun.Prefix + "data/00000.tar", [1], compress: true);
        var manifest = ManifestOf(begun, part) with { History = "h" };
        return (await catalog.CommitAsync(begun, at is null ? manifest : manifest with { CreatedAt = at.Value }, default)).Id;
    }

    private static async Task<IEnumerable<string>> ChainAsync(BackupCatalog catalog, ChainRule rule) => (await catalog.BaseAsync("shop/main", "h", rule, default)).Chain.Select(link => link.Backup.Id);

    private static BackupManifest ManifestOf(BegunBackup begun, StoredPart part) =>
        new() { Id = begun.Id, Source = "shop/main", SystemIdentifier = "1", CreatedAt = begun.At, Parts = [part] };
}
