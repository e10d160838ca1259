using System.Security.Cryptography;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Queries;
using Pgd.Recovery;
using Pgd.State;

namespace Pgd.Backups;

/// <summary>Backups of branches in a repository: a folder or a bucket, whose content says everything, so that it can be used from any machine.</summary>
public sealed class Backups
{
    private const string Maintenance = "postgres";
    private readonly Workspace _workspace;

    internal Backups(Workspace workspace) => _workspace = workspace;

    /// <summary>Makes a repository. With a key in the place it is encrypted, and useless without that.</summary>
    /// <exception cref="PgdException">There is one (<see cref="ExitCode.Exists"/>), or the place cannot be used (<see cref="ExitCode.MachineLacks"/>).</exception>
    public async Task InitializeAsync(BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        var store = Open(place);
        await using var _ = store.ConfigureAwait(false);
        await _workspace.Audit.RecordAsync("backup init", store.Url, null, () => BackupRepository.InitializeAsync(store, KeyOf(place), cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Makes a key pair for repositories that whoever writes into them cannot read: the private key in a file, and the public one beside it, in a file of that name and <c>.pub</c>.</summary>
    /// <exception cref="PgdException">There is such a file (<see cref="ExitCode.Exists"/>), or it cannot be written (<see cref="ExitCode.MachineLacks"/>).</exception>
    public Task<BackupKeyPair> MakeKeysAsync(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return _workspace.Audit.RecordAsync("backup keygen", file, null, () => Task.FromResult(BackupKey.MakePair(file)));
    }

    /// <summary>Makes a backup of a branch's whole cluster, from a snapshot that is taken for it and goes with the backup's end. The branch's server goes on.</summary>
    /// <param name="branch">The branch.</param>
    /// <param name="rule">What of it.</param>
    /// <param name="place">The repository.</param>
    /// <param name="cancellationToken">Ends it; what was written then is nobody's, and goes with the next prune.</param>
    /// <exception cref="PgdException">There is no such branch or repository (<see cref="ExitCode.NotFound"/>), or the repository refuses.</exception>
    public Task<Backup> CreateAsync(BranchName branch, ChainRule rule, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branch);
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup create", branch.ToString(), reads: false, catalog => MakeAsync(branch, rule, catalog, cancellationToken), cancellationToken);
    }

    /// <summary>Makes a logical backup of a branch's database, or of some of its tables, as below.</summary>
    /// <param name="branch">The branch.</param>
    /// <param name="database">Which of its databases; null for the only one.</param>
    /// <param name="role">Who reads it; null for its superuser.</param>
    /// <param name="selection">Which tables.</param>
    /// <param name="rule">What of them.</param>
    /// <param name="place">The repository.</param>
    /// <param name="cancellationToken">Ends it; what was written then is nobody's, and goes with the next prune.</param>
    /// <exception cref="PgdException">There is no such branch, database or role (<see cref="ExitCode.NotFound"/>), …</exception>
    public Task<Backup> CreateAsync(BranchName branch, string? database, string? role, TableSelection selection, ChainRule rule, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branch);
        ArgumentNullException.ThrowIfNull(selection);
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup create", branch.ToString(), reads: false, async catalog =>
        {
            var record = _workspace.Branches.RequireReady(branch);
            var url = await _workspace.Branches.ConnectAsync(branch, database, role ?? _workspace.State.RequireProject(branch.Project).Superuser, cancellationToken).ConfigureAwait(false);
            return await MakeAsync(url, branch.ToString(), record, selection, rule, catalog, cancellationToken).ConfigureAwait(false);
        }, cancellationToken);
    }

