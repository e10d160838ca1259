using System.Runtime.InteropServices;

namespace Pgd.Linux;

/// <summary>
/// The folders and symbolic links of a tree, by what the folders themselves tell. .NET's enumeration asks each file for its attributes to find a link among them, and a database has
/// some thousands of files.
/// </summary>
internal static partial class FolderListing
{
    // struct dirent: ino_t d_ino; off_t d_off; unsigned short d_reclen; unsigned char d_type; char d_name[]. The same in glibc and musl on 64 bits.
    private const int TypeOffset = 18, NameOffset = 19;
    private const byte DT_UNKNOWN = 0, DT_DIR = 4, DT_LNK = 10;

    /// <summary>All folders and links below one, and never below a link.</summary>
    /// <param name="folder">Where to begin.</param>
    /// <param name="changing">Whether a folder may vanish meanwhile, which leaves it out.</param>
    public static IEnumerable<FolderEntry> FoldersAndLinks(string folder, bool changing)
    {
        var left = new Stack<string>([folder]);
        while (left.TryPop(out var current))
        {
            foreach (var entry in Read(current, mayVanish: changing && current != folder))
            {
                if (!entry.IsLink)
                    left.Push(entry.Path);
                yield return entry;
            }
        }
    }

    private static unsafe List<FolderEntry> Read(string folder, bool mayVanish)
    {
        var entries = new List<FolderEntry>();
        var stream = OpenDir(folder);
        if (stream == 0)
            return mayVanish && Marshal.GetLastPInvokeError() == Libc.ENOENT ? entries : throw Libc.LastError(folder);
        try
        {
            while (true)
            {
                var entry = ReadDir(stream);
                if (entry is null)
                    return Marshal.GetLastPInvokeError() == 0 ? entries : throw Libc.LastError(folder);
                var type = entry[TypeOffset];
                if (type is not (DT_UNKNOWN or DT_DIR or DT_LNK))
                    continue;
                var name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + NameOffset);
                if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
                    continue;
                var path = Path.Combine(folder, System.Text.Encoding.UTF8.GetString(name));
                if (type != DT_UNKNOWN)
                    entries.Add(new(path, type == DT_LNK));
                else if (File.GetAttributes(path) is var attributes && (attributes & (FileAttributes.Directory | FileAttributes.ReparsePoint)) != 0)
                    entries.Add(new(path, attributes.HasFlag(FileAttributes.ReparsePoint)));
            }
        }
        finally
        {
            _ = CloseDir(stream);
        }
    }

    [LibraryImport("libc", EntryPoint = "opendir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenDir(string path);

    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    private static unsafe partial byte* ReadDir(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir")]
    private static partial int CloseDir(nint stream);
}

/// <summary>A folder or a symbolic link.</summary>
/// <param name="Path">Its path.</param>
/// <param name="IsLink">Whether it is a link; where it leads is not looked at.</param>
internal readonly record struct FolderEntry(string Path, bool IsLink);
