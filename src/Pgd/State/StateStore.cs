using System.Text.Json;
using Pgd.Linux;

namespace Pgd.State;

/// <summary>The records: one JSON file each, written beside and renamed over. The folder is the index. Locking is the caller's.</summary>
internal sealed class StateStore(Layout layout)
{
    private const string BesideSuffix = ".new";

    public ProjectRecord? FindProject(string name) => Read(layout.ProjectFile(name), RecordJson.ReadProject);

    public ProjectRecord RequireProject(string name) => FindProject(BranchName.CheckProject(name)) switch
    {
        null => throw new PgdException(ExitCode.NotFound, $"there is no project {name}", Known("projects", ProjectNames(), $"dotnet pgd project create {name}")),
        { RenamingTo: { } to } => throw HalfRenamed(name, to),
        var project => project,
    };

    /// <summary>What is refused while something is neither here nor there.</summary>
    public static PgdException HalfRenamed(string name, string to) => new(ExitCode.Failed, $"{name} is being renamed to {to}, or that was killed",
        "If no other operation is at it, finish it or take it back: dotnet pgd doctor --fix");

    public BranchRecord? FindBranch(BranchName name) => Read(layout.BranchFile(name), RecordJson.ReadBranch);

    public BranchRecord RequireBranch(BranchName name)
    {
        RequireProject(name.Project);
        return FindBranch(name)
            ?? throw new PgdException(ExitCode.NotFound, $"there is no branch {name}", Known("branches", BranchNames(name.Project), $"dotnet pgd branch create {name}"));
    }

    public IReadOnlyList<string> ProjectNames() => [.. ProjectFolders().Where(n => File.Exists(layout.ProjectFile(n)))];

    public IReadOnlyList<string> BranchNames(string project) =>
        [.. List(layout.ProjectState(project), f => Directory.GetFiles(f, "*.json")).Select(f => Path.GetFileNameWithoutExtension(f)).Where(BranchName.IsWellFormed).Order(StringComparer.Ordinal)];

    public IEnumerable<BranchRecord> Branches(string project) =>
        BranchNames(project).Select(n => FindBranch(BranchName.Of(project, n))).OfType<BranchRecord>();

    public SnapshotRecord? FindSnapshot(BranchName branch, string id) => Read(layout.SnapshotFile(branch, id), RecordJson.ReadSnapshot);

    /// <summary>The snapshot that a record names as <c>BRANCH@ID</c>.</summary>
    public SnapshotRecord? FindSnapshot(string project, string? key) => key?.Split('@') is [var branch, var id] ? FindSnapshot(BranchName.Of(project, branch), id) : null;

    /// <summary>The snapshots of a project, or of one of its branches, in the order in which they were taken.</summary>
    public IReadOnlyList<SnapshotRecord> Snapshots(string project, string? branch = null) =>
        [.. List(layout.ProjectState(project), f => Directory.GetFiles(f, $"{branch ?? "*"}@*.json")).Select(f => Path.GetFileNameWithoutExtension(f).Split('@'))
            .Where(parts => parts.Length == 2 && BranchName.IsWellFormed(parts[0])).Select(parts => FindSnapshot(BranchName.Of(project, parts[0]), parts[1])).OfType<SnapshotRecord>()
            .OrderBy(s => s.CreatedAt).ThenBy(s => s.Id, StringComparer.Ordinal)];

    /// <summary>The records of all branches of all projects.</summary>
    public IEnumerable<BranchRecord> AllBranches() => ProjectFolders().SelectMany(Branches);

    /// <summary>Every folder of the state, also one whose project record is missing.</summary>
    public IReadOnlyList<string> ProjectFolders() =>
        [.. List(layout.State, Directory.GetDirectories).Select(d => Path.GetFileName(d)).Where(BranchName.IsWellFormed).Order(StringComparer.Ordinal)];

    public void Write(ProjectRecord record) => Write(record.Name, layout.ProjectFile(record.Name), RecordJson.Write(record));

