using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Pgd.Queries;

/// <summary>MariaDB's and MySQL's own client programs, which are told where to connect, and the password without showing it.</summary>
internal sealed class MariaDbClient(MariaDbSource source) : IDisposable
{
    private readonly string? _credentials = source.Password is { } password ? WriteCredentials(password) : null;

    /// <summary>The first of some programs that is installed.</summary>
    /// <exception cref="PgdException">None is (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static string Find(string name, string otherName) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':').SelectMany(folder => new[] { Path.Combine(folder, name), Path.Combine(folder, otherName) }).FirstOrDefault(File.Exists)
            ?? throw new PgdException(ExitCode.MachineLacks, $"the client program {name} (or {otherName}) is not installed", "Install it: sudo apt-get install mariadb-client");

    /// <summary>A program, with what it is told.</summary>
    public ProcessStartInfo Start(string program, IEnumerable<string> arguments)
    {
        var info = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false), StandardOutputEncoding = new UTF8Encoding(false), StandardErrorEncoding = new UTF8Encoding(false),
        };
        // The user's own files would come later, and their password before ours.
        if (_credentials is not null)
            info.ArgumentList.Add($"--defaults-file={_credentials}");
        foreach (var argument in (IEnumerable<string>)[.. source.Socket is { } socket ? new[] { $"--socket={socket}" } : [$"--host={source.Host}", string.Create(CultureInfo.InvariantCulture, $"--port={source.Port}")], $"--user={source.User}", "--default-character-set=utf8mb4", .. arguments])
            info.ArgumentList.Add(argument);
        return info;
    }

    public void Dispose()
    {
        if (_credentials is not null)
            File.Delete(_credentials);
    }

    // Readable by its owner from the beginning; a command line or a variable is seen by others.
    private static string WriteCredentials(string password)
    {
        var file = Path.Combine(Path.GetTempPath(), $"pgd-{Path.GetRandomFileName()}.cnf");
        using var stream = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        stream.Write(Encoding.UTF8.GetBytes($"[client]\npassword=\"{password.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"\n"));
        return file;
    }
}
