using System.Globalization;
using System.Runtime.InteropServices;
using Pgd.State;
using Xunit;

namespace Pgd.Tests.State;

/// <summary>Locks on what operations change.</summary>
public sealed class LocksOfOperations : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("pgd-locks-");

    /// <inheritdoc/>
    public void Dispose() => _root.Delete(recursive: true);

    /// <summary>Between fork and exec a program that another thread starts has all descriptors of this process.</summary>
    [Fact]
    public void What_was_unlocked_is_free_even_if_a_program_that_is_being_started_still_has_the_descriptor()
    {
        var layout = new Layout(_root.FullName);
        var locks = new OperatingSystemLocks(layout, TimeSpan.Zero, SilentReporter.Instance);
        layout.Ensure();
        Directory.CreateDirectory(Path.GetDirectoryName(layout.ProjectFile("shop"))!);
        File.WriteAllText(layout.ProjectFile("shop"), "");
        var request = LockRequest.Project("shop", exclusive: true);
        var held = locks.TryAcquire(request);
        Assert.Null(locks.TryAcquire(request));
        var descriptor = Directory.EnumerateFileSystemEntries("/proc/self/fd").First(file => new FileInfo(file).LinkTarget?.StartsWith(layout.Locks, StringComparison.Ordinal) == true);
        var copy = Duplicate(int.Parse(Path.GetFileName(descriptor), CultureInfo.InvariantCulture));
        try
        {
            held!.Dispose();

            using var again = locks.TryAcquire(request);
            Assert.NotNull(again);
        }
        finally
        {
            _ = Close(copy);
        }
    }

    [DllImport("libc", EntryPoint = "dup")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Duplicate(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);
}
