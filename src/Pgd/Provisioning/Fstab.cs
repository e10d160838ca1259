using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>The table of file systems that a boot mounts. All that is not ours stays in it as it is.</summary>
internal sealed class Fstab(string file = Fstab.Path)
{
    public const string Path = "/etc/fstab";

    private const UnixFileMode ForEverybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>The line that mounts something at a folder; null if there is none.</summary>
    public FstabLine? Find(string folder) => Lines().Select(FstabLine.Parse).LastOrDefault(line => line?.Folder == folder);

    public void Add(FstabLine line) => Write([.. Lines(), line.ToString()]);

    /// <summary>Takes away the line of ours for a folder.</summary>
    public void Remove(string folder) => Write([.. Lines().Where(line => FstabLine.Parse(line) is not { IsOurs: true } ours || ours.Folder != folder)]);

    private string[] Lines() => File.Exists(file) ? File.ReadAllText(file) is { Length: > 0 } text ? (text.EndsWith('\n') ? text[..^1] : text).Split('\n') : [] : [];

    // Beside and renamed over: a boot never meets half of it. Where it is a link, what that leads to is replaced.
    private void Write(IReadOnlyList<string> lines)
    {
        var real = File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file;
        HostSteps.Put(real, string.Concat(lines.Select(line => line + "\n")), File.Exists(real) ? Libc.Status(real).Mode : ForEverybody);
    }
}

/// <summary>
/// A line of fstab(5). Ours carries <see cref="Mark"/>: options that begin with <c>x-</c> are notes, which mount and systemd pass over. It is written before anything
/// is made, so that a later run knows what a killed one was about.
/// </summary>
/// <param name="Source">An image, or a device by its <c>UUID=</c>.</param>
/// <param name="Folder">Where it is mounted.</param>
/// <param name="Type">For example <c>btrfs</c>.</param>
/// <param name="Options">How.</param>
internal sealed record FstabLine(string Source, string Folder, string Type, IReadOnlyList<string> Options)
{
    /// <summary>Says that setup wrote the line.</summary>
    public const string Mark = "x-pgd.data";

    /// <summary>Says that setup made the folder as well.</summary>
    public const string FolderMark = "x-pgd.folder";

    private const string ById = "UUID=";

    public bool IsOurs => Options.Contains(Mark);

    public bool MadeFolder => Options.Contains(FolderMark);

    /// <summary>The id of the file system on a device; null for an image.</summary>
    public string? Id => Source.StartsWith(ById, StringComparison.Ordinal) ? Source[ById.Length..] : null;

    /// <summary>A sparse image through a loop device. What is deleted in it, its own file system gets back.</summary>
    public static FstabLine OfImage(string image, string folder, DataFileSystem type, bool madeFolder) =>
        Of(image, folder, type, ["loop", type == DataFileSystem.Btrfs ? "discard=async" : "discard"], madeFolder);

    /// <summary>A device, by the id of what is on it: its name may change with the next boot.</summary>
    public static FstabLine OfDevice(Guid id, string folder, DataFileSystem type, bool madeFolder) => Of($"{ById}{id}", folder, type, [], madeFolder);

    /// <summary>Reads a line; null for a comment and for what is none.</summary>
    public static FstabLine? Parse(string text) => text.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is [[not '#', ..] source, var folder, var type, var options, ..]
        ? new(MountTable.Unescape(source), MountTable.Unescape(folder) is { Length: > 1 } named ? named.TrimEnd('/') : folder, type, options.Split(',')) : null;

    public override string ToString() => $"{Source} {Folder} {Type} {string.Join(',', Options)} 0 0";

    // A boot goes on without it, and the folder below stays root's: there no server starts.
    private static FstabLine Of(string source, string folder, DataFileSystem type, IEnumerable<string> options, bool madeFolder) =>
        new(source, folder, type.Name(), [.. options, "noatime", "nosuid", "nodev", "nofail", Mark, .. (string[])(madeFolder ? [FolderMark] : [])]);
}
