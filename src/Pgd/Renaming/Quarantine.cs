using Pgd.Configuration;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Renaming;

/// <summary>
/// What a branch is kept from, lifted one by one when it becomes a project's first. What would touch others is written off in the data's own configuration before its server starts without the
/// quarantine: the source's archive, its standbys and its jobs are not the new project's. The rest is as the configuration says.
/// </summary>
internal sealed class Quarantine(int major, CancellationToken cancellationToken)
{
    // What each does, as one reads it. Whatever the files say of these stays off.
    private static readonly Dictionary<string, string> Outward = new()
    {
        ["archive_mode"] = "archiving: the archive is its source's",
        ["archive_command"] = "archiving: the archive is its source's",
        ["archive_library"] = "archiving: the archive is its source's",
        ["restore_command"] = "reading its source's archive",
        ["archive_cleanup_command"] = "removing from its source's archive",
        ["recovery_end_command"] = "what its source does when it was recovered",
        ["primary_conninfo"] = "following its source's primary",
        ["primary_slot_name"] = "following its source's primary",
        ["synchronous_standby_names"] = "waiting for its source's standbys, without which no commit would end",
        ["sync_replication_slots"] = "copying slots of its source's primary",
        ["ssl"] = "TLS with its source's certificate",
        ["huge_pages"] = "memory that was set aside on its source's machine",
    };

    private readonly Dictionary<string, string> _settings = ServerSettings.Quarantine(major);
    private readonly List<QuarantineItem> _items = [];
    private readonly HashSet<string> _off = new(StringComparer.Ordinal);
    private Dictionary<string, string> _held = [];

    /// <summary>What was lifted and what not.</summary>
    public IReadOnlyList<QuarantineItem> Items => _items;

    /// <summary>Writes off what would touch others, while the server still runs as a branch's. It says itself what its files say, so that nothing is overlooked that it would see.</summary>
    public void WriteOff(BranchServer server, AdminConnection connection)
    {
        AutoConfiguration.Keep(server);
        _held = Current(connection);
        var files = connection.Query("select distinct on (name) name, setting, regexp_replace(sourcefile, '^.*/', '') from pg_file_settings where name is not null order by name, seqno desc", cancellationToken)
            .ToDictionary(row => row[0]!, row => (Value: row[1] ?? "", File: row[2]), StringComparer.OrdinalIgnoreCase);
        foreach (var (setting, what) in Outward)
        {
            // The value itself is not told: commands and connections have passwords in them.
            if (_settings.TryGetValue(setting, out var off) && files.TryGetValue(setting, out var said) && IsSaid(setting, said.Value))
                Write(setting, off, $"{what}. {said.File} says otherwise");
        }

        foreach (var library in (connection.Scalar("show shared_preload_libraries", cancellationToken) ?? "").Split(',').Select(l => Path.GetFileNameWithoutExtension(l.Trim(' ', '"'))))
        {
            if (Severed.Jobs.TryGetValue(library, out var jobs))
                Write(jobs.Setting, _settings[jobs.Setting], $"{jobs.Name}: its source does them");
        }

        // A first branch's server has no limit of ours, and may not even start with what a larger machine had.
        foreach (var (setting, most) in ServerSettings.Buffers(ServerConfiguration.Read(server.RequireVolume().Data), MemorySize.OfMachine()))
            Write(setting, most, "a quarter of this machine's memory, which its source's is larger than");
        Fault.Here("promote:written");

        void Write(string setting, string off, string what)
        {
            connection.Execute($"alter system set {setting} = {AdminConnection.QuoteLiteral(off)}", cancellationToken);
            _off.Add(setting);
            _items.Add(new(setting, Lifted: false, $"stays {(off.Length == 0 ? "empty" : off)} in postgresql.auto.conf; {what}"));
        }
    }

    /// <summary>Makes sure of that, of the server that has just started as a first branch's, and tells what it does now that it did not.</summary>
    /// <exception cref="PgdException">Something would touch others nevertheless (<see cref="ExitCode.Unsafe"/>).</exception>
    public void Lift(BranchName name, AdminConnection connection)
    {
        var present = Current(connection);
        foreach (var setting in Outward.Keys.Where(s => s != "ssl" && present.TryGetValue(s, out var value) && IsSaid(s, value)))
            throw new PgdException(ExitCode.Unsafe, $"{setting} of {name} is not what was written into postgresql.auto.conf, so it might touch what its source touches", $"Look at it: select * from pg_file_settings where name = '{setting}'");
        foreach (var (setting, value) in present)
        {
            if (!_off.Contains(setting) && _held.TryGetValue(setting, out var held) && held != value)
                _items.Add(new(setting, Lifted: true, $"{Shown(held)} → {Shown(value)}"));
        }
    }

    /// <summary>What no setting keeps it from.</summary>
    /// <param name="severed">What was cut when the branch was made.</param>
    /// <param name="catalogs">What there is in the data, as it was for the branch.</param>
    /// <param name="memory">What its container might use; null without one.</param>
    public void TellOfRest(IReadOnlyList<string> severed, IEnumerable<Finding> catalogs, long? memory)
    {
        if (memory is { } bytes)
            _items.Add(new("memory of its container", Lifted: true, $"{bytes >> 20} MB → without a limit"));
        foreach (var gone in severed.Where(s => s.Contains("slot", StringComparison.Ordinal) || s.Contains("subscription", StringComparison.Ordinal) || s == "replication from its primary"))
            _items.Add(new(gone, Lifted: false, "cut when the branch was made, and stays so"));
        foreach (var finding in catalogs.Where(f => f.Check is "foreign servers" || (f.Check == "jobs" && f.Severity == Severity.Warning)))
            _items.Add(new(finding.Check, Lifted: false, $"as in the branch: {finding.Text}"));
    }

    // "try" is huge_pages' own default, and does no harm; an empty text is nothing.
    private static bool IsSaid(string setting, string value) => value.ToLowerInvariant() is not ("" or "off" or "false" or "no" or "0") && !(setting == "huge_pages" && value is "try") && value != "(disabled)";

    private Dictionary<string, string> Current(AdminConnection connection) =>
        connection.Query($"select name::text, current_setting(name) from pg_settings where name in ('shared_buffers', {string.Join(", ", _settings.Keys.Select(AdminConnection.QuoteLiteral))}) order by 1", cancellationToken)
            .ToDictionary(row => row[0]!, row => row[1]!);

    private static string Shown(string value) => value.Length == 0 ? "''" : value;
}