    public void Write(BranchRecord record) => Write(record.Project, layout.BranchFile(record.FullName), RecordJson.Write(record));

    public void Write(SnapshotRecord record) => Write(record.Project, layout.SnapshotFile(record.BranchName, record.Id), RecordJson.Write(record));

    public void Delete(SnapshotRecord record)
    {
        File.Delete(layout.SnapshotFile(record.BranchName, record.Id) + BesideSuffix);
        File.Delete(layout.SnapshotFile(record.BranchName, record.Id));
    }

    public void Delete(BranchName name)
    {
        File.Delete(layout.BranchFile(name) + BesideSuffix);
        File.Delete(layout.BranchFile(name));
    }

    /// <summary>Files of records that were never put in place. Under the project's exclusive lock no one is writing them.</summary>
    public IReadOnlyList<string> Unfinished(string project) => List(layout.ProjectState(project), f => Directory.GetFiles(f, "*" + BesideSuffix));

    public void DeleteProject(string name)
    {
        if (!Directory.Exists(layout.ProjectState(name)))
            return;
        foreach (var file in Unfinished(name))
            File.Delete(file);
        File.Delete(layout.ProjectFile(name));
        Fault.Here("project:unrecorded");
        if (!Directory.EnumerateFileSystemEntries(layout.ProjectState(name)).Any())
            Directory.Delete(layout.ProjectState(name));
    }

    private static string Known(string kind, IReadOnlyList<string> names, string make) =>
        names.Count == 0 ? $"Make it: {make}" : $"There are the {kind} {string.Join(", ", names.Take(20))}{(names.Count > 20 ? ", …" : "")}; or make it: {make}";

    // A folder that may not be listed is not an empty one.
    private static string[] List(string folder, Func<string, string[]> list)
    {
        try
        {
            return list(folder);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (UnauthorizedAccessException e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the folder {folder} cannot be read: {e.Message}", "Run as the user who owns the root, or choose another root with --root or PGD_ROOT.", e);
        }
    }

    private static T? Read<T>(string file, Func<JsonElement, T> read)
        where T : class
    {
        byte[] content;
        try
        {
            // Most questions are about what is not there, and an exception costs more than the answer.
            if (OperatingSystem.IsLinux() ? !Libc.Exists(file) : !File.Exists(file))
                return null;
            content = File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the state file {file} cannot be read: {e.Message}", "Run as the user who owns the root.", e);
        }

        // An older tool must not guess what a newer one meant: the number is read before anything else.
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("format", out var format)
                && format.TryGetInt32(out var number) && number > BranchRecord.CurrentFormat)
            {
                throw new PgdException(ExitCode.MachineLacks, $"the state file {file} was written by a newer version of pgd (format {number}; this version knows {BranchRecord.CurrentFormat})",
                    "Update this tool: dotnet tool update Pgd.Tool");
            }

            return read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Failed, $"the state file {file} is damaged: {e.Message}", "See what can be repaired: dotnet pgd doctor --fix --dry-run", e);
        }
    }

    private void Write(string project, string file, byte[] record)
    {
        // The lock lets one process write a record at a time: what a killed one left beside it is overwritten by the next.
        var beside = file + BesideSuffix;
        try
        {
            layout.EnsureProject(project);
            // What another member of the group left is his; it can be replaced, and not always be written.
            if (layout.IsShared)
                File.Delete(beside);
            using (var stream = new FileStream(beside, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                UnixCreateMode = layout.FileMode,
            }))
            {
                // A umask takes the group's right to write.
                if (layout.IsShared)
                    File.SetUnixFileMode(stream.SafeFileHandle, layout.FileMode);
                stream.Write(record);
                stream.Flush(flushToDisk: true);
            }

            Fault.Here("record:beside");
            File.Move(beside, file, overwrite: true);
        }
        catch (IOException e) when (DiskFull.Is(e))
        {
            if (File.Exists(beside))
                File.Delete(beside);
            throw DiskFull.Error(file, e);
        }
    }
}
