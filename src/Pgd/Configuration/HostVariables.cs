namespace Pgd.Configuration;

/// <summary>The host's part of the configuration as the environment says it: <c>PGD_*</c>.</summary>
internal static class HostVariables
{
    private const string Prefix = "PGD_";

    // PGD_DEBUG is read by the tool.
    private static readonly string[] Known =
    [
        "PGD_ROOT", "PGD_STORAGE", "PGD_RUNTIME", "PGD_NETWORK", "PGD_PORT_RANGE", "PGD_DEFAULT_TTL", "PGD_HOST", "PGD_HOST_NAME", "PGD_TLS", "PGD_BRANCH_MEMORY", "PGD_MAX_BRANCHES", "PGD_MAX_PREVIEWS", "PGD_MIN_FREE_DISK", "PGD_MIN_FREE_MEMORY", "PGD_STOP_IDLE", "PGD_WAIT_LOCK",
        "PGD_POSTGRES_BINARIES", "PGD_POSTGRES_USER", "PGD_ZFS_POOL", "PGD_DEBUG",
    ];

    public static HostConfiguration From(IReadOnlyDictionary<string, string> environment)
    {
        RefuseMistyped(environment.Keys);
        return new()
        {
            Root = Get("PGD_ROOT") is { } root ? Path.GetFullPath(root) : null,
            Storage = OneOf("PGD_STORAGE", HostFile.Storages),
            Runtime = OneOf("PGD_RUNTIME", HostFile.Runtimes),
            Network = OneOf("PGD_NETWORK", HostFile.Networks),
            PortRange = Read("PGD_PORT_RANGE", PortRange.Parse),
            DefaultTimeToLive = Read("PGD_DEFAULT_TTL", Duration.Parse),
            Host = Get("PGD_HOST"),
            HostName = Get("PGD_HOST_NAME") is { } machine ? Named("PGD_HOST_NAME", () => MachineName.Parse(machine)) : null,
            Tls = OneOf("PGD_TLS", ["true", "false"]) is { } tls ? tls == "true" : null,
            BranchMemory = Read("PGD_BRANCH_MEMORY", MemorySize.ParseForBranch),
            MaximumBranches = Read("PGD_MAX_BRANCHES", AtLeastOne),
            MaximumPreviews = Read("PGD_MAX_PREVIEWS", AtLeastOne),
            MinimumFreeDisk = Read("PGD_MIN_FREE_DISK", MemorySize.Parse),
            MinimumFreeMemory = Read("PGD_MIN_FREE_MEMORY", MemorySize.Parse),
            StopIdle = Read("PGD_STOP_IDLE", Duration.Parse),
            WaitForLock = Read("PGD_WAIT_LOCK", Duration.Parse),
            PostgresBinaries = Get("PGD_POSTGRES_BINARIES")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [],
            PostgresUser = Get("PGD_POSTGRES_USER"),
            Zfs = Get("PGD_ZFS_POOL") is { } pool ? new() { Pool = pool } : null,
        };

        // An empty variable is how CI systems write "not set".
        string? Get(string name) => environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

        string? OneOf(string name, string[] values) =>
            Get(name) is not { } value || values.Contains(value)
                ? Get(name)
                : throw new PgdException(ExitCode.Misuse, $"{name} cannot be \"{value}\"", $"It is one of {string.Join(", ", values)}.");

        T? Read<T>(string name, Func<string, T> read)
            where T : struct => Get(name) is { } value ? Named(name, () => read(value)) : null;

        static T Named<T>(string name, Func<T> read)
        {
            try
            {
                return read();
            }
            catch (PgdException e)
            {
                throw new PgdException(e.ExitCode, $"{name}: {e.Message}", e.Hint, e);
            }
        }
    }

    private static int AtLeastOne(string text) =>
        int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) && number >= 1
            ? number
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of branches", "Write a whole number from 1 on, or leave it out for no limit.");

    // Other programs may own variables of our prefix (a Kubernetes service called "pgd" makes PGD_PORT), so only what looks like
    // a slip of the finger is an error; the rest is not ours.
    private static void RefuseMistyped(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || name.StartsWith("PGD_INPUT_", StringComparison.Ordinal) || Known.Contains(name))
                continue;
            var slips = name.Length <= 10 ? 1 : 2;
            if (Array.Find(Known, known => Spelling.Distance(name, known) <= slips) is { } meant)
                throw new PgdException(ExitCode.Misuse, $"unknown environment variable {name}", $"Did you mean {meant}?");
        }
    }
}
