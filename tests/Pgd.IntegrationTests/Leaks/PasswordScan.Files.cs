using Pgd.Linux;

namespace Pgd.IntegrationTests;

internal static partial class PasswordScan
{
    /// <summary>Looks through a root: records, marks, logs of servers, rules, the audit log; but not through the data, where only verifiers are.</summary>
    /// <exception cref="InvalidOperationException">A file holds one.</exception>
    public static void RefuseIn(string root)
    {
        if (!Directory.Exists(root))
            return;
        foreach (var file in FilesOf(root))
        {
            try
            {
                // Not .NET's own call: it takes a lock, and some of these files are locks that are held.
                using var reader = new StreamReader(new FileStream(Libc.OpenForReading(file), FileAccess.Read));
                Refuse(file, reader.ReadToEnd());
            }
            catch (IOException e) when (e.HResult is Libc.ENOENT or Libc.ENOTDIR)
            {
                // A server that is being ended removes its own.
            }
        }
    }

    /// <summary>The files of a root that are not PostgreSQL's data.</summary>
    public static IEnumerable<string> FilesOf(string root) => new System.IO.Enumeration.FileSystemEnumerable<string>(root, static (ref entry) => entry.ToFullPath(),
        new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true })
    {
        ShouldIncludePredicate = static (ref entry) => !entry.IsDirectory && !entry.FileName.StartsWith(".s.PGSQL", StringComparison.Ordinal) && !entry.FileName.SequenceEqual("host.key"),
        ShouldRecursePredicate = static (ref entry) => !File.Exists(Path.Combine(entry.ToFullPath(), "PG_VERSION")),
    };
}
