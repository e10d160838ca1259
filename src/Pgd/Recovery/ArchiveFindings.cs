using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Provisioning;
using Pgd.State;

namespace Pgd.Recovery;

/// <summary>What is wrong with the archives of write-ahead logs, and what to do about it.</summary>
internal sealed class ArchiveFindings(Workspace workspace)
{
    // A server asks for a part every minute, and the archiver takes a moment for it.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    /// <summary>The findings of one project's archive; none where its log is not archived and nothing is left of that.</summary>
    public IEnumerable<Finding> Of(ProjectRecord project, CancellationToken cancellationToken)
    {
        if (workspace.State.FindBranch(BranchName.Of(project.Name, BranchName.Main)) is not { Phase: BranchPhase.Ready } main)
            yield break;
        var archiving = new Archiving(workspace.Layout, project, main);
        var name = main.FullName;
        if (!archiving.IsThere)
        {
            if (archiving.IsOn)
                yield return new("", Severity.Problem, $"{archiving.Folder}, where the log of {name} is to go, is missing or not its archive: its server keeps what it cannot hand over", $"Mount it. Or make a new one: dotnet pgd project set {project.Name} --pitr off, and on again");
            yield break;
        }

        var log = new BranchLog(workspace, project, main);
        var files = log.Archive.Files();
        var problems = 0;
        foreach (var finding in Archiver(archiving, project, main, cancellationToken).Concat(Disk(archiving)).Concat(Compression(files, name)).Concat(Gaps(log, files, name)))
        {
            problems++;
            yield return finding;
        }

        if (problems == 0 && archiving.IsOn)
            yield return new("", Severity.Ok, $"that of {name} is archived, {files.Count} files");
    }

    /// <summary>The archives that belong to no project.</summary>
    public IReadOnlyList<string> Strays() => !Directory.Exists(workspace.Layout.Wal) ? []
        : [.. Directory.GetDirectories(workspace.Layout.Wal).Where(f => Path.GetFileName(f) != "lost+found" && !File.Exists(workspace.Layout.ProjectFile(Path.GetFileName(f)))).Order(StringComparer.Ordinal)];

    /// <summary>Refuses an archive that belongs to no project, and has something in it.</summary>
    /// <exception cref="PgdException">It has (<see cref="ExitCode.Unsafe"/>).</exception>
    public static void RequireEmpty(string stray)
    {
        if (Directory.EnumerateFiles(stray, "*", SearchOption.AllDirectories).Any(f => Path.GetFileName(f) != Archiving.MarkFile))
            throw new PgdException(ExitCode.Unsafe, $"it belongs to no project, and has files in it; it is left alone. If it can go: rm -r {stray}");
    }

    /// <summary>Removes such an archive.</summary>
    public static void RemoveEmpty(string stray)
    {
        foreach (var folder in Directory.GetDirectories(stray))
        {
            File.Delete(Path.Combine(folder, Archiving.MarkFile));
            Archiving.RemoveIfEmpty(folder);
        }

        Archiving.RemoveIfEmpty(stray);
        if (Directory.Exists(stray))
            throw new PgdException(ExitCode.Failed, $"it belongs to no project, and is mounted or in use. If it can go: rm -r {stray}");
    }

    private IEnumerable<Finding> Archiver(Archiving archiving, ProjectRecord project, BranchRecord main, CancellationToken cancellationToken)
    {
        if (!archiving.IsOn || WriteAheadLogs.ArchiverOf(new BranchServer(workspace, project, main, main.Generation), cancellationToken) is not { } state)
            yield break;
        if (state.IsFailing)
            yield return new("", Severity.Problem, $"the server of {main.FullName} could not hand over {state.LastFailed}, and keeps {state.Waiting} files for it", $"Its log says why: dotnet pgd branch logs {main.FullName}");
        else if (state.WaitingSince is { } since && DateTimeOffset.UtcNow - since > LongestWait)
            yield return new("", Severity.Problem, $"the server of {main.FullName} has not handed over {state.Waiting} files, the first since {RecoveryTarget.AtTime(since)}", $"Its log may say why: dotnet pgd branch logs {main.FullName}");
    }

    private static IEnumerable<Finding> Disk(Archiving archiving)
    {
        var (_, available, size) = Libc.FileSystem(archiving.Folder);
        if (available >= size / 10 && available >= DiskFull.Reserve)
            yield break;
        var name = $"{Path.GetFileName(Path.GetDirectoryName(archiving.Folder))}/{Path.GetFileName(archiving.Folder)}";
        yield return available < DiskFull.Reserve ? new("", Severity.Problem, $"the file system of {archiving.Folder} has {available >> 20} MB left: nothing more is archived", $"Remove what nobody needs: dotnet pgd wal cleanup {name} --days 0")
            : new("", Severity.Warning, $"the file system of {archiving.Folder} has {available >> 20} MB of {size >> 20} MB left", $"Remove what nobody needs: dotnet pgd wal cleanup {name} --days 7");
    }

    private static IEnumerable<Finding> Compression(IReadOnlyList<ArchivedFile> files, BranchName name)
    {
        if (files.Any(f => f.IsCompressed) && SystemPrograms.Find(WalArchive.Zstd) is null)
            yield return new("", Severity.Problem, $"the archive of {name} is compressed by zstd, which is missing: nothing can be recovered from it", "apt-get install zstd");
    }

    private static IEnumerable<Finding> Gaps(BranchLog log, IReadOnlyList<ArchivedFile> files, BranchName name)
    {
        if (WriteAheadLogs.GapsOf(log, files) is { Count: > 0 } gaps)
            yield return new("", Severity.Warning, $"the archive of {name} has a gap: {string.Join("; ", gaps.Take(5))}{(gaps.Count > 5 ? "; …" : "")}", $"What comes after it is reached from a newer snapshot: dotnet pgd snapshot create {name}");
    }
}
