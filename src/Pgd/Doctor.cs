using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.Following;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Recovery;
using Pgd.Runtime;
using Pgd.State;
using Pgd.Storage;

namespace Pgd;

/// <summary>Checks of the machine and of everything that we made on it, and repairs of what killed operations left.</summary>
public sealed partial class Doctor
{
    private readonly Workspace _workspace;

    internal Doctor(Workspace workspace) => _workspace = workspace;

    /// <summary>Runs every check. A check that cannot be made is a problem, not a pass.</summary>
    public async Task<IReadOnlyList<Finding>> CheckAsync(CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        Check("platform", Platform);
        if (!OperatingSystem.IsLinux())
            return findings;
        findings.AddRange(await new Provisioning.SetupFindings(_workspace.Root, _workspace.Configuration).CheckAsync(cancellationToken).ConfigureAwait(false));
        Check("root", Root);
        Check("server binaries", Binaries);
        Check("server account", Account);
        Check("docker", Engine);
        foreach (var storage in Directory.Exists(_workspace.Root) ? _workspace.Storages.All : [])
            Check($"storage {storage.Name}", () => [storage.Unavailable() is { } why ? new("", Severity.Warning, $"cannot be used here: {why}") : new("", Severity.Ok, "can be used")]);
        Check("disk space", Space);
        Check("records", Records);
        foreach (var branch in SafeBranches().ToList())
            await CheckBranchAsync(branch, findings, cancellationToken).ConfigureAwait(false);
        Check("write-ahead log", () => _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>().SelectMany(p => new ArchiveFindings(_workspace).Of(p, cancellationToken)));
        try
        {
            var repairs = await FixAsync(dryRun: true, cancellationToken).ConfigureAwait(false);
            findings.AddRange(repairs.Select(r => new Finding("left over", Severity.Problem, $"{r.Kind} {r.Subject}: {r.Text}", "dotnet pgd doctor --fix")));
            if (repairs.Count == 0)
                findings.Add(new("left over", Severity.Ok, "nothing of killed operations"));
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
        {
            findings.Add(new("left over", Severity.Problem, $"could not be checked: {e.Message}", (e as PgdException)?.Hint));
        }

        return findings;

        void Check(string name, Func<IEnumerable<Finding>> check)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                findings.AddRange(check().Select(f => f with { Check = name }));
            }
            catch (Exception e)
            {
                findings.Add(new(name, Severity.Problem, e.Message, (e as PgdException)?.Hint));
            }
        }
    }

    /// <summary>
    /// Looks at a source: what branches of it will not do, what they will do as it does, and what keeps them from being made. Nothing is changed. A cluster that was
    /// adopted is looked at from outside alone.
    /// </summary>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>), or its data is missing (<see cref="ExitCode.Failed"/>).</exception>
    public IReadOnlyList<Finding> Inspect(BranchName source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        Workspace.RequireLinux();
        var (project, branch) = (_workspace.State.RequireProject(source.Project), _workspace.Branches.RequireReady(source));
        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        List<Finding> findings = [.. SourceInspection.Files(source, server.Attach().Data, _workspace.Storages.Named(project.Storage))
            // Said on its command line, and not in its files.
            .Select(f => f.Check == "archiving" && new Archiving(_workspace.Layout, project, branch).IsOn ? f with { Text = "on, to pgd's archive; branches archive nothing" } : f)];
        if (branch.IsAdopted || !server.IsRunning())
        {
            findings.Add(new("catalogs", Severity.Ok, branch.IsAdopted ? "not asked: a cluster that was adopted is never connected to. A branch has the same" : $"not asked: {source} is stopped",
                branch.IsAdopted ? $"dotnet pgd doctor --source {source.Project}/BRANCH" : $"dotnet pgd start {source}"));
            return findings;
        }

        using var connection = server.Connect(cancellationToken);
        findings.AddRange(SourceInspection.Catalogs(connection, database => server.Connect(cancellationToken, database), project.PostgresMajor, cancellationToken));
        return findings;
    }

    /// <summary>
    /// Removes what killed operations left, and only that: half-made and half-deleted branches, resets that were not finished, data and
    /// servers that carry our mark and belong to no record. What another operation holds the lock of is left alone.
    /// Returns what it did, or with <paramref name="dryRun"/> what it would do.
    /// </summary>
    /// <exception cref="PgdException">The records cannot be read: then nothing can be said to belong to none of them.</exception>
    public Task<IReadOnlyList<Repair>> FixAsync(bool dryRun, CancellationToken cancellationToken) =>
        dryRun ? RepairAsync(dryRun, cancellationToken) : _workspace.Audit.RecordAsync("doctor fix", _workspace.Root, null, () => RepairAsync(dryRun, cancellationToken));

    private async Task<IReadOnlyList<Repair>> RepairAsync(bool dryRun, CancellationToken cancellationToken)
    {
        var repairs = new List<Repair>();
        if (!Directory.Exists(_workspace.Root))
            return [];
        // First: what is on its way between two names looks as if it belonged to neither.
        await FixRenamesAsync(dryRun, repairs, cancellationToken).ConfigureAwait(false);
        await FixLeasesAsync(dryRun, repairs, cancellationToken).ConfigureAwait(false);
        foreach (var project in _workspace.State.ProjectFolders())
            await FixProjectAsync(project, dryRun, repairs, cancellationToken).ConfigureAwait(false);
        await FixStrayVolumesAsync(dryRun, repairs, cancellationToken).ConfigureAwait(false);
        await FixStrayDatasetsAsync(dryRun, repairs).ConfigureAwait(false);
        await FixRuntimesAsync(dryRun, repairs).ConfigureAwait(false);
        await FixSocketsAsync(dryRun, repairs).ConfigureAwait(false);
        await FixArchivesAsync(dryRun, repairs).ConfigureAwait(false);
        await FixLooseFilesAsync(dryRun, repairs).ConfigureAwait(false);
        return repairs;
    }

    /// <summary>Writes a zip for a bug report: versions, findings, records and the ends of logs, with secrets, host names and labels redacted.</summary>
    public async Task WriteReportAsync(string file, CancellationToken cancellationToken)
    {
        var findings = await CheckAsync(cancellationToken).ConfigureAwait(false);
        using var zip = new ZipArchive(new FileStream(file, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }), ZipArchiveMode.Create);
        Add("version.txt", $"pgd {typeof(Doctor).Assembly.GetName().Version}\n{Environment.OSVersion}\n.NET {Environment.Version}\n{System.Runtime.InteropServices.RuntimeInformation.OSArchitecture}\n");
        Add("findings.txt", string.Join('\n', findings.Select(f => $"{f.Severity,-8} {f.Check}: {f.Text}")) + "\n");
        foreach (var branch in SafeBranches())
        {
            var redacted = branch with { Host = "redacted", HostName = branch.HostName is null ? null : "redacted", Labels = branch.Labels.ToDictionary(l => l.Key, _ => "redacted"), PullRequest = branch.PullRequest is null ? null : branch.PullRequest with { Repository = "redacted", RunUrl = null } };
            Add($"records/{branch.Project}/{branch.Name}.json", Encoding.UTF8.GetString(RecordJson.Write(redacted)));
            var lines = await LogTailAsync(branch, cancellationToken).ConfigureAwait(false);
            Add($"logs/{branch.Project}/{branch.Name}.log", string.Join('\n', lines.Select(Redact)) + "\n");
        }

        void Add(string name, string content)
        {
            using var writer = new StreamWriter(zip.CreateEntry(name).Open());
            writer.Write(Redact(content).Replace(Environment.MachineName, "redacted", StringComparison.OrdinalIgnoreCase));
        }
    }

    // Statements and messages in a server's log may hold anything: only passwords, verifiers and URLs have a form that can be told.
    internal static string Redact(string text) => OwnPasswords().Replace(Secrets().Replace(text, m => m.Groups["keep"].Value + "redacted"), "redacted");

    // The form that we give to passwords is rare enough to be told anywhere.
    [GeneratedRegex("(?<![a-z2-7])[a-z2-7]{32}(?![a-z2-7])")]
    private static partial Regex OwnPasswords();

    [GeneratedRegex("""(?<keep>SCRAM-SHA-256\$\d+:)[^\s']+|(?<keep>://[^\s:/@]+:)[^\s@]+(?=@)|(?<keep>(?i:password|passwd|pgpassword|token|secret)['"]?\s*[=:]?\s*)(?:[eE]'(?:[^'\\]|''|\\.)*('|$)|'(?:[^']|'')*('|$)|"[^"]*("|$)|\$(?<tag>\w*)\$.*?(\$\k<tag>\$|$)|[^\s'",;]+)""", RegexOptions.Singleline)]
    private static partial Regex Secrets();

    private static IEnumerable<Finding> Platform() =>
        [OperatingSystem.IsLinux() ? new("", Severity.Ok, $"{Environment.OSVersion.VersionString}, {System.Runtime.InteropServices.RuntimeInformation.OSArchitecture}") : new("", Severity.Problem, "branches need Linux", "Run pgd on a self-hosted runner with Linux.")];

    private IEnumerable<Finding> Root()
    {
        // A check makes nothing: a root comes with the first project.
        if (!Directory.Exists(_workspace.Root))
        {
            yield return Barrier(_workspace.Root) ?? new("", Severity.Ok, $"{_workspace.Root} does not exist yet; the first project makes it");
            yield break;
        }

        _workspace.Layout.Ensure();
        var probe = Path.Combine(_workspace.Layout.State, $".probe-{Environment.ProcessId}");
        File.WriteAllBytes(probe, []);
        File.Delete(probe);
        yield return new("", Severity.Ok, $"{_workspace.Root} can be written");
        if (Barrier(_workspace.Layout.Volumes) is { } barrier)
            yield return barrier;
        if (File.Exists(_workspace.Layout.HostKey) && new FileInfo(_workspace.Layout.HostKey).Length != HostKey.Size)
            yield return new("", Severity.Problem, $"the host key {_workspace.Layout.HostKey}, from which every password derives, is damaged", "Restore it from a backup of the root.");
        if (File.Exists(_workspace.Layout.HostKey) && (Libc.Status(_workspace.Layout.HostKey).Mode & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite)) != 0)
            yield return new("", Severity.Problem, $"others can read the host key {_workspace.Layout.HostKey}, from which every password derives", $"chmod 0600 {_workspace.Layout.HostKey}");
    }

    private Finding? Barrier(string folder) => _workspace.Runtimes.Native.Impassable(folder) is { } e ? new("", Severity.Problem, e.Message, e.Hint) : null;

    private IEnumerable<Finding> Binaries()
    {
        var found = _workspace.Runtimes.Native.Binaries.Found;
        if (found.Count == 0 && _workspace.Runtimes.Docker.Unavailable() is null)
            yield return new("", Severity.Ok, "none on this machine; servers run in containers");
        else if (found.Count == 0)
            yield return new("", Severity.Problem, "there are no PostgreSQL server binaries on this machine, and no Docker engine to run others", "apt-get install postgresql, or name their folder in config.yaml under postgres: binaries.");
        else
            yield return new("", Severity.Ok, string.Join(", ", found.Select(b => $"PostgreSQL {b.Major} in {b.Folder}")));
        foreach (var project in _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>().Where(p => p.Runtime == _workspace.Runtimes.Native.Name && found.All(b => b.Major != p.PostgresMajor)))
            yield return new("", Severity.Problem, $"the project {project.Name} needs PostgreSQL {project.PostgresMajor}", $"apt-get install postgresql-{project.PostgresMajor}");
    }

    private IEnumerable<Finding> Engine()
    {
        var needing = _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>().Where(p => p.Image is not null).ToList();
        if (_workspace.Runtimes.Docker.Refusal() is { } refusal)
        {
            yield return needing.Count > 0 ? new("", Severity.Problem, $"{refusal.Message}; {string.Join(", ", needing.Select(p => p.Name))} cannot be used", refusal.Hint)
                : new("", Severity.Ok, $"not used: {refusal.Message}");
            yield break;
        }

        yield return new("", Severity.Ok, "the engine answers");
        foreach (var project in needing.Where(p => !_workspace.Runtimes.Docker.Has(p.Image!)))
            yield return new("", Severity.Problem, $"the image {project.Image!.Reference} ({project.Image.Id}) of the project {project.Name} is gone", $"Fetch it again: docker pull {project.Image.Reference}");
    }

    private IEnumerable<Finding> Account() => [_workspace.Runtimes.Native.ServerAccount() is { } account
        ? new("", Severity.Ok, $"servers run as {account.Name}") : new("", Severity.Ok, $"servers run as {Environment.UserName}")];

    private IEnumerable<Finding> Space()
    {
        var (_, available, size) = Libc.FileSystem(Directory.Exists(_workspace.Root) ? _workspace.Root : Path.GetDirectoryName(_workspace.Root)!);
        var text = $"{available >> 30} GB of {size >> 30} GB are free";
        yield return available < size / 10 ? new("", Severity.Warning, text, "Delete branches: dotnet pgd branch list") : new("", Severity.Ok, text);
    }

    private IEnumerable<Finding> Records()
    {
        var count = 0;
        foreach (var project in _workspace.State.ProjectFolders())
        {
            foreach (var name in _workspace.State.BranchNames(project))
            {
                Finding? damaged = null;
                try
                {
                    count += _workspace.State.FindBranch(BranchName.Of(project, name)) is null ? 0 : 1;
                }
                catch (PgdException e)
                {
                    damaged = new("", Severity.Problem, e.Message, $"Restore it from a backup of {_workspace.Layout.State}. Its data is untouched.");
                }

                if (damaged is not null)
                    yield return damaged;
            }
        }

        yield return new("", Severity.Ok, $"{count} branches are recorded");
    }

    private async Task CheckBranchAsync(BranchRecord branch, List<Finding> findings, CancellationToken cancellationToken)
    {
        var check = $"branch {branch.FullName}";
        try
        {
            if (branch.Phase != BranchPhase.Ready || _workspace.State.FindProject(branch.Project) is not { } project)
                return;
            var server = new BranchServer(_workspace, project, branch, branch.Generation);
            if (server.FindVolume() is null)
                findings.Add(new(check, Severity.Problem, $"its data is missing from the storage {project.Storage}", $"If it is gone for good: dotnet pgd branch delete {branch.FullName}"));
            else if (branch.IsAdopted)
                findings.Add(CheckAdopted(check, server.RequireVolume().Data, project));
            else if (!server.IsRunning())
                findings.Add(branch.ShouldRun ? new(check, Severity.Problem, "its server does not run", $"dotnet pgd start {branch.FullName}") : new(check, Severity.Ok, "stopped"));
            else if (server.IsFollower)
                findings.Add(Followed(check, new FreshnessQuestion(_workspace, project).Ask(cancellationToken)));
            else
            {
                using var connection = server.Connect(cancellationToken);
                var name = connection.Scalar("show cluster_name", cancellationToken);
                findings.Add(name == server.ClusterName ? new(check, Severity.Ok, $"runs on port {branch.Port}")
                    : new(check, Severity.Problem, $"its server calls itself {name} instead of {server.ClusterName}", $"dotnet pgd restart {branch.FullName}"));
            }
        }
        catch (Exception e) when (e is PgdException or Npgsql.NpgsqlException or IOException or UnauthorizedAccessException)
        {
            findings.Add(new(check, Severity.Problem, $"could not be asked: {e.Message}", $"dotnet pgd branch logs {branch.FullName}"));
        }
    }

    private static Finding Followed(string check, Freshness freshness) => freshness.Status switch
    {
        FollowStatus.Streaming => new(check, Severity.Ok, $"follows {freshness.From}"),
        FollowStatus.Waiting => new(check, Severity.Warning, $"does not follow {freshness.From} at the moment: {freshness.Reason}", freshness.Next),
        _ => new(check, Severity.Problem, $"does not follow {freshness.From}: {freshness.Reason}", freshness.Next),
    };

    private static Finding CheckAdopted(string check, string data, ProjectRecord project) =>
        !Libc.Exists(Path.Combine(data, "PG_VERSION")) ? new(check, Severity.Problem, $"it was adopted from {data}, where there is no cluster any more", "Is its file system mounted?")
            : AdoptedCluster.Find(data).Major is var major && major != project.PostgresMajor ? new(check, Severity.Problem, $"it was adopted with PostgreSQL {project.PostgresMajor}, and its data is of {major} now",
                $"Adopt it again: dotnet pgd project delete {project.Name}, then dotnet pgd project create {project.Name} --adopt {data}")
            : new(check, Severity.Ok, $"adopted from {data}, {(AdoptedCluster.MayRun(data) ? "running" : "stopped")}");

    private async Task FixRenamesAsync(bool dryRun, List<Repair> repairs, CancellationToken cancellationToken)
    {
        foreach (var half in Renaming.HalfRenamed.All(_workspace))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var held = half.TryLock(_workspace);
            // Asked again under its locks: whoever was at it may have come to its end.
            if (held is null || Renaming.HalfRenamed.Find(_workspace, half.From, half.To) is not { } renaming)
                continue;
            repairs.Add(await DoAsync("rename", half.From, renaming.IsCommitted ? $"renamed to {half.To} by a killed operation, which left something under the old name: finished"
                : $"half renamed to {half.To} by a killed operation: taken back, and it serves under its old name", renaming.ResolveAsync, dryRun).ConfigureAwait(false));
        }
    }

    private async Task FixLeasesAsync(bool dryRun, List<Repair> repairs, CancellationToken cancellationToken)
    {
        const string text = "its process is gone: removed";
        if (dryRun)
        {
            repairs.AddRange(_workspace.Leases.Left().Select(b => new Repair("leased branch", b.FullName.ToString(), text, Done: false)));
            return;
        }

        var (deleted, left) = await _workspace.Leases.SweepAsync(cancellationToken).ConfigureAwait(false);
        repairs.AddRange(deleted.Select(b => new Repair("leased branch", b.ToString(), text, Done: true)).Concat(left.Select(b => new Repair("leased branch", b.Name.ToString(), $"its process is gone, and it is still there: {b.Reason}", Done: false))));
    }

    private async Task FixProjectAsync(string name, bool dryRun, List<Repair> repairs, CancellationToken cancellationToken)
    {
        var removed = 0;
        foreach (var branch in _workspace.State.BranchNames(name).Select(b => BranchName.Of(name, b)).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var held = TryLock(branch);
            if (held is null || _workspace.State.FindBranch(branch) is not { RenamingTo: null, RenamedFrom: null } record)
                continue;
            // Only its switch needs the branch for itself.
            using var refreshed = branch.IsMain ? _workspace.Locks.TryAcquire(LockRequest.Refreshing(name)) : null;
            if (branch.IsMain && refreshed is null)
                continue;
            var project = _workspace.State.FindProject(name);
            if (record.Phase != BranchPhase.Ready)
            {
                removed++;
                await RepairAsync("branch", branch.ToString(), $"half {(record.Phase == BranchPhase.Creating ? "made" : "deleted")} by a killed operation: removed", () => project is null
                    ? throw new PgdException(ExitCode.Failed, $"the record of the project {name} is missing")
                    : _workspace.Branches.DestroyAsync(project, record)).ConfigureAwait(false);
            }
            else if (project is not null && (record.PendingGeneration is not null || _workspace.Branches.Generations(project, record).Count > 1))
            {
                await RepairAsync("reset", branch.ToString(), $"a killed reset left data of other generations than {record.Generation}: removed, and the branch serves on", () => _workspace.Branches.TakeBackResetAsync(project, record)).ConfigureAwait(false);
            }
            else if (project is not null && record.IsRotating && record.ShouldRun)
            {
                await RepairAsync("rotation", branch.ToString(), "a killed rotation left passwords of which it is not known whether they are valid: done again", () => _workspace.Branches.FinishRotationAsync(project, record, cancellationToken)).ConfigureAwait(false);
            }
        }

        foreach (var snapshot in _workspace.Snapshots.Unused(name))
        {
            await RepairAsync("snapshot", snapshot.FullName, "the last branch that was made from it is gone: removed", () =>
            {
                _workspace.Snapshots.RemoveUnused(name);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        foreach (var snapshot in _workspace.State.Snapshots(name).Where(s => s.Phase != BranchPhase.Ready))
        {
            using var held = _workspace.Locks.TryAcquire(LockRequest.Snapshot(snapshot.BranchName, snapshot.Id, exclusive: true));
            if (held is null || _workspace.State.FindSnapshot(snapshot.BranchName, snapshot.Id) is not { Phase: not BranchPhase.Ready } half || _workspace.State.FindProject(name) is not { } project)
                continue;
            await RepairAsync("snapshot", half.FullName, $"half {(half.Phase == BranchPhase.Creating ? "made" : "deleted")} by a killed operation: removed", () =>
            {
                _workspace.Snapshots.Destroy(project, half);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        // A project without its first branch was being made or deleted.
        using var projectLock = _workspace.Locks.TryAcquire(LockRequest.Project(name, exclusive: true));
        if (projectLock is null)
            return;
        foreach (var file in _workspace.State.Unfinished(name))
        {
            await RepairAsync("record", file, "written by a killed operation, and never put in place: removed", () =>
            {
                File.Delete(file);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        if (_workspace.State.FindProject(name) is { IsSwitchingArchive: true } switching && _workspace.State.FindBranch(BranchName.Of(name, BranchName.Main)) is { Phase: BranchPhase.Ready })
        {
            await RepairAsync("archiving", name, $"a killed operation was turning it {(switching.PointInTime is null ? "off" : "on")}, and main's server may not know: finished", () =>
                new ArchiveSwitch(_workspace, switching).TurnAsync(switching.PointInTime, cancellationToken)).ConfigureAwait(false);
        }

        // A rehearsal has removed nothing, and yet must say what would follow.
        if (_workspace.State.BranchNames(name).Count - (dryRun ? removed : 0) <= 0)
        {
            await RepairAsync("project", name, "made or deleted by a killed operation, without a branch: removed", () =>
            {
                // Its record may be what the killed operation had not got to.
                if (_workspace.State.FindProject(name) is { } project)
                    _workspace.Runtimes.Named(project.Runtime).RemoveNetwork(name);
                _workspace.State.DeleteProject(name);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        async Task RepairAsync(string kind, string subject, string text, Func<Task> repair) => repairs.Add(await DoAsync(kind, subject, text, repair, dryRun).ConfigureAwait(false));
    }

    // Data that carries our mark and that no record knows: its record went before it, or was lost. Only the former is ours to decide.
    private async Task FixStrayVolumesAsync(bool dryRun, List<Repair> repairs, CancellationToken cancellationToken)
    {
        var runtimes = AskedRuntimes();
        var moving = Renaming.HalfRenamed.Identities(_workspace);
        // Those that were just put where they belong, or could not be.
        foreach (var volume in _workspace.Storages.Folders.List().Where(v => !moving.Contains(v.Key.BranchId)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var name = BranchName.Of(volume.Key.Project, volume.Key.Branch);
            using var held = volume.Key.IsSnapshot ? _workspace.Locks.TryAcquire(LockRequest.Snapshot(name, volume.Key.BranchId, exclusive: true)) : TryLock(name);
            if (held is null || (volume.Key.IsSnapshot ? _workspace.State.FindSnapshot(name, volume.Key.BranchId) is not null : _workspace.State.FindBranch(name)?.Id == volume.Key.BranchId))
                continue;
            var storage = _workspace.State.FindProject(volume.Key.Project) is { } project ? _workspace.Storages.Named(project.Storage)
                : volume.Mounts.Count > 0 ? _workspace.Storages.Zfs : _workspace.Storages.All.First(s => s != _workspace.Storages.Zfs && s.Unavailable() is null);
            var runs = runtimes.FirstOrDefault(r => r.IsRunning(volume));
            // A running server without a record serves someone: that is for its owner to judge.
            repairs.Add(runs is not null
                ? new("data", volume.Directory, $"belongs to no record, and its server runs; it is left alone. Stop it (pg_ctl -D {volume.Data} stop) and fix again", Done: false)
                : await DoAsync("data", volume.Directory, "belongs to no record: removed", () =>
                {
                    storage.Delete(volume.Key);
                    return Task.CompletedTask;
                }, dryRun).ConfigureAwait(false));
        }
    }

    // Its volume's folder is made before a dataset and goes after it: without one the folder was lost, and nobody knows what that was for.
    private async Task FixStrayDatasetsAsync(bool dryRun, List<Repair> repairs)
    {
        foreach (var dataset in _workspace.Storages.Zfs.Strays())
        {
            repairs.Add(await DoAsync("data", dataset, "", () => throw new PgdException(ExitCode.Unsafe, $"it carries our mark, and the folder of its volume is gone; it is left alone. If it can go: zfs destroy {dataset}"), dryRun: false).ConfigureAwait(false));
        }
    }

    private List<IRuntime> AskedRuntimes() => [.. _workspace.Runtimes.Asked([.. _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>()])];

    // The deletion of a project locks the project alone.
    private HeldLocks? TryLock(BranchName name)
    {
        if (_workspace.Locks.TryAcquire(LockRequest.Project(name.Project, exclusive: false)) is not { } held)
            return null;
        if (_workspace.Locks.TryAcquire(LockRequest.Branch(name, exclusive: true)) is { } branch)
        {
            held.Add(branch);
            return held;
        }

        held.Dispose();
        return null;
    }

    private async Task FixRuntimesAsync(bool dryRun, List<Repair> repairs)
    {
        foreach (var runtime in AskedRuntimes())
        {
            // Asked before the records are: a record comes before its container.
            var known = new HashSet<string>(StringComparer.Ordinal);
            var leftovers = runtime.Leftovers(known);
            known.UnionWith(_workspace.State.AllBranches().Select(b => b.Id));
            foreach (var leftover in leftovers.Count == 0 ? [] : runtime.Leftovers(known).Where(l => leftovers.Any(o => o.Name == l.Name)))
            {
                repairs.Add(await DoAsync(leftover.Kind, leftover.Name, "belongs to no record: removed", () =>
                {
                    leftover.Remove();
                    return Task.CompletedTask;
                }, dryRun).ConfigureAwait(false));
            }
        }
    }

    private async Task FixSocketsAsync(bool dryRun, List<Repair> repairs)
    {
        if (!Directory.Exists(_workspace.Layout.Sockets))
            return;
        // Listed before the records, because a record comes before its folder: what is new since then is not looked at.
        var folders = Directory.GetDirectories(_workspace.Layout.Sockets);
        var known = _workspace.State.AllBranches().SelectMany(b => (int?[])[b.Generation, b.PendingGeneration], (b, g) => (b, g)).Where(x => x.g is not null)
            .Select(x => _workspace.Layout.SocketFolder(x.b.Id, x.g!.Value)).ToHashSet(StringComparer.Ordinal);
        // A server without a record is left alone, and so is its door.
        known.UnionWith(AskedRuntimes().SelectMany(r => r.List()).Select(s => s.SocketFolder).OfType<string>());
        foreach (var folder in folders.Where(f => !known.Contains(f)))
        {
            repairs.Add(await DoAsync("socket", folder, "belongs to no record: removed", () =>
            {
                if (Directory.Exists(folder))
                    Directory.Delete(folder, recursive: true);
                return Task.CompletedTask;
            }, dryRun).ConfigureAwait(false));
        }
    }

    // An archive goes with its project; where the record was lost, only its owner can tell whether what is in it is needed.
    private async Task FixArchivesAsync(bool dryRun, List<Repair> repairs)
    {
        foreach (var stray in new ArchiveFindings(_workspace).Strays())
        {
            using var held = _workspace.Locks.TryAcquire(LockRequest.Project(Path.GetFileName(stray), exclusive: true));
            if (held is null || File.Exists(_workspace.Layout.ProjectFile(Path.GetFileName(stray))))
                continue;
            // A rehearsal must know as well whether it is empty.
            repairs.Add(await DoAsync("archive", stray, "belongs to no project, and is empty: removed", () =>
            {
                ArchiveFindings.RequireEmpty(stray);
                if (!dryRun)
                    ArchiveFindings.RemoveEmpty(stray);
                return Task.CompletedTask;
            }, dryRun: false).ConfigureAwait(false));
        }
    }

    // Files that live for moments carry the number of the process that made them.
    private async Task FixLooseFilesAsync(bool dryRun, List<Repair> repairs)
    {
        var files = Directory.EnumerateFiles(_workspace.Root, Path.GetFileName(_workspace.Layout.HostKey) + ".*")
            .Concat(new[] { _workspace.Layout.Volumes, _workspace.Layout.State }.Where(Directory.Exists).SelectMany(f => Directory.EnumerateFiles(f, ".probe-*")))
            .Where(f => int.TryParse(Path.GetFileName(f).Split('.', '-').ElementAtOrDefault(2), out var maker) && !Directory.Exists($"/proc/{maker}"));
        foreach (var file in files.ToList())
        {
            repairs.Add(await DoAsync("file", file, "made by a killed operation for a moment: removed", () =>
            {
                File.Delete(file);
                return Task.CompletedTask;
            }, dryRun).ConfigureAwait(false));
        }

        var folders = Directory.Exists(_workspace.Layout.Volumes) ? Directory.GetDirectories(_workspace.Layout.Volumes, $"{PointInTime.FolderPrefix}*") : [];
        foreach (var folder in folders.Where(f => int.TryParse(Path.GetFileName(f).Split('-').ElementAtOrDefault(1), out var maker) && !Directory.Exists($"/proc/{maker}")))
        {
            repairs.Add(await DoAsync("file", folder, "made by a killed operation for a moment: removed", () =>
            {
                Directory.Delete(folder, recursive: true);
                return Task.CompletedTask;
            }, dryRun).ConfigureAwait(false));
        }

        if (!dryRun)
            _workspace.Locks.Sweep();
    }

    private static async Task<Repair> DoAsync(string kind, string subject, string text, Func<Task> repair, bool dryRun)
    {
        try
        {
            if (!dryRun)
                await repair().ConfigureAwait(false);
            return new(kind, subject, text, Done: true);
        }
        catch (Exception e)
        {
            return new(kind, subject, $"could not be repaired: {e.Message}", Done: false);
        }
    }

    private async Task<IReadOnlyList<string>> LogTailAsync(BranchRecord branch, CancellationToken cancellationToken)
    {
        try
        {
            return await _workspace.Branches.LogAsync(branch.FullName, 200, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            return [e.Message];
        }
    }

    private IEnumerable<BranchRecord> SafeBranches()
    {
        foreach (var name in SafeNames())
        {
            BranchRecord? record = null;
            try
            {
                record = _workspace.State.FindBranch(name);
            }
            catch (PgdException)
            {
                // The check of the records names it.
            }

            if (record is not null)
                yield return record;
        }
    }

    private IReadOnlyList<BranchName> SafeNames()
    {
        try
        {
            return [.. _workspace.State.ProjectFolders().SelectMany(p => _workspace.State.BranchNames(p).Select(b => BranchName.Of(p, b)))];
        }
        catch (PgdException)
        {
            return [];
        }
    }
}

/// <summary>The answer of one check.</summary>
/// <param name="Check">What was checked, for example "server binaries".</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Text">What was found.</param>
/// <param name="Remedy">What to type, if there is something wrong.</param>
public sealed record Finding(string Check, Severity Severity, string Text, string? Remedy = null);

/// <summary>How bad a finding is.</summary>
public enum Severity
{
    /// <summary>Fine.</summary>
    Ok,

    /// <summary>Works, but should be looked at.</summary>
    Warning,

    /// <summary>Does not work.</summary>
    Problem,
}

/// <summary>One thing that a repair did.</summary>
/// <param name="Kind">branch, leased branch, snapshot, rename, reset, project, record, data, archiving, archive, container, network, socket or file.</param>
/// <param name="Subject">Which one.</param>
/// <param name="Text">What was or would be done, and why.</param>
/// <param name="Done">False if it could not be done; <paramref name="Text"/> then says why.</param>
public sealed record Repair(string Kind, string Subject, string Text, bool Done);