    /// <summary>Makes a logical backup of a database, or of some of its tables: all as it is at one moment, and without making anybody there wait.</summary>
    /// <param name="source">The database, and a role that may read it.</param>
    /// <param name="selection">Which tables.</param>
    /// <param name="rule">What of them.</param>
    /// <param name="place">The repository.</param>
    /// <param name="cancellationToken">Ends it; what was written then is nobody's, and goes with the next prune.</param>
    /// <exception cref="PgdException">
    /// A pattern matches nothing or there is no such repository (<see cref="ExitCode.NotFound"/>), something may not be read (<see cref="ExitCode.Unsafe"/>, with what to grant), a table is being redefined
    /// (<see cref="ExitCode.Locked"/>), the dump program is missing or too old (<see cref="ExitCode.MachineLacks"/>), …
    /// </exception>
    public Task<Backup> CreateAsync(QuerySource source, TableSelection selection, ChainRule rule, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(selection);
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup create", source.ToString(), reads: false, catalog => source switch
        {
            PostgresSource postgres => MakeAsync(postgres.Url, postgres.ToString(), null, selection, rule, catalog, cancellationToken),
            MariaDbSource mariaDb => MakeAsync(mariaDb, selection, rule, catalog, cancellationToken),
            _ => throw new ArgumentOutOfRangeException(nameof(source)),
        }, cancellationToken);
    }

    /// <summary>Makes a physical backup of a server's whole cluster, over its replication protocol. The server goes on; a standby can be backed up as well.</summary>
    /// <param name="source">The server, and a role that may replicate.</param>
    /// <param name="rule">What of it.</param>
    /// <param name="place">The repository.</param>
    /// <param name="cancellationToken">Ends it; what was written then is nobody's, and goes with the next prune.</param>
    /// <exception cref="PgdException">
    /// The role or <c>pg_hba.conf</c> does not allow it, or it has tablespaces (<see cref="ExitCode.Unsafe"/>, with what to type), <c>pg_basebackup</c> is missing or too old
    /// (<see cref="ExitCode.MachineLacks"/>), there is no such repository (<see cref="ExitCode.NotFound"/>), …
    /// </exception>
    public Task<Backup> CreateAsync(QuerySource source, ChainRule rule, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentNullException.ThrowIfNull(place);
        return source is not PostgresSource { Url: var url } ? throw new PgdException(ExitCode.Misuse, "of MariaDB there are logical backups only", "Leave out --mode physical.")
            : WithAsync(place, "backup create", source.ToString(), reads: false, catalog => ServerBackup.MakeAsync(url, rule, catalog, _workspace.Reporter, cancellationToken), cancellationToken);
    }

    /// <summary>The backups of a repository, the oldest first: also those that are not complete.</summary>
    /// <param name="place">The repository.</param>
    /// <param name="source">Only of this project or branch; null for all.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no such repository (<see cref="ExitCode.NotFound"/>), or it cannot be read.</exception>
    public Task<IReadOnlyList<Backup>> ListAsync(BackupPlace place, string? source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup list", source, reads: false, async catalog =>
            (IReadOnlyList<Backup>)[.. (await catalog.ListAsync(cancellationToken).ConfigureAwait(false)).Select(found => found.Backup).Where(backup => backup.Source is null || IsOf(backup, source))], cancellationToken);
    }

    /// <summary>Proves a backup, and keeps in the repository what came of it.</summary>
    /// <param name="place">The repository.</param>
    /// <param name="id">Its identity, the beginning of that, or <c>latest</c>.</param>
    /// <param name="level">How much is looked at.</param>
    /// <param name="project">In which project it is restored for that; null for the project that it was made of.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The backup, with what was found.</returns>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>), or it cannot be asked. That it is damaged is a result, and no exception.</exception>
    public Task<Backup> VerifyAsync(BackupPlace place, string id, VerificationLevel level, string? project, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup verify", id, async catalog =>
        {
            var found = await catalog.RequireAsync(id, cancellationToken).ConfigureAwait(false);
            var verification = await VerifyAsync(catalog, found, level, project, cancellationToken).ConfigureAwait(false);
            await catalog.KeepAsync(found, verification, cancellationToken).ConfigureAwait(false);
            return found.Backup with { Verified = verification };
        }, cancellationToken);
    }

    /// <summary>The complete backups of a repository in the form of the catalog of DB Backup Utility.</summary>
    /// <param name="place">The repository.</param>
    /// <param name="source">Only of this project or branch; null for all.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no such repository (<see cref="ExitCode.NotFound"/>), or it cannot be read.</exception>
    public Task<DbToolCatalog> ListAsDbToolAsync(BackupPlace place, string? source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup list", source, async catalog =>
            new DbToolCatalog([.. (await catalog.ListAsync(cancellationToken).ConfigureAwait(false)).Where(found => found.Manifest is not null && IsOf(found.Backup, source)).Select(found => DbToolBackup.Of(found, catalog.Repository.Store.Url, isWhole: false))]), cancellationToken);
    }

    /// <summary>Writes a logical backup as the folder that DB Backup Utility makes, whose SQL is restored by <c>psql</c> or <c>mariadb</c> alone.</summary>
    /// <param name="place">The repository.</param>
    /// <param name="id">Its identity, the beginning of that, or <c>latest</c>.</param>
    /// <param name="folder">The folder that gets that folder.</param>
    /// <param name="withOwners">Whether what is restored belongs to whom it belonged to; not for MariaDB, where that is no part of a database.</param>
    /// <param name="cancellationToken">Ends it, with nothing left.</param>
    /// <exception cref="PgdException">
    /// There is none (<see cref="ExitCode.NotFound"/>), it is of a whole cluster (<see cref="ExitCode.Misuse"/>), its folder is there (<see cref="ExitCode.Exists"/>), it is damaged (<see cref="ExitCode.Failed"/>), or there is no
    /// room (<see cref="ExitCode.NoRoom"/>).
    /// </exception>
    public Task<ExportedBackup> ExportAsync(BackupPlace place, string id, string folder, bool withOwners, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup export", id, async catalog =>
            await new DbToolExport(catalog.Repository, await catalog.ChainAsync(await catalog.RequireAsync(id, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false), withOwners, _workspace.Reporter).RunAsync(folder, cancellationToken).ConfigureAwait(false), cancellationToken);
    }

    /// <summary>Keeps a backup from being pruned until that is lifted.</summary>
    /// <param name="place">The repository.</param>
    /// <param name="id">Its identity, the beginning of that, or <c>latest</c>.</param>
    /// <param name="reason">What others are told when it stays.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>), or it is being deleted at this moment (<see cref="ExitCode.Locked"/>).</exception>
    public Task<Backup> PinAsync(BackupPlace place, string id, string? reason, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup pin", id, async catalog => await catalog.PinAsync(await catalog.RequireAsync(id, cancellationToken).ConfigureAwait(false), new(DateTimeOffset.UtcNow, reason), cancellationToken).ConfigureAwait(false), cancellationToken);
    }

    /// <summary>Lets a backup be pruned again.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>), or somebody is at it (<see cref="ExitCode.Locked"/>).</exception>
    public Task<Backup> UnpinAsync(BackupPlace place, string id, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "backup unpin", id, async catalog => await catalog.PinAsync(await catalog.RequireAsync(id, cancellationToken).ConfigureAwait(false), null, cancellationToken).ConfigureAwait(false), cancellationToken);
    }

    /// <summary>Restores a backup: as a branch, or into a folder.</summary>
    /// <exception cref="PgdException">
    /// There is no such backup (<see cref="ExitCode.NotFound"/>), it is damaged (<see cref="ExitCode.Failed"/>), the branch exists or the folder is not empty (<see cref="ExitCode.Exists"/>), the project is of
    /// another version or C library (<see cref="ExitCode.Unsafe"/>), there is no room (<see cref="ExitCode.NoRoom"/>). Nothing is left of it then.
    /// </exception>
    public Task<Restored> RestoreAsync(BackupRestore request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        const string places = "Name a branch (--to-branch prod/restored), an empty folder (--to DIR), or an empty database (--to-url URL).";
        var given = new object?[] { request.Branch, request.Folder, request.Server }.Count(place => place is not null);
        if (given != 1)
            throw new PgdException(ExitCode.Misuse, given == 0 ? "it is not said where the backup is restored to" : "a backup is restored to one place at a time", places);
        return WithAsync(request.Place, "backup restore", request.Branch?.ToString() ?? request.Folder ?? request.Server!.ToString(), async catalog =>
        {
            var repository = catalog.Repository;
            var found = await catalog.RequireAsync(request.Id, cancellationToken).ConfigureAwait(false);
            var isLogical = found.Manifest!.Mode == BackupMode.Logical;
            if (request.Target is not null && (isLogical || (request.Branch is null && request.Table is null)))
                throw new PgdException(ExitCode.Misuse, isLogical ? $"{found.Backup.Id} is a logical backup, which shows one moment" : "a moment after a backup is reached by a branch that is made of it", isLogical ? "Choose a backup of that moment, or a physical one before it: dotnet pgd backup list" : "Name one: --to-branch PROJECT/BRANCH");
            if (request.Table is not null)
                return await TableAsync(catalog, found, request, cancellationToken).ConfigureAwait(false);
            if (request.Branch is { } branch)
            {
                RefuseOtherEngine(found.Manifest);
                return new Restored(found.Backup, isLogical ? await DatabaseToBranchAsync(catalog, found, branch, !request.WithoutOwners, request.TimeToLive, lease: null, cancellationToken).ConfigureAwait(false)
                    : await ToBranchAsync(catalog, found, branch, request.Target, request.TimeToLive, lease: null, cancellationToken).ConfigureAwait(false), null, null);
            }

            if (request.Server is { } server)
            {
                if (!isLogical)
                    throw new PgdException(ExitCode.Misuse, $"{found.Backup.Id} has the files of a whole cluster, which no server takes over a connection", "Restore it as a branch (--to-branch) or into a folder (--to).");
                if (server is MariaDbSource mariaDb && found.Manifest.Engine == MariaDbDump.Engine)
                    await MariaDbDump.RestoreAsync(mariaDb, repository, await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false), _workspace.Reporter, cancellationToken).ConfigureAwait(false);
                else if (server is PostgresSource postgres && found.Manifest.Engine is null)
                    await new LogicalRestore(postgres.Url, repository, await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false), _workspace.Reporter).RunAsync(!request.WithoutOwners, cancellationToken).ConfigureAwait(false);
                else
                    throw new PgdException(ExitCode.Misuse, $"{found.Backup.Id} is of {found.Manifest.Engine ?? "PostgreSQL"}, and {server} is another database", "Restore it into a database of its own kind.");
                return new Restored(found.Backup, null, null, server.ToString());
            }

            if (isLogical)
                throw new PgdException(ExitCode.Misuse, $"{found.Backup.Id} is a logical backup of a database: it has no files of a cluster", "Restore it into an empty database (--to-url) or as a branch (--to-branch).");
            await ToFolderAsync(repository, await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false), request.Folder!, cancellationToken).ConfigureAwait(false);
            return new Restored(found.Backup, null, request.Folder, null);
        }, cancellationToken);
    }

    /// <summary>Deletes what no rule keeps, what was never completed, and what no backup that stays needs of the write-ahead logs.</summary>
    /// <exception cref="PgdException">It is not said what stays (<see cref="ExitCode.Misuse"/>), or the repository cannot be read or written.</exception>
    public Task<BackupsPruned> PruneAsync(BackupPrune request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Keep is null && request.RecoveryWindow is null)
            throw new PgdException(ExitCode.Misuse, "it is not said which backups stay", "Write it, for example --keep last=7,daily=14,weekly=8 or --recovery-window 14d");
        if (request.RecoveryWindow <= TimeSpan.Zero)
            throw new PgdException(ExitCode.Misuse, "a recovery window of no length keeps nothing", "Write how far back each moment is to be restored, for example --recovery-window 14d");
        return WithAsync(request.Place, "backup prune", request.Source, async catalog =>
        {
            var everything = await catalog.ListAsync(cancellationToken).ConfigureAwait(false);
            var all = everything.Where(found => IsOf(found.Backup, request.Source)).ToList();
            var stays = PruneRules.Staying(all, request.Keep, request.RecoveryWindow, DateTimeOffset.UtcNow);
            if (!request.DryRun)
            {
                foreach (var (id, reason) in await catalog.DeleteAsync([.. all.Where(found => found.Backup.Status == BackupStatus.Complete && !stays.ContainsKey(found.Backup.Id))], cancellationToken).ConfigureAwait(false))
                    stays[id] = reason;
                foreach (var found in all.Where(found => found.Backup.Status == BackupStatus.Incomplete))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (await catalog.DeleteUnlessKeptAsync(found, cancellationToken).ConfigureAwait(false) is { } reason)
                        stays[found.Backup.Id] = reason;
                }
            }

            List<string> deleted = [.. all.Select(found => found.Backup.Id).Where(id => !stays.ContainsKey(id))];
            List<BackupKept> kept = [.. all.Where(found => stays.ContainsKey(found.Backup.Id)).Select(found => new BackupKept(found.Backup.Id, stays[found.Backup.Id]))];
            return new BackupsPruned(request.DryRun, deleted, kept) { Logs = await PruneLogsAsync(catalog.Repository, everything, everything.Select(found => found.Backup.Id).Except(deleted).ToHashSet(StringComparer.Ordinal), request, cancellationToken).ConfigureAwait(false) };
        }, cancellationToken);
    }

    // After the backups: what one needs that could not be deleted stays as well. One that was begun meanwhile needs nothing that is older than those that were there.
    private async Task<IReadOnlyList<LogPruned>> PruneLogsAsync(BackupRepository repository, IReadOnlyList<StoredBackup> all, IReadOnlySet<string> stays, BackupPrune request, CancellationToken cancellationToken)
    {
        var pruned = new List<LogPruned>();
        foreach (var log in await StoredLog.AllAsync(repository, cancellationToken).ConfigureAwait(false))
        {
            var record = _workspace.State.AllBranches().FirstOrDefault(branch => branch.Id == log.BranchId);
            var verdict = log.Decide(all, stays, record is null ? null : (record.FullName, record.Generation));
            if (!IsOf(verdict.Source, request.Source))
                continue;
            foreach (var part in request.DryRun ? [] : verdict.Gone)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await repository.Store.DeleteAsync(part.Key, cancellationToken).ConfigureAwait(false);
                Fault.Here("backup-prune:log");
            }

            pruned.Add(new(verdict.Source, verdict.Gone.Count, verdict.Gone.Sum(part => part.Bytes), verdict.Left.Count, verdict.Left.Sum(part => part.Bytes), verdict.Reason));
        }

        return pruned;
    }

    /// <summary>Brings to a repository what a branch's server has archived of its write-ahead log and is not there yet: from a backup of the branch it leads to any later moment.</summary>
    /// <exception cref="PgdException">There is no such branch or repository, or nothing is archived (<see cref="ExitCode.NotFound"/>); a part is damaged (<see cref="ExitCode.Failed"/>).</exception>
    public Task<LogPushed> PushLogAsync(BranchName branch, BackupPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branch);
        ArgumentNullException.ThrowIfNull(place);
        return WithAsync(place, "wal push", branch.ToString(), reads: false, async catalog =>
        {
            var record = _workspace.Branches.RequireReady(branch);
            using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(branch.Project, exclusive: false), LockRequest.Branch(branch, exclusive: false)).ConfigureAwait(false);
            var log = new BranchLog(_workspace, _workspace.State.RequireProject(branch.Project), record);
            if (!log.Archive.Exists)
                throw new PgdException(ExitCode.NotFound, $"nothing is archived of the write-ahead log of {branch}", $"Have it archived from now on: dotnet pgd project set {branch.Project} --pitr 7d");
            return await WithScratchAsync(folder => new RepositoryLog(catalog.Repository, log.Control.SystemIdentifier.ToString(System.Globalization.CultureInfo.InvariantCulture), record.Id, record.Generation).PushAsync(log.Archive, log.SegmentSize, folder, _workspace.Reporter, cancellationToken)).ConfigureAwait(false);
        }, cancellationToken);
    }

    private async Task<T> WithScratchAsync<T>(Func<string, Task<T>> work)
    {
        var folder = PointInTime.NewFolder(_workspace.Layout);
        try
        {
            return await work(folder).ConfigureAwait(false);
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>How to go on from a backup; null if it is the moment itself.</summary>
    private async Task<RecoveryPlan?> PlanAsync(BackupRepository repository, BackupManifest manifest, RecoveryTarget? target, CancellationToken cancellationToken)
    {
        if (target is null)
            return null;
        if (manifest is not { Mode: BackupMode.Physical, BranchId: { } branchId, Generation: { } generation })
            throw new PgdException(ExitCode.Misuse, $"{manifest.Id} shows one moment: a write-ahead log goes on from physical backups of branches only", "Choose a backup of that moment: dotnet pgd backup list");
        _workspace.Reporter.Step($"looking for {target} in the log of {manifest.Source}");
        var folder = PointInTime.NewFolder(_workspace.Layout);
        RecoveryPlan? plan = null;
        try
        {
            return plan = await new RepositoryLog(repository, manifest.SystemIdentifier, branchId, generation).PlanAsync(manifest, target, folder, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (plan is null)
                Directory.Delete(folder, recursive: true);
        }
    }

    private static bool IsOf(Backup backup, string? source) => IsOf(backup.Source, source);

    private static bool IsOf(string? name, string? source) => source is null || name == source || name?.StartsWith(source + "/", StringComparison.Ordinal) == true;

    private static BackupKey? KeyOf(BackupPlace place) => place switch
    {
        { KeyFile: not null, Passphrase: not null } => throw new PgdException(ExitCode.Misuse, "both a key file and a passphrase are given for the repository", "Give the one that it was made with."),
        { KeyFile: { } file } => BackupKey.FromFile(file),
        { PublicKeyFile: not null, Passphrase: not null } => throw new PgdException(ExitCode.Misuse, "both a public key and a passphrase are given for the repository", "Give the one that it was made with."),
        { PublicKeyFile: { } file } => BackupKey.FromPublicFile(file),
        { Passphrase: { } passphrase } => BackupKey.FromPassphrase(passphrase),
        _ => null,
    };

    private IBackupStore Open(BackupPlace place) => BackupStores.Open(place.Repository, place.Environment, TimeProvider.System, _workspace.Reporter);

    private Task<T> WithAsync<T>(BackupPlace place, string operation, string? subject, Func<BackupCatalog, Task<T>> work, CancellationToken cancellationToken) => WithAsync(place, operation, subject, reads: true, work, cancellationToken);

    // The store first: what is wrong with its address may be a secret in the wrong place, and the audit log keeps what it hears.
    private async Task<T> WithAsync<T>(BackupPlace place, string operation, string? subject, bool reads, Func<BackupCatalog, Task<T>> work, CancellationToken cancellationToken)
    {
        var store = Open(place);
        await using var _ = store.ConfigureAwait(false);
        return await _workspace.Audit.RecordAsync(operation, subject ?? store.Url, null, async () =>
        {
            var repository = await BackupRepository.OpenAsync(store, KeyOf(place), cancellationToken).ConfigureAwait(false);
            if (reads)
                repository.RequireReadable();
            return await work(new(repository)).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private async Task<Backup> MakeAsync(BranchName branch, ChainRule rule, BackupCatalog catalog, CancellationToken cancellationToken)
    {
        var project = _workspace.State.RequireProject(branch.Project);
        var record = _workspace.Branches.RequireReady(branch);
        // What was not completed goes with the process, also if that is killed.
        await _workspace.Leases.SweepAsync(cancellationToken).ConfigureAwait(false);
        using var lease = _workspace.Leases.Take();
        try
        {
            var taken = await _workspace.Snapshots.CreateAsync(new() { Branch = branch, UntilUnused = lease }, cancellationToken).ConfigureAwait(false);
            Fault.Here("backup:snapshot");
            var snapshot = _workspace.Snapshots.Require(new(branch, taken.Id));
            using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(branch.Project, exclusive: false), LockRequest.Snapshot(branch, snapshot.Id, exclusive: false)).ConfigureAwait(false);
            var volume = Snapshots.Attach(_workspace.Storages.Named(project.Storage), snapshot);
            var control = ControlData.TryRead(volume.Data) ?? throw new PgdException(ExitCode.Failed, $"the control file of {snapshot.FullName} cannot be read", "See what is wrong: dotnet pgd doctor");
            var system = control.SystemIdentifier.ToString(System.Globalization.CultureInfo.InvariantCulture);
            var history = $"{system}/{control.Timeline:X8}/{record.Id}/{record.Generation}";
            var files = new FolderFiles(volume.Data, branch.ToString());
            var begun = await catalog.BeginAsync(system, await catalog.BaseAsync(StoredBackup.SeriesOf(branch.ToString(), null, null), history, rule, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            await using var _ = begun.ConfigureAwait(false);
            _workspace.Reporter.Step($"backing up {branch} to {catalog.Repository.Store.Url}");
            using var earlier = begun.BuildsOn.Parent is null ? null : new EarlierFiles(begun.BuildsOn.Chain, catalog.Repository);
            var written = await DataParts.WriteAsync(files, earlier, begun.Prefix, catalog.Repository, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
            return await catalog.CommitAsync(begun, new BackupManifest
            {
                Id = begun.Id,
                History = history,
                Source = branch.ToString(),
                BranchId = record.Id,
                Generation = record.Generation,
                PostgresMajor = project.PostgresMajor,
                SystemIdentifier = system,
                Libc = project.Image?.Libc,
                Superuser = project.Superuser,
                CreatedAt = begun.At,
                DataAsOf = snapshot.DataAsOf ?? snapshot.CreatedAt,
                Lsn = snapshot.Lsn,
                IsRecovering = snapshot.IsRecovering,
                Slots = snapshot.Slots,
                IsAdopted = snapshot.IsAdopted,
                IsAnonymized = snapshot.IsAnonymized,
                AnonymizationDigest = snapshot.AnonymizationDigest,
                Folders = files.Folders,
                Files = written.Files,
                Parts = written.Parts,
                BlockMaps = written.Maps,
            }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await _workspace.Leases.EndAsync(lease).ConfigureAwait(false);
        }
    }

    private async Task<Backup> MakeAsync(ConnectionUrl url, string name, BranchRecord? branch, TableSelection selection, ChainRule rule, BackupCatalog catalog, CancellationToken cancellationToken)
    {
        var source = await LogicalSource.OpenAsync(url, selection, rule.ChangedBy, cancellationToken).ConfigureAwait(false);
        await using var _ = source.ConfigureAwait(false);
        if (rule.ChangedBy is { } by)
            _workspace.Reporter.Warn(by.Warning([.. source.Tables.Where(table => table.Change is null || table.Key is null).Select(table => $"{table.Schema}.{table.Name}")]));
        var program = (await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false)).DumpOf(source.Major);
        var history = source.Place is null ? null : $"{source.SystemIdentifier}/{source.Place}/{branch?.Id}/{branch?.Generation}";
        var buildsOn = await catalog.BaseAsync(StoredBackup.SeriesOf(name, source.Url.Database, selection.IsPartial ? source.Tables.Select(table => (table.Schema, table.Name)) : null), history, rule, cancellationToken).ConfigureAwait(false);
        string? whyNot = null;
        var earlier = buildsOn.Chain.Count == 0 ? null : rule.ChangedBy is { } column ? EarlierRows.Of(buildsOn.Chain, column, source, out whyNot) : EarlierRows.Of(buildsOn.Chain, source.Snapshot, out whyNot);
        if (whyNot is not null)
            buildsOn = BackupBase.None(whyNot);
        var begun = await catalog.BeginAsync(source.SystemIdentifier, buildsOn, cancellationToken).ConfigureAwait(false);
        await using var __ = begun.ConfigureAwait(false);
        _workspace.Reporter.Step($"backing up {name} to {catalog.Repository.Store.Url}");
        var content = await LogicalDump.WriteAsync(source, earlier, selection.IsPartial, program, begun.Prefix, catalog.Repository, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        return await catalog.CommitAsync(begun, new BackupManifest
        {
            Format = content.ChangedBy is null ? 1 : 2,
            Id = begun.Id,
            Mode = BackupMode.Logical,
            History = history,
            Source = name,
            BranchId = branch?.Id,
            PostgresMajor = source.Major,
            SystemIdentifier = source.SystemIdentifier,
            CreatedAt = begun.At,
            DataAsOf = source.DataAsOf,
            Lsn = source.Lsn,
            Database = content,
            Parts = content.Parts,
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<Backup> MakeAsync(MariaDbSource source, TableSelection selection, ChainRule rule, BackupCatalog catalog, CancellationToken cancellationToken)
    {
        if (rule.ChangedBy is { } by)
            return await MakeAsync(source, by, selection, rule, catalog, cancellationToken).ConfigureAwait(false);
        if (rule.Kind != BackupKind.Full)
            throw new PgdException(ExitCode.Misuse, "rows of MariaDB do not say by themselves when they were written", "Name the column that says it, such as --changed-by updated_at; or leave --differential and --incremental out.");
        using var dump = await MariaDbDump.OpenAsync(source, selection, cancellationToken).ConfigureAwait(false);
        var system = MariaDbDump.SystemOf(source);
        var begun = await catalog.BeginAsync(system, BackupBase.None(null), cancellationToken).ConfigureAwait(false);
        await using var _ = begun.ConfigureAwait(false);
        _workspace.Reporter.Step($"backing up {source} to {catalog.Repository.Store.Url}");
        var part = await catalog.Repository.WriteAsync(begun.Prefix + MariaDbDump.Key, dump.WriteAsync, compress: true, cancellationToken).ConfigureAwait(false);
        Fault.Here("backup:part");
        return await catalog.CommitAsync(begun, new BackupManifest
        {
            Id = begun.Id,
            Mode = BackupMode.Logical,
            History = dump.History,
            Source = source.ToString(),
            Engine = MariaDbDump.Engine,
            EngineVersion = dump.Version,
            SystemIdentifier = system,
            CreatedAt = begun.At,
            DataAsOf = dump.DataAsOf,
            Database = dump.Content,
            Parts = [part],
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<Backup> MakeAsync(MariaDbSource source, ChangedBy by, TableSelection selection, ChainRule rule, BackupCatalog catalog, CancellationToken cancellationToken)
    {
        var moment = await MariaDbMoment.OpenAsync(source, selection, by, cancellationToken).ConfigureAwait(false);
        await using var _ = moment.ConfigureAwait(false);
        _workspace.Reporter.Warn(by.Warning([.. moment.Tables.Where(table => table.Identity is null).Select(table => table.Name)]));
        var buildsOn = await catalog.BaseAsync(StoredBackup.SeriesOf(source.ToString(), source.Database, selection.IsPartial ? moment.Tables.Select(table => (source.Database, table.Name)) : null), moment.History, rule, cancellationToken).ConfigureAwait(false);
        if (buildsOn.Parent is { } parent && by.WhyNot(parent.Manifest!, moment.LsnBefore) is { } whyNot)
            buildsOn = BackupBase.None(whyNot);
        var begun = await catalog.BeginAsync(moment.System, buildsOn, cancellationToken).ConfigureAwait(false);
        await using var __ = begun.ConfigureAwait(false);
        _workspace.Reporter.Step($"backing up {source} to {catalog.Repository.Store.Url}");
        var content = await new MariaDbRows(moment, buildsOn.Chain, begun.Prefix, catalog.Repository, _workspace.Reporter).WriteAsync(by, selection.IsPartial, cancellationToken).ConfigureAwait(false);
        return await catalog.CommitAsync(begun, new BackupManifest
        {
            Format = 2,
            Id = begun.Id,
            Mode = BackupMode.Logical,
            History = moment.History,
            Source = source.ToString(),
            Engine = MariaDbDump.Engine,
            EngineVersion = moment.Version,
            SystemIdentifier = moment.System,
            CreatedAt = begun.At,
            DataAsOf = moment.DataAsOf,
            Lsn = moment.Lsn,
            Database = content,
            Parts = content.Parts,
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A table comes out of a branch that is made of the backup for this, and goes again.</summary>
    private async Task<Restored> TableAsync(BackupCatalog catalog, StoredBackup found, BackupRestore request, CancellationToken cancellationToken)
    {
        var manifest = found.Manifest!;
        RefuseOtherEngine(manifest);
        if (request.Folder is not null || request.Server is not (null or PostgresSource))
            throw new PgdException(ExitCode.Misuse, "a table is restored into a database of PostgreSQL", "Name it: --to-url postgresql://USER@HOST/DATABASE or --to-branch PROJECT/BRANCH");
        if (request.Branch is not null)
            _ = _workspace.Branches.RequireReady(request.Branch);
        var project = request.Project ?? request.Branch?.Project ?? (manifest.BranchId is null ? null : BranchName.Parse(manifest.Source).Project)
            ?? throw new PgdException(ExitCode.Misuse, $"a table of {manifest.Id} comes out of a branch that is made of it, and it is not said in which project", "Name one: --project NAME");
        using var lease = _workspace.Leases.Take();
        try
        {
            var branch = BranchName.Of(project, $"restore-{lease.Id}");
            _ = manifest.Mode == BackupMode.Physical ? await ToBranchAsync(catalog, found, branch, request.Target, TimeSpan.FromDays(1), lease, cancellationToken).ConfigureAwait(false)
                : await DatabaseToBranchAsync(catalog, found, branch, !request.WithoutOwners, TimeSpan.FromDays(1), lease, cancellationToken).ConfigureAwait(false);
            var superuser = _workspace.State.RequireProject(project).Superuser;
            var url = await _workspace.Branches.ConnectAsync(branch, request.Database ?? manifest.Database?.Name, superuser, cancellationToken).ConfigureAwait(false);
            var target = request.Server is PostgresSource server ? server.Url : await _workspace.Branches.ConnectAsync(request.Branch!, url.Database, _workspace.State.RequireProject(request.Branch!.Project).Superuser, cancellationToken).ConfigureAwait(false);
            var selection = new TableSelection { Tables = [request.Table!] };
            if (request.RenameTo is { } newName)
            {
                var only = await LogicalSource.OpenAsync(url, selection, cancellationToken).ConfigureAwait(false);
                await using (only.ConfigureAwait(false))
                    selection = only.Tables is [var table] ? new() { Tables = [$"{table.Schema}.{newName}"] } : throw new PgdException(ExitCode.Misuse, $"{request.Table} is the name of {only.Tables.Count} tables, which cannot all be called {newName}", "Name one: --table SCHEMA.NAME");
                await TableCopy.RenameAsync(url, only.Tables[0].Schema, only.Tables[0].Name, newName, cancellationToken).ConfigureAwait(false);
            }

            var source = await LogicalSource.OpenAsync(url, selection, cancellationToken).ConfigureAwait(false);
            await using var reading = source.ConfigureAwait(false);
            _workspace.Reporter.Step($"copying {string.Join(", ", source.Tables.Select(table => $"{table.Schema}.{table.Name}"))} into {target.Database}");
            var rows = await TableCopy.RunAsync(source, (await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false)).DumpOf(source.Major), target, !request.WithoutOwners, cancellationToken).ConfigureAwait(false);
            return new(found.Backup, null, null, request.Server?.ToString() ?? request.Branch!.ToString()) { Tables = [.. source.Tables.Select(table => $"{table.Schema}.{table.Name}")], Rows = rows };
        }
        finally
        {
            await _workspace.Leases.EndAsync(lease).ConfigureAwait(false);
        }
    }

    private static void RefuseOtherEngine(BackupManifest manifest)
    {
        if (manifest.Engine is { } engine)
            throw new PgdException(ExitCode.Misuse, $"{manifest.Id} is of {engine}, and branches are PostgreSQL", $"Restore it into an empty database: --to-url {engine}://USER@HOST/DATABASE");
    }

    private async Task<BackupVerification> VerifyAsync(BackupCatalog catalog, StoredBackup found, VerificationLevel level, string? project, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredBackup> chain;
        try
        {
            chain = await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Failed)
        {
            return new(level, DateTimeOffset.UtcNow, [e.Message]);
        }

        // It is as good as what it builds on.
        var problems = new List<string>();
        foreach (var link in chain)
            problems.AddRange(await ProblemsAsync(catalog, link, level, cancellationToken).ConfigureAwait(false));
        if (problems.Count > 0 || level != VerificationLevel.Restore)
            return new(level, DateTimeOffset.UtcNow, problems);
        var rows = found.Manifest!.Database is null ? null : new RowProof(chain, _workspace.Reporter);
        problems.AddRange(await ByRestoringAsync(catalog, found, rows, project, cancellationToken).ConfigureAwait(false));
        return new(level, DateTimeOffset.UtcNow, problems) { TablesCompared = rows?.Compared, TablesCounted = rows?.Counted };
    }

    private async Task<IReadOnlyList<string>> ProblemsAsync(BackupCatalog catalog, StoredBackup found, VerificationLevel level, CancellationToken cancellationToken)
    {
        var (repository, manifest, problems) = (catalog.Repository, found.Manifest!, new List<string>());
        var there = await catalog.ObjectsAsync(found, cancellationToken).ConfigureAwait(false);
        foreach (var part in manifest.Objects)
        {
            if (!there.TryGetValue(part.Key, out var bytes))
                problems.Add($"{part.Key} is missing");
            else if (bytes != part.StoredBytes)
                problems.Add($"{part.Key} has {bytes} bytes instead of {part.StoredBytes}");
        }

        if (problems.Count > 0 || level == VerificationLevel.Objects)
            return problems;
        var (total, done) = (manifest.Bytes, 0L);
        for (var part = 0; part < manifest.Parts.Count; part++)
        {
            try
            {
                if (manifest.Mode == BackupMode.Physical)
                    await DataParts.ReadAsync(manifest, part, repository, open: null, bytes => _workspace.Reporter.Progress($"reading {manifest.Id}", done += bytes, total), cancellationToken).ConfigureAwait(false);
                else
                    await ProveAsync(repository, manifest.Parts[part], compressed: true, cancellationToken).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode is ExitCode.Failed or ExitCode.NotFound)
            {
                problems.Add(e.Message);
            }
        }

        foreach (var other in manifest.Objects.Except(manifest.Parts))
        {
            try
            {
                await ProveAsync(repository, other, compressed: other == manifest.ServerManifest, cancellationToken).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode is ExitCode.Failed or ExitCode.NotFound)
            {
                problems.Add(e.Message);
            }
        }

        return problems;
    }

    private static async Task ProveAsync(BackupRepository repository, StoredPart part, bool compressed, CancellationToken cancellationToken)
    {
        var stored = await repository.ReadAsync(part.Key, compressed, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stored, cancellationToken).ConfigureAwait(false)) != part.ContentSha256)
            throw new PgdException(ExitCode.Failed, $"{part.Key} is damaged: it is not what was backed up", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
    }

    /// <summary>A restore is proved by a restore: on a branch that goes again, also if this is killed.</summary>
    private async Task<IReadOnlyList<string>> ByRestoringAsync(BackupCatalog catalog, StoredBackup found, RowProof? rows, string? project, CancellationToken cancellationToken)
    {
        var manifest = found.Manifest!;
        RefuseOtherEngine(manifest);
        if (project is null && manifest.BranchId is null)
            throw new PgdException(ExitCode.Misuse, $"{manifest.Id} was made of {manifest.Source}, and it is not said in which project it is restored to prove it", "Name one: --project NAME");
        using var lease = _workspace.Leases.Take();
        try
        {
            var branch = BranchName.Of(project ?? BranchName.Parse(manifest.Source).Project, $"verify-{lease.Id}");
            try
            {
                _ = manifest.Mode == BackupMode.Physical ? await ToBranchAsync(catalog, found, branch, target: null, TimeSpan.FromDays(1), lease, cancellationToken).ConfigureAwait(false)
                    : await DatabaseToBranchAsync(catalog, found, branch, withOwners: false, TimeSpan.FromDays(1), lease, cancellationToken).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Failed)
            {
                return [$"it cannot be restored: {e.Message}"];
            }

            var problems = (await _workspace.Branches.VerifyAsync(branch, cancellationToken).ConfigureAwait(false)).Problems;
            if (rows is null)
                return problems;
            var url = await _workspace.Branches.ConnectAsync(branch, manifest.Database!.Name, _workspace.State.RequireProject(branch.Project).Superuser, cancellationToken).ConfigureAwait(false);
            return [.. problems, .. await rows.ProblemsAsync(url, cancellationToken).ConfigureAwait(false)];
        }
        finally
        {
            await _workspace.Leases.EndAsync(lease).ConfigureAwait(false);
        }
    }

    /// <summary>A branch has the roles of its project already; the database goes into it, in place of one of its name.</summary>
    private async Task<Branch> DatabaseToBranchAsync(BackupCatalog catalog, StoredBackup found, BranchName branch, bool withOwners, TimeSpan? timeToLive, Lease? lease, CancellationToken cancellationToken)
    {
        var (project, content) = (_workspace.State.RequireProject(branch.Project), found.Manifest!.Database!);
        var chain = await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false);
        var made = (await _workspace.Branches.CreateAsync(new() { Name = branch, TimeToLive = timeToLive, Lease = lease, Labels = LabelsOf(found.Manifest) }, cancellationToken).ConfigureAwait(false)).Branch;
        try
        {
            var url = await _workspace.Branches.ConnectAsync(branch, content.Name == Maintenance ? "template1" : Maintenance, project.Superuser, cancellationToken).ConfigureAwait(false);
            var connection = await ScriptConnection.OpenAsync(url, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                await connection.QueryAsync($"drop database if exists {AdminConnection.QuoteIdentifier(content.Name)}", cancellationToken).ConfigureAwait(false);
                await connection.QueryAsync($"create database {AdminConnection.QuoteIdentifier(content.Name)} template template0", cancellationToken).ConfigureAwait(false);
            }

            await new LogicalRestore(url with { Database = content.Name }, catalog.Repository, chain, _workspace.Reporter).RunAsync(withOwners, cancellationToken).ConfigureAwait(false);
            return made;
        }
        catch
        {
            await _workspace.Branches.DeleteAsync(branch, ifExists: true, withSnapshots: true, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private static Dictionary<string, string> LabelsOf(BackupManifest manifest) => new() { ["pgd.backup"] = manifest.Id };

    private async Task<Branch> ToBranchAsync(BackupCatalog catalog, StoredBackup found, BranchName branch, RecoveryTarget? target, TimeSpan? timeToLive, Lease? lease, CancellationToken cancellationToken)
    {
        var project = _workspace.State.RequireProject(branch.Project);
        var manifest = found.Manifest!;
        if (project.PostgresMajor != manifest.PostgresMajor)
            throw new PgdException(ExitCode.Unsafe, $"{manifest.Id} is of PostgreSQL {manifest.PostgresMajor}, and the project {project.Name} of {project.PostgresMajor}", $"Restore it into a project of the same version: dotnet pgd project create NAME --pg-version {manifest.PostgresMajor}");
        if (manifest.Libc is { } libc && project.Image?.Libc is { } here && libc != here)
            throw new PgdException(ExitCode.Unsafe, $"the text in {manifest.Id} is sorted by {libc}, and servers of {project.Name} sort by {here}", "Restore it into a project with an image like that of its source.");
        if (manifest.Superuser != project.Superuser)
            throw new PgdException(ExitCode.Unsafe, $"the superuser of {manifest.Id} is {manifest.Superuser}, and that of the project {project.Name} is {project.Superuser}", $"Restore it into a project whose superuser is {manifest.Superuser}.");
        using var plan = await PlanAsync(catalog.Repository, manifest, target, cancellationToken).ConfigureAwait(false);
        return (await _workspace.Branches.CreateAsync(new() { Name = branch, TimeToLive = timeToLive, Lease = lease, Labels = LabelsOf(manifest), Backup = (catalog.Repository, await catalog.ChainAsync(found, cancellationToken).ConfigureAwait(false)), Plan = plan }, cancellationToken).ConfigureAwait(false)).Branch;
    }

    private async Task ToFolderAsync(BackupRepository repository, IReadOnlyList<StoredBackup> chain, string folder, CancellationToken cancellationToken)
    {
        var manifest = chain[^1].Manifest!;
        var made = !Directory.Exists(folder);
        if (!made && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new PgdException(ExitCode.Exists, $"the folder {folder} is not empty", "Name one that is empty, or not there yet.");
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            DiskFull.RefuseWithout(manifest.Files.Sum(file => file.Bytes), folder);
            var owner = Libc.Status(folder);
            await DiskFull.TellAsync(folder, async () =>
            {
                var files = new RestoredFiles(folder, repository, chain, owner.Owner, owner.Group, _workspace.Reporter);
                await files.RunAsync(cancellationToken).ConfigureAwait(false);
                if (manifest.IsRecovering)
                    files.EndRecovery();
                return true;
            }).ConfigureAwait(false);
        }
        catch
        {
            foreach (var entry in Directory.Exists(folder) ? Directory.GetFileSystemEntries(folder) : [])
            {
                if (Directory.Exists(entry))
                    Directory.Delete(entry, recursive: true);
                else
                    File.Delete(entry);
            }

            if (made && Directory.Exists(folder))
                Directory.Delete(folder);
            throw;
        }
    }
}
