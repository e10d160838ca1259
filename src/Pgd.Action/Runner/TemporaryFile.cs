using System.Text;

namespace Pgd.Action.Runner;

/// <summary>A file for later steps of the job, readable by its owner alone.</summary>
internal static class TemporaryFile
{
    public static async Task<string> WriteAsync(string folder, string name, string content, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, name);
        // Made anew: an existing file would keep its mode, and a link would be followed.
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using var file = new FileStream(path, options);
        await file.WriteAsync(Encoding.UTF8.GetBytes(content), cancellationToken);
        return path;
    }
}
