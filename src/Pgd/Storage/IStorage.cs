namespace Pgd.Storage;

/// <summary>
/// Where the files of branches live, and how they are cloned. A storage knows volumes by their marks only, and touches nothing
/// that does not carry the mark for that very volume.
/// </summary>
internal interface IStorage
{
    /// <summary>The name that configuration and records use.</summary>
    string Name { get; }

    /// <summary>Whether a clone shows all files at one instant, so that a running source needs no backup bracket.</summary>
    bool IsAtomic { get; }

    /// <summary>Whether a server that copies its own files by <c>copy_file_range</c> can get shared extents; whether it did is another question.</summary>
    bool SharesCopies => true;

    /// <summary>The bytes that copies of files save in all; null where that is asked of the files themselves.</summary>
    long? SavedByCopies() => null;

    /// <summary>Why this storage cannot be used on this root; null if it can.</summary>
    string? Unavailable();

    /// <summary>The links inside a source's data directory that a clone follows: what they lead to is cloned with it. All others are refused.</summary>
    bool Follows(string link) => false;

    /// <summary>Makes an empty volume.</summary>
    /// <exception cref="PgdException">Something that is not ours has its place (<see cref="ExitCode.Exists"/>).</exception>
    Volume Create(VolumeKey key);

    /// <summary>
    /// Clones a volume's data. For a running source on a storage that is not atomic, <paramref name="running"/> says that files may
    /// change and vanish meanwhile and that the write-ahead log is left to the caller.
    /// </summary>
    Task<Volume> CloneAsync(Volume source, VolumeKey key, bool running, IReporter reporter, CancellationToken cancellationToken);

    /// <summary>Makes a volume's files reachable, where that is not for ever: after a start of the machine.</summary>
    void Attach(Volume volume)
    {
    }

    /// <summary>Copies one file between volumes, as cheaply as the storage can. The target is replaced.</summary>
    void CopyFile(string source, string target);

    /// <summary>
    /// Gives a volume another place, while no server runs on it. Where only a copy can be there, it is at the old place as well until it is deleted from that. May be
    /// repeated after it was killed.
    /// </summary>
    /// <exception cref="PgdException">Something else has that place (<see cref="ExitCode.Exists"/>).</exception>
    Task<Volume> MoveAsync(VolumeKey from, VolumeKey to, IReporter reporter, CancellationToken cancellationToken);

    /// <summary>Takes that back, however far it came; if it never began, nothing happens.</summary>
    void MoveBack(VolumeKey from, VolumeKey to);

    /// <summary>Destroys a volume; one that is not there is fine.</summary>
    void Delete(VolumeKey key);

    /// <summary>The volume of that key; null if there is none with its mark.</summary>
    Volume? Find(VolumeKey key);

    /// <summary>Every volume that carries our mark.</summary>
    IReadOnlyList<Volume> List();

    /// <summary>What the volumes of a project take, where that can be asked.</summary>
    IReadOnlyDictionary<(string Branch, int Generation), BranchSpace> Space(string project) => new Dictionary<(string, int), BranchSpace>();

    /// <summary>The volumes of one branch: its generations, and those of a former branch of that name.</summary>
    IReadOnlyList<Volume> List(BranchName branch);
}

/// <summary>Which generation of which branch a volume belongs to, or which snapshot of it.</summary>
/// <param name="Project">The project.</param>
/// <param name="Branch">The branch.</param>
/// <param name="BranchId">The branch's identity; a snapshot has one of its own.</param>
/// <param name="Generation">The generation; a snapshot's is the one that it was taken from.</param>
internal sealed record VolumeKey(string Project, string Branch, string BranchId, int Generation)
{
    /// <summary>Whether it is a snapshot: no server ever runs on it.</summary>
    public bool IsSnapshot { get; init; }

    /// <summary>What tells it from the branch's other volumes, as the name of a folder or a dataset.</summary>
    public string Leaf => IsSnapshot ? $"s{BranchId}" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"g{Generation}");

    public override string ToString() => IsSnapshot ? $"{Project}/{Branch}@{BranchId}" : $"{Project}/{Branch} generation {Generation}";
}

/// <summary>A volume: a folder of ours, and the server's data folder in it or elsewhere.</summary>
internal sealed record Volume(VolumeKey Key, string Directory)
{
    /// <summary>PostgreSQL's data directory.</summary>
    public string Data { get; init; } = Path.Combine(Directory, "data");

    /// <summary>Whether the data is not ours: a cluster that was there before, which we only ever read.</summary>
    public bool IsAdopted { get; init; }

    /// <summary>The datasets that hold its files, and where each is mounted; none where the folder itself holds them.</summary>
    public IReadOnlyList<DatasetMount> Mounts { get; init; } = [];

    /// <summary>The snapshots of its source that it was made from. They go with it.</summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    public string Log => Path.Combine(Directory, "server.log");

    public string HostBasedAuthentication => Path.Combine(Directory, "pg_hba.conf");

    public string UserNameMap => Path.Combine(Directory, "pg_ident.conf");

    /// <summary>The server's certificate and its key. In one file, so that whatever happens they belong together.</summary>
    public string Certificate => Path.Combine(Directory, "server.pem");

    /// <summary>What its server hands its write-ahead log over by, where it does.</summary>
    public string Archiver => Path.Combine(Directory, "archive.sh");

    /// <summary>The write-ahead log that leads a recovery to its target; there for the first start alone.</summary>
    public string RecoveryLog => Path.Combine(Directory, "wal");

    /// <summary>Where a server that is watched tells its statements, while it is.</summary>
    public string Trace => Path.Combine(Directory, "trace");

    /// <summary>A file by which a standby's server is let in where it streams from: the password, a certificate, …</summary>
    public string OfPrimary(string what) => Path.Combine(Directory, PrimaryPrefix + what);

    /// <summary>How the names of those files begin.</summary>
    public const string PrimaryPrefix = "primary.";

    /// <summary>Every folder that its server has to see.</summary>
    public IEnumerable<string> Folders => Mounts.Select(m => m.Folder).Prepend(Directory);

    /// <inheritdoc/>
    public bool Equals(Volume? other) => other is not null && Key == other.Key && Directory == other.Directory && Data == other.Data;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Key, Directory, Data);
}

/// <summary>Where a dataset is mounted.</summary>
internal sealed record DatasetMount(string Dataset, string Folder);
