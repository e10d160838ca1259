namespace Pgd.Libpq;

/// <summary>What libpq looks at beside the connection string: variables, the home folder and the account's name.</summary>
public sealed record LibpqEnvironment
{
    /// <summary>That of this process.</summary>
    public static LibpqEnvironment Current { get; } = new()
    {
        Variable = Environment.GetEnvironmentVariable,
        Home = Environment.GetEnvironmentVariable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
        UserName = Environment.UserName,
    };

    /// <summary>Nothing but the text itself: for strings of our own making.</summary>
    public static LibpqEnvironment None { get; } = new() { Variable = _ => null, Home = null, UserName = "postgres", SystemFolders = [] };

    /// <summary>Reads a variable; null when it is not set.</summary>
    public required Func<string, string?> Variable { get; init; }

    /// <summary>Where <c>.pgpass</c> and <c>.pg_service.conf</c> are; null for nowhere.</summary>
    public required string? Home { get; init; }

    /// <summary>The role and database of a connection that names neither.</summary>
    public required string UserName { get; init; }

    /// <summary>Where a system-wide <c>pg_service.conf</c> may be when <c>PGSYSCONFDIR</c> does not say: the folder is compiled into libpq, these are Debian's and Red Hat's.</summary>
    public IReadOnlyList<string> SystemFolders { get; init; } = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

    /// <summary>Where servers put their socket: compiled into libpq as well.</summary>
    public string SocketFolder { get; init; } = Directory.Exists("/var/run/postgresql") ? "/var/run/postgresql" : "/tmp";

    internal string? ServiceFile => OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "postgresql", ".pg_service.conf")
        : Home is null ? null : Path.Combine(Home, ".pg_service.conf");

    internal string? PasswordFile => OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "postgresql", "pgpass.conf")
        : Home is null ? null : Path.Combine(Home, ".pgpass");
}
