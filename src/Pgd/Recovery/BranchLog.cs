using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Recovery;

/// <summary>
/// The write-ahead log of a branch, as far back as it is kept: what its server has not yet recycled, and what was archived. Its server may run and write: a part
/// counts only if it was still there, under its name, after it was copied.
/// </summary>
internal sealed class BranchLog
{
    private readonly IStorage _storage;
    private readonly string _folder;
    private readonly WalArchive _archive;

    public BranchLog(Workspace workspace, ProjectRecord project, BranchRecord branch)
    {
        _storage = workspace.Storages.Named(project.Storage);
        Data = new BranchServer(workspace, project, branch, branch.Generation).Attach().Data;
        _folder = Path.Combine(Data, "pg_wal");
        _archive = new(workspace.Layout.Archive(branch.FullName));
        SegmentSize = new DirectoryInfo(_folder).EnumerateFiles().FirstOrDefault(f => LogSegment.IsName(f.Name)) is { Length: > 0 } segment ? (ulong)segment.Length
            : throw new PgdException(ExitCode.Failed, $"there is no write-ahead log in {_folder}", "See what is wrong: dotnet pgd doctor");
        Control = ControlOf(Data, branch.FullName);
        Timelines = Timelines.Read(Control.Timeline, History);
    }

    /// <summary>The data directory that it belongs to.</summary>
    public string Data { get; }

    public ulong SegmentSize { get; }

    public Timelines Timelines { get; }

    /// <summary>What its control file says.</summary>
    public ControlData Control { get; }

    /// <summary>What was archived of it.</summary>
    public WalArchive Archive => _archive;

    /// <summary>The parts that its server still has.</summary>
    public IReadOnlySet<ulong> Live() => NumbersOf(new DirectoryInfo(_folder).EnumerateFiles().Select(f => f.Name).Where(LogSegment.IsName));

    /// <summary>The parts that files of these names are, on the line of timelines that leads to the present.</summary>
    public IReadOnlySet<ulong> NumbersOf(IEnumerable<string> names) =>
        names.Select(name => LogSegment.Parse(name, SegmentSize)).Where(s => Timelines.Of(s.Number, SegmentSize).Contains(s.Timeline)).Select(s => s.Number).ToHashSet();

    /// <summary>The name of a part.</summary>
    public string NameOf(ulong number) => Names(number).First();

    /// <summary>Whether a part of the log can be had.</summary>
    public bool Has(ulong number) => Names(number).Any(name => Libc.Exists(Path.Combine(_folder, name)) || _archive.Has(name));

    /// <summary>Copies a part of the log to a folder, and returns its file there; null if it cannot be had.</summary>
    public string? Fetch(ulong number, string into)
    {
        foreach (var name in Names(number))
        {
            var target = Path.Combine(into, name);
            if (File.Exists(target) || CopyLive(name, target) || _archive.Extract(name, target))
                return target;
        }

        return null;
    }

    /// <summary>The file of a part of the log in another data directory; null if that has none.</summary>
    public string? Own(ulong number, string data) => Names(number).Select(name => Path.Combine(data, "pg_wal", name)).FirstOrDefault(File.Exists);

    /// <summary>Copies the history of the timelines to a folder.</summary>
    public void FetchHistory(string into)
    {
        for (var timeline = 2u; timeline <= Timelines.Current; timeline++)
        {
            var name = Timelines.HistoryName(timeline);
            if (History(name) is { } history)
                File.WriteAllText(Path.Combine(into, name), history);
        }
    }

    /// <summary>Where it ends now, and the time of the last transaction since its server's last checkpoint; null if there was none.</summary>
    public (ulong End, DateTimeOffset? LastCommit) End()
    {
        // A checkpoint may move its beginning while this is read.
        for (var attempt = 0; ; attempt++)
        {
            if (WriteAheadLog.EndOf(Data, out var lastCommit) is { } end)
                return (end, lastCommit);
            if (attempt == 20)
                throw new PgdException(ExitCode.Failed, $"the write-ahead log in {_folder} cannot be read", "See what is wrong: dotnet pgd doctor");
            Thread.Sleep(10);
        }
    }

    private IEnumerable<string> Names(ulong number) => Timelines.Of(number, SegmentSize).Select(timeline => new LogSegment(timeline, number).Name(SegmentSize));

    private string? History(string name) => Libc.Exists(Path.Combine(_folder, name)) ? File.ReadAllText(Path.Combine(_folder, name)) : _archive.Read(name);

    private bool CopyLive(string name, string target)
    {
        var source = Path.Combine(_folder, name);
        try
        {
            var before = Libc.Status(source).Inode;
            _storage.CopyFile(source, target);
            // A server gives the file of a part that it no longer needs the name of a later part, and only then writes into it.
            if (Libc.Exists(source) && Libc.Status(source).Inode == before)
                return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException || (e as IOException)?.HResult == Libc.ENOENT)
        {
            // Recycled.
        }

        File.Delete(target);
        return false;
    }

    private static ControlData ControlOf(string data, BranchName name)
    {
        // It may be caught in the middle of a write.
        for (var attempt = 0; attempt < 100; attempt++)
        {
            if (ControlData.TryRead(data) is { } control)
                return control;
            Thread.Sleep(10);
        }

        throw new PgdException(ExitCode.Failed, $"the control file of {name} has a wrong checksum", $"Check it: pg_controldata {data}");
    }
}
