using System.Globalization;
using Pgd.State;

namespace Pgd.Docker;

/// <summary>What an image has for us: which PostgreSQL, for which C library, the account that it gives to a server, and the folder of its libraries.</summary>
internal sealed record ImageContents(int Major, string Libc, uint UserId, uint GroupId, string? Libraries)
{
    private const string MakerLabel = "pgd.maker";

    // The image's own shell and programs answer: what an image says of itself (variables, labels) need not be so.
    private static readonly string Questions =
        $$"""
        postgres --version || exit 3
        id -u postgres && id -g postgres || exit 4
        if ls /lib/ld-musl-* >/dev/null 2>&1; then echo musl; else echo glibc; fi
        cd "$(dirname "$(readlink -f "$(command -v postgres)")")"
        for folder in {{string.Join(' ', Postgres.PreloadLibrary.FoldersFromPrograms)}}; do
            if [ -e "$folder/plpgsql.so" ]; then cd "$folder"; pwd -P; exit; fi
        done
        echo unknown
        """;

    /// <summary>Asks the image, in a container without network that is gone afterwards.</summary>
    /// <exception cref="PgdException">There is no PostgreSQL in it (<see cref="ExitCode.Misuse"/>).</exception>
    public static async Task<ImageContents> ReadAsync(DockerEngine engine, DockerImage image, string reference, Layout layout, CancellationToken cancellationToken)
    {
        var name = $"pgd-look-{Guid.NewGuid():N}";
        engine.Create(new()
        {
            Name = name,
            Image = image.Id,
            ImageName = reference,
            Command = ["/bin/sh", "-c", Questions],
            User = "0:0",
            Labels = new Dictionary<string, string> { ["pgd.root"] = layout.Root, [MakerLabel] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture) },
            Network = "none",
        });
        try
        {
            Linux.Fault.Here("image:container");
            engine.Start(name);
            var status = await engine.WaitAsync(name, cancellationToken).ConfigureAwait(false);
            var lines = engine.Logs(name, 20).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return status switch
            {
                0 when lines is [.., var version, var user, var group, var libc, var libraries] && MajorOf(version) is { } major =>
                    new(major, libc, uint.Parse(user, CultureInfo.InvariantCulture), uint.Parse(group, CultureInfo.InvariantCulture), libraries[0] == '/' ? libraries : null),
                4 => throw new PgdException(ExitCode.Misuse, $"the image {reference} has no account postgres", "Choose an image in which PostgreSQL is installed as usual, for example --image postgres:17-alpine."),
                _ => throw new PgdException(ExitCode.Misuse, $"the image {reference} has no PostgreSQL server: {string.Join(' ', lines)}", "Choose one that has, for example --image postgres:17-alpine."),
            };
        }
        finally
        {
            engine.Remove(name);
        }
    }

    /// <summary>Whether a container was made to look into an image by a process that is gone.</summary>
    public static bool IsAbandoned(ContainerSummary container) => container.Labels.TryGetValue(MakerLabel, out var maker) && !Directory.Exists($"/proc/{maker}");

    // postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)
    private static int? MajorOf(string version)
    {
        const string before = "(PostgreSQL) ";
        var at = version.IndexOf(before, StringComparison.Ordinal);
        if (at < 0)
            return null;
        var number = version[(at + before.Length)..];
        return int.TryParse(number.AsSpan(0, number.TakeWhile(char.IsAsciiDigit).Count()), NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
    }
}
