using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>
/// The backups of a repository, as its objects tell of them: <c>i/CLUSTER/b/ID/</c> has the data, a manifest, and last of all the mark that it is complete.
/// </summary>
internal sealed class BackupCatalog(BackupRepository repository)
{
    private const string Instances = "i/", Committed = "COMMITTED", Manifest = "manifest.json", Verifications = "verified/";

    /// <summary>Whose backups they are.</summary>
    public BackupRepository Repository => repository;

    /// <summary>Begins a backup: from now on others know that somebody is at it.</summary>
    public async Task<BegunBackup> BeginAsync(string systemIdentifier, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        var id = $"{now:yyyyMMddTHHmmss.fffZ}-F-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";
        return new(id, PrefixOf(systemIdentifier, id), now, await repository.LockAsync(LockOf(id), isForGood: true, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Makes a backup of what was written. Until this is done there is none.</summary>
    /// <exception cref="PgdException">Others may have taken it for dead meanwhile (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<Backup> CommitAsync(BegunBackup begun, BackupManifest manifest, CancellationToken cancellationToken)
    {
        manifest = manifest with { CompletedAt = DateTimeOffset.UtcNow };
        var stored = await repository.WriteAsync(begun.Prefix + Manifest, (stream, token) => stream.WriteAsync(manifest.ToJson(), token).AsTask(), compress: true, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup:manifest");
        // Who takes it for dead deletes what it wrote.
        await begun.Lock.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        await repository.Store.WriteAsync(begun.Prefix + Committed, (stream, token) => stream.WriteAsync(Encoding.ASCII.GetBytes(MarkOf(stored.Sha256)), token).AsTask(), onlyIfAbsent: true, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup:committed");
        return View(manifest, stored.StoredBytes);
    }

    /// <summary>All of them, the oldest first.</summary>
    public async Task<IReadOnlyList<StoredBackup>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new List<StoredBackup>();
        foreach (var place in await PlacesAsync(cancellationToken).ConfigureAwait(false))
            found.Add(await ReadAsync(place, cancellationToken).ConfigureAwait(false));
        return found;
    }

    /// <summary>The one that somebody means: its identity, the beginning of that, or <c>latest</c>, which is the newest complete one.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>) or several (<see cref="ExitCode.Misuse"/>), or it cannot be used (<see cref="ExitCode.Failed"/>).</exception>
    public async Task<StoredBackup> RequireAsync(string id, CancellationToken cancellationToken)
    {
        var all = await PlacesAsync(cancellationToken).ConfigureAwait(false);
        // Not the newest that can be used: whoever asks for the latest data must not get older ones unawares.
        switch (id == "latest" ? all.Where(place => place.IsCommitted).TakeLast(1).ToList() : [.. all.Where(place => place.Id.StartsWith(id, StringComparison.Ordinal))])
        {
            case [var only]:
                return await ReadAsync(only, cancellationToken).ConfigureAwait(false) is var read && read.Manifest is not null ? read
                    : throw new PgdException(ExitCode.Failed, $"the backup {only.Id} cannot be used: {read.Backup.Problem}", "Choose another one: dotnet pgd backup list");
            case []:
                throw new PgdException(ExitCode.NotFound, $"there is no {(id == "latest" ? "complete backup" : $"backup {id}")} in {repository.Store.Url}", all.Count == 0 ? "Make one: dotnet pgd backup create PROJECT/BRANCH" : $"There {(all.Count == 1 ? "is" : "are")} {string.Join(", ", all.TakeLast(10).Select(place => place.Id))}");
            case var several:
                throw new PgdException(ExitCode.Misuse, $"{id} may be {string.Join(" or ", several.Take(5).Select(place => place.Id))}", "Write more of it.");
        }
    }

    /// <summary>Keeps what a verification found, beside the backup.</summary>
    public Task KeepAsync(StoredBackup backup, BackupVerification verification, CancellationToken cancellationToken) =>
        repository.WriteAsync($"{backup.Prefix}{Verifications}{verification.At:yyyyMMddTHHmmss.fffZ}.json", (stream, token) => stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(verification, BackupJson.Default.BackupVerification), token).AsTask(), compress: false, cancellationToken);

    /// <summary>Pins a backup, or lifts that; not while a prune is at it.</summary>
    /// <exception cref="PgdException">It was deleted meanwhile (<see cref="ExitCode.NotFound"/>), or somebody is at it (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<Backup> PinAsync(StoredBackup backup, BackupPin? pin, CancellationToken cancellationToken)
    {
        var locked = await repository.LockAsync(LockOf(backup.Backup.Id), isForGood: true, cancellationToken).ConfigureAwait(false);
        await using var _ = locked.ConfigureAwait(false);
        if (!(await ObjectsAsync(backup, cancellationToken).ConfigureAwait(false)).ContainsKey(backup.Prefix + Committed))
            throw new PgdException(ExitCode.NotFound, $"the backup {backup.Backup.Id} was deleted meanwhile", "See what is left: dotnet pgd backup list");
        await (pin is null ? BackupPin.DeleteAsync(repository, backup.Prefix, cancellationToken) : pin.WriteAsync(repository, backup.Prefix, cancellationToken)).ConfigureAwait(false);
        return backup.Backup with { Pinned = pin };
    }

    /// <summary>The sizes of a backup's objects, by their names.</summary>
    public async Task<IReadOnlyDictionary<string, long>> ObjectsAsync(StoredBackup backup, CancellationToken cancellationToken)
    {
        var objects = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var stored in repository.Store.ListAsync(backup.Prefix, cancellationToken).ConfigureAwait(false))
            objects[stored.Key] = stored.Bytes;
        return objects;
    }

    /// <summary>Deletes a backup. The mark goes first: what is half deleted is none.</summary>
    public async Task DeleteAsync(StoredBackup backup, CancellationToken cancellationToken)
    {
        await repository.Store.DeleteAsync(backup.Prefix + Committed, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup-delete:mark");
        foreach (var key in (await ObjectsAsync(backup, cancellationToken).ConfigureAwait(false)).Keys)
            await repository.Store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Deletes a complete backup unless it was pinned meanwhile, and what was never completed unless it was meanwhile.</summary>
    /// <returns>Why it stays after all; null if it is gone.</returns>
    public async Task<string?> DeleteUnlessKeptAsync(StoredBackup backup, CancellationToken cancellationToken)
    {
        try
        {
            // Whoever is at it has this lock; and one who comes back from the dead sees that he lost it before he calls it complete.
            var locked = await repository.LockAsync(LockOf(backup.Backup.Id), isForGood: true, cancellationToken).ConfigureAwait(false);
            await using var _ = locked.ConfigureAwait(false);
            var objects = new List<StoredObject>();
            await foreach (var stored in repository.Store.ListAsync(backup.Prefix, cancellationToken).ConfigureAwait(false))
                objects.Add(stored);
            if (backup.Manifest is null && objects.Exists(stored => stored.Key == backup.Prefix + Committed))
                return "it was completed meanwhile";
            if (await BackupPin.ReadAsync(repository, backup.Prefix, objects, cancellationToken).ConfigureAwait(false) is { } pin)
                return pin.Told;
            await DeleteAsync(backup, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Locked)
        {
            return "somebody is at it";
        }
    }

    private static string PrefixOf(string systemIdentifier, string id) => $"{Instances}{systemIdentifier}/b/{id}/";

    private static string LockOf(string id) => $"backup-{id}";

    private static string MarkOf(string manifestHash) => manifestHash + "\n";

    private static Backup View(BackupManifest manifest, long manifestBytes) => new()
    {
        Id = manifest.Id,
        Status = BackupStatus.Complete,
        Source = manifest.Source,
        Mode = manifest.Mode,
        PostgresMajor = manifest.PostgresMajor,
        Engine = manifest.Engine,
        CreatedAt = manifest.CreatedAt,
        CompletedAt = manifest.CompletedAt,
        DataAsOf = manifest.DataAsOf,
        Lsn = manifest.Lsn,
        Database = manifest.Database?.Name,
        Tables = manifest.Database?.Tables.Count,
        Rows = manifest.Database is { } counted && manifest.Engine is null ? counted.Tables.Sum(table => table.Rows) : null,
        IsPartial = manifest.Database?.IsPartial ?? false,
        LeftOut = manifest.Database?.LeftOut ?? [],
        Bytes = manifest.Mode == BackupMode.Logical ? manifest.Bytes : manifest.Files.Sum(file => file.Bytes),
        StoredBytes = manifest.StoredBytes + manifestBytes,
        Anonymized = manifest.IsAnonymized,
    };

    private async Task<List<Place>> PlacesAsync(CancellationToken cancellationToken)
    {
        var places = new Dictionary<string, Place>(StringComparer.Ordinal);
        await foreach (var stored in repository.Store.ListAsync(Instances, cancellationToken).ConfigureAwait(false))
        {
            // i/SYSTEM/b/ID/…
            if (stored.Key.Split('/', 5) is not [_, var system, "b", var id, _])
                continue;
            var prefix = PrefixOf(system, id);
            if (!places.TryGetValue(prefix, out var place))
                places[prefix] = place = new(id, prefix);
            place.Objects.Add(stored);
        }

        return [.. places.Values.OrderBy(place => place.Id, StringComparer.Ordinal)];
    }

    private async Task<StoredBackup> ReadAsync(Place place, CancellationToken cancellationToken)
    {
        var (id, prefix, objects) = (place.Id, place.Prefix, place.Objects);
        if (!place.IsCommitted)
        {
            var running = await repository.IsLockedAsync(LockOf(id), cancellationToken).ConfigureAwait(false);
            return new(prefix, null, new() { Id = id, Status = running ? BackupStatus.Running : BackupStatus.Incomplete, Problem = running ? "it is not complete yet" : "whoever made it ended before it was complete", StoredBytes = objects.Sum(o => o.Bytes) });
        }

        try
        {
            var committed = Encoding.ASCII.GetString(await AllAsync(await repository.Store.ReadAsync(prefix + Committed, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false));
            var stored = await AllAsync(await repository.Store.ReadAsync(prefix + Manifest, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (MarkOf(Convert.ToHexStringLower(SHA256.HashData(stored))) != committed)
                throw new PgdException(ExitCode.Failed, $"{prefix}{Manifest} is not what was written: it is damaged, or was edited");
            var manifest = BackupManifest.Read(prefix + Manifest, await AllAsync(await repository.ReadAsync(prefix + Manifest, compressed: true, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false));
            if (manifest.Id != id)
                throw new PgdException(ExitCode.Failed, $"{prefix}{Manifest} is that of another backup, {manifest.Id}");
            var last = objects.Where(o => o.Key.StartsWith(prefix + Verifications, StringComparison.Ordinal)).OrderBy(o => o.Key, StringComparer.Ordinal).LastOrDefault();
            var verified = last is null ? null : JsonSerializer.Deserialize(await AllAsync(await repository.ReadAsync(last.Key, compressed: false, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false), BackupJson.Default.BackupVerification);
            return new(prefix, manifest, View(manifest, stored.Length) with { Verified = verified, Pinned = await BackupPin.ReadAsync(repository, prefix, objects, cancellationToken).ConfigureAwait(false) });
        }
        catch (Exception e) when (e is PgdException { ExitCode: ExitCode.Failed or ExitCode.NotFound } or JsonException)
        {
            return new(prefix, null, new() { Id = id, Status = BackupStatus.Damaged, Problem = e.Message, StoredBytes = objects.Sum(o => o.Bytes) });
        }
    }

    private static async Task<byte[]> AllAsync(Stream stream, CancellationToken cancellationToken)
    {
        await using var _ = stream.ConfigureAwait(false);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, cancellationToken).ConfigureAwait(false);
        return all.ToArray();
    }

    private sealed record Place(string Id, string Prefix)
    {
        public List<StoredObject> Objects { get; } = [];

        public bool IsCommitted => Objects.Exists(stored => stored.Key == Prefix + Committed);
    }
}

/// <summary>A backup on its way.</summary>
/// <param name="Id">What it will be called.</param>
/// <param name="Prefix">Where its objects go.</param>
/// <param name="At">When it was begun, by this machine's clock.</param>
/// <param name="Lock">By which others know that somebody is at it.</param>
internal sealed record BegunBackup(string Id, string Prefix, DateTimeOffset At, RepositoryLock Lock) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Lock.DisposeAsync();
}

/// <summary>A backup as it is in the repository; without a manifest where there is none to rely on.</summary>
internal sealed record StoredBackup(string Prefix, BackupManifest? Manifest, Backup Backup)
{
    /// <summary>What it is one more backup of: backups of other tables do not stand in for it.</summary>
    public string Series => Manifest?.Database is { } database ? $"{Manifest.Source} {database.Name} {(database.IsPartial ? string.Join(',', database.Tables.Select(table => $"{table.Schema}.{table.Name}")) : "")}" : Manifest?.Source ?? "";
}
