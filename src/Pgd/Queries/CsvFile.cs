using System.Text;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Queries;

/// <summary>A file that is there whole or not at all: written beside, and renamed at the end.</summary>
public static class CsvFile
{
    /// <summary>Writes it. What was there under its name stays until the new one is complete, and for good if it fails.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="PgdException">It cannot be written (<see cref="ExitCode.Failed"/>), it is no ordinary file (<see cref="ExitCode.Misuse"/>), or the disk is full (<see cref="ExitCode.NoRoom"/>).</exception>
    public static async Task<T> WriteAsync<T>(string path, Func<TextWriter, Task<T>> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(write);
        path = Path.GetFullPath(path);
        // A link stays one: what it leads to is replaced.
        if (new FileInfo(path).LinkTarget is not null && File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target)
            path = target.FullName;
        // Renaming over a device would replace it.
        if (Path.Exists(path) && (OperatingSystem.IsWindows() ? Directory.Exists(path) : !Libc.Status(path).IsRegular))
            throw new PgdException(ExitCode.Misuse, $"{path} is no ordinary file", "Name a file that does not exist yet, or - for standard output.");
        var beside = $"{path}.{Environment.ProcessId}.partial";
        try
        {
            T result;
            await using (var stream = new FileStream(beside, FileMode.Create, FileAccess.Write, FileShare.Read))
            {
                var writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16) { NewLine = "\n" };
                result = await write(writer).ConfigureAwait(false);
                await writer.FlushAsync().ConfigureAwait(false);
                stream.Flush(flushToDisk: true);
            }

            File.Move(beside, path, overwrite: true);
            return result;
        }
        catch (IOException e) when (DiskFull.Is(e))
        {
            throw new PgdException(ExitCode.NoRoom, $"no space is left for {path}", "Nothing of it was kept. Write it to another file system.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.Failed, $"{path} cannot be written: {e.Message}", inner: e);
        }
        finally
        {
            // Gone already when it was renamed.
            Remove(beside);
        }
    }

    private static void Remove(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What failed before is what matters.
        }
    }
}
