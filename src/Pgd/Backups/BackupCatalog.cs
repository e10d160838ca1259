using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Pgd.Configuration;
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
    /// <exception cref="PgdException">Somebody else builds on the same chain, or deletes from it (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<BegunBackup> BeginAsync(string systemIdentifier, BackupBase buildsOn, CancellationToken cancellationToken)
    {
        var chain = buildsOn.Chain.Count == 0 ? null : await repository.LockAsync(LockOfChain(buildsOn.Chain[0].Backup.Id), isForGood: false, cancellationToken).ConfigureAwait(false);
        try
        {
            // Who deletes has the lock too: what is still there now stays there.
            if (buildsOn.Parent is { } parent && !(await ObjectsAsync(parent, cancellationToken).ConfigureAwait(false)).ContainsKey(parent.Prefix + Committed))
                throw new PgdException(ExitCode.Locked, $"{parent.Backup.Id}, which the backup was to build on, was deleted at this moment", "Begin again.");
            var now = DateTimeOffset.UtcNow;
            var id = $"{now:yyyyMMddTHHmmss.fffZ}-{LetterOf(buildsOn.Kind)}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";
            return new(id, PrefixOf(systemIdentifier, id), now, buildsOn, await repository.LockAsync(LockOf(id), isForGood: true, cancellationToken).ConfigureAwait(false), chain);
        }
        catch when (chain is not null)
        {
            await chain.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What a new backup of a series builds on.</summary>
    /// <param name="series">What it is one more backup of.</param>
    /// <param name="history">What has to be the same; null for the rows of a standby.</param>
    /// <param name="rule">What is asked for.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<BackupBase> BaseAsync(string series, string? history, ChainRule rule, CancellationToken cancellationToken)
    {
        if (rule.Kind == BackupKind.Full)
            return BackupBase.None(null);
        if (!repository.IsReadable)
            return BackupBase.None("what it could build on is read with the private key of the repository, and only the public one was given");
        if (history is null)
            return BackupBase.None("its source is a standby, which numbers no transactions of its own");
        var all = (await ListAsync(cancellationToken).ConfigureAwait(false)).Where(found => found.Manifest is not null && found.Series == series).ToList();
        if (all.FindLast(found => rule.Kind == BackupKind.Incremental || found.Backup.Kind == BackupKind.Full) is not { } last)
            return BackupBase.None("there is none to build on");
        if (last.Backup.Status != BackupStatus.Complete)
            return BackupBase.None($"the last one, {last.Backup.Id}, cannot be used: {last.Backup.Problem}");
        var chain = ChainOf(last, all);
        if (last.Manifest!.History != history)
            return BackupBase.None($"since {last.Backup.Id} its source was reset, restored or made again");
        if (chain.Count >= rule.Length)
            return BackupBase.None($"the chain of {last.Backup.Id} has {chain.Count} backups");
        var age = DateTimeOffset.UtcNow - chain[0].Backup.CreatedAt!.Value;
        return age >= rule.FullEvery ? BackupBase.None($"the last full one, {chain[0].Backup.Id}, is {Duration.Format(age)} old") : new(rule.Kind, chain, null);
    }

    /// <summary>A backup with all that it builds on, the full one first.</summary>
    /// <exception cref="PgdException">One of them is gone or damaged (<see cref="ExitCode.Failed"/>).</exception>
    public async Task<IReadOnlyList<StoredBackup>> ChainAsync(StoredBackup backup, CancellationToken cancellationToken)
    {
        var chain = new List<StoredBackup> { backup };
        var objects = backup.Manifest!.Parent is null ? [] : await PlacesAsync(cancellationToken).ConfigureAwait(false);
        while (chain[0].Manifest!.Parent is { } parent)
        {
            var found = objects.Find(place => place.Id == parent) is { } place ? await ReadAsync(place, cancellationToken).ConfigureAwait(false) : null;
            if (found?.Manifest is null || string.CompareOrdinal(parent, chain[0].Backup.Id) >= 0)
                throw new PgdException(ExitCode.Failed, $"the backup {backup.Backup.Id} cannot be used: {Missing(parent, found)}", "Choose another one: dotnet pgd backup list");
            chain.Insert(0, found);
        }

        return chain;
    }

    /// <summary>Makes a backup of what was written. Until this is done there is none.</summary>
    /// <exception cref="PgdException">Others may have taken it for dead meanwhile (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<Backup> CommitAsync(BegunBackup begun, BackupManifest manifest, CancellationToken cancellationToken)
    {
        manifest = manifest with { Kind = begun.BuildsOn.Kind, Parent = begun.BuildsOn.Parent?.Backup.Id, FullBecause = begun.BuildsOn.Reason, CompletedAt = DateTimeOffset.UtcNow };
        var stored = await repository.WriteAsync(begun.Prefix + Manifest, (stream, token) => stream.WriteAsync(manifest.ToJson(), token).AsTask(), compress: true, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup:manifest");
        // Who takes it for dead deletes what it wrote.
        await begun.Lock.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        if (begun.ChainLock is { } chain)
            await chain.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        await repository.Store.WriteAsync(begun.Prefix + Committed, (stream, token) => stream.WriteAsync(Encoding.ASCII.GetBytes(MarkOf(stored.Sha256)), token).AsTask(), onlyIfAbsent: true, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup:committed");
        return View(manifest, stored.StoredBytes);
    }

    /// <summary>All of them, the oldest first.</summary>
    public async Task<IReadOnlyList<StoredBackup>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new List<StoredBackup>();
        foreach (var place in await PlacesAsync(cancellationToken).ConfigureAwait(false))
        {
            var read = await ReadAsync(place, cancellationToken).ConfigureAwait(false);
            // Those that it builds on are older, and come before it.
            if (read.Manifest?.Parent is { } parent && found.Find(earlier => earlier.Backup.Id == parent) is var earlier && earlier?.Backup.Status != BackupStatus.Complete)
                read = read with { Backup = read.Backup with { Status = BackupStatus.Damaged, Problem = Missing(parent, earlier) } };
            found.Add(read);
        }

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

    /// <summary>Deletes backups, those that build on others before those, unless somebody builds on them at this moment.</summary>
    /// <returns>Why those stay that stay.</returns>
    public async Task<IReadOnlyDictionary<string, string>> DeleteAsync(IReadOnlyList<StoredBackup> backups, CancellationToken cancellationToken)
    {
        var (stay, gone) = (new Dictionary<string, string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        var known = backups.Count == 0 ? [] : (await ListAsync(cancellationToken).ConfigureAwait(false)).Where(found => found.Manifest is not null).ToDictionary(found => found.Backup.Id, StringComparer.Ordinal);
        foreach (var chain in backups.GroupBy(backup => RootOf(backup, known)))
        {
            try
            {
                var locked = await repository.LockAsync(LockOfChain(chain.Key), isForGood: chain.Any(backup => backup.Backup.Id == chain.Key), cancellationToken).ConfigureAwait(false);
                await using var _ = locked.ConfigureAwait(false);
                // With the lock nobody begins to build on them; what was completed before that may be new to us.
                foreach (var place in await PlacesAsync(cancellationToken).ConfigureAwait(false))
                {
                    if (place.IsCommitted && !known.ContainsKey(place.Id) && await ReadAsync(place, cancellationToken).ConfigureAwait(false) is { Manifest: not null } later)
                        known[place.Id] = later;
                }

                foreach (var backup in chain.OrderByDescending(backup => backup.Backup.Id, StringComparer.Ordinal))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (known.Values.FirstOrDefault(other => other.Manifest?.Parent == backup.Backup.Id && !gone.Contains(other.Backup.Id)) is { } child)
                    {
                        stay[backup.Backup.Id] = Needed(child.Backup.Id);
                        continue;
                    }

                    if (await DeleteUnlessKeptAsync(backup, cancellationToken).ConfigureAwait(false) is { } reason)
                        stay[backup.Backup.Id] = reason;
                    else
                        gone.Add(backup.Backup.Id);
                }
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Locked)
            {
                foreach (var backup in chain)
                    stay[backup.Backup.Id] = "somebody builds on it, or deletes it, at this moment";
            }
        }

        return stay;
    }

    /// <summary>Why a backup stays that another one is built on.</summary>
    public static string Needed(string child) => $"{child} is built on it";

    /// <summary>Deletes a backup. The mark goes first: what is half deleted is none.</summary>
    private async Task DeleteAsync(StoredBackup backup, CancellationToken cancellationToken)
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

    private static string LockOfChain(string rootId) => $"chain-{rootId}";

    private static char LetterOf(BackupKind kind) => kind switch { BackupKind.Full => 'F', BackupKind.Differential => 'D', _ => 'I' };

    private static string Missing(string parent, StoredBackup? found) => $"it builds on {parent}, which is {(found is null ? "gone" : $"no good: {found.Backup.Problem ?? "its order is wrong"}")}";

    private static List<StoredBackup> ChainOf(StoredBackup backup, IReadOnlyList<StoredBackup> all)
    {
        var chain = new List<StoredBackup> { backup };
        while (chain[0].Manifest!.Parent is { } parent)
            chain.Insert(0, all.First(found => found.Backup.Id == parent));
        return chain;
    }

    private static string RootOf(StoredBackup backup, Dictionary<string, StoredBackup> known)
    {
        var root = backup;
        while (root.Manifest?.Parent is { } parent && known.TryGetValue(parent, out var next))
            root = next;
        return root.Backup.Id;
    }

    private static string MarkOf(string manifestHash) => manifestHash + "\n";

    private static Backup View(BackupManifest manifest, long manifestBytes) => new()
    {
        Id = manifest.Id,
        Status = BackupStatus.Complete,
        Source = manifest.Source,
        Mode = manifest.Mode,
        Kind = manifest.Kind,
        Parent = manifest.Parent,
        FullBecause = manifest.FullBecause,
        PostgresMajor = manifest.PostgresMajor,
        Engine = manifest.Engine,
        CreatedAt = manifest.CreatedAt,
        CompletedAt = manifest.CompletedAt,
        DataAsOf = manifest.DataAsOf,
        Lsn = manifest.Lsn,
        Database = manifest.Database?.Name,
        Tables = manifest.Database?.Tables.Count,
        Rows = manifest.Database is { } counted && counted.Tables.All(table => table.Rows >= 0) ? counted.Tables.Sum(table => table.Rows) : null,
        IsPartial = manifest.Database?.IsPartial ?? false,
        LeftOut = manifest.Database?.LeftOut ?? [],
        Bytes = manifest.Mode == BackupMode.Logical ? manifest.Bytes : manifest.Files.Sum(file => file.Bytes),
        StoredBytes = manifest.StoredBytes + manifestBytes,
        IsOfStandby = manifest.IsRecovering,
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

        if (!repository.IsReadable)
            return new(prefix, null, Sealed(place));

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

    // What the names tell, to who cannot read the rest.
    private static Backup Sealed(Place place) => new()
    {
        Id = place.Id,
        Status = BackupStatus.Complete,
        IsSealed = true,
        Kind = place.Id.Split('-') is [_, "D", ..] ? BackupKind.Differential : place.Id.Split('-') is [_, "I", ..] ? BackupKind.Incremental : BackupKind.Full,
        CreatedAt = DateTimeOffset.TryParseExact(place.Id.Split('-')[0], "yyyyMMdd'T'HHmmss.fff'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null,
        StoredBytes = place.Objects.Sum(stored => stored.Bytes),
        Pinned = place.Objects.Find(stored => stored.Key == place.Prefix + BackupPin.Name) is { } pin ? new(pin.WrittenAt, null) : null,
    };

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
/// <param name="BuildsOn">What it builds on.</param>
/// <param name="Lock">By which others know that somebody is at it.</param>
/// <param name="ChainLock">By which others know that somebody needs what it builds on.</param>
internal sealed record BegunBackup(string Id, string Prefix, DateTimeOffset At, BackupBase BuildsOn, RepositoryLock Lock, RepositoryLock? ChainLock) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        await Lock.DisposeAsync().ConfigureAwait(false);
        if (ChainLock is { } chain)
            await chain.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>A backup as it is in the repository; without a manifest where there is none to rely on.</summary>
internal sealed record StoredBackup(string Prefix, BackupManifest? Manifest, Backup Backup)
{
    /// <summary>What it is one more backup of: backups of other tables do not stand in for it.</summary>
    public string Series => Manifest is null ? "" : SeriesOf(Manifest.Source, Manifest.Database?.Name, Manifest.Database is { IsPartial: true } some ? some.Tables.Select(table => (table.Schema, table.Name)) : null);

    /// <summary>What a backup is one more of.</summary>
    /// <param name="source">The branch or the server.</param>
    /// <param name="database">The database of a logical one.</param>
    /// <param name="tables">Its tables, if they are only some.</param>
    public static string SeriesOf(string source, string? database, IEnumerable<(string Schema, string Name)>? tables) =>
        string.Join(' ', new[] { source, database, tables is null ? null : string.Join(',', tables.Select(table => $"{table.Schema}.{table.Name}").Order(StringComparer.Ordinal)) }.OfType<string>());
}
