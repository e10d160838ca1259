using System.Text.RegularExpressions;
using Pgd.Configuration;
using Pgd.Linux;
using Pgd.Provisioning;
using Pgd.State;

namespace Pgd;

/// <summary>
/// Arranges a machine, as root and once, so that one user makes branches without being root: a root of his own, on ZFS where there is a pool,
/// with exactly the rights that this needs. Every step looks first, so a second run changes nothing.
/// </summary>
public sealed partial class Setup
{
    private const string NoSchedule = "never";
    private readonly HostConfiguration _configuration;
    private readonly IReporter _reporter;
    private readonly HostSteps _host;

    /// <summary>Prepares to set up the root that the configuration names.</summary>
    public Setup(HostConfiguration configuration, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        _configuration = configuration;
        _reporter = reporter;
        _host = new(Path.GetFullPath(configuration.Root ?? throw new PgdException(ExitCode.Misuse, "the configuration names no root")));
    }

    /// <summary>Does what is not done yet, or with <see cref="SetupRequest.DryRun"/> only says it.</summary>
    /// <exception cref="PgdException">
    /// We are not root, or there is no such user or pool (<see cref="ExitCode.MachineLacks"/>); the root, the dataset or a folder above belongs to somebody
    /// else (<see cref="ExitCode.Unsafe"/>); a step failed after others were done (<see cref="ExitCode.Partial"/>).
    /// </exception>
    public async Task<SetupReport> RunAsync(SetupRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        RequireRoot();
        var mark = SetupMark.Read(_host.Root);
        var account = UserOf(request, mark);
        CheckRoot(mark, account);
        var notes = new List<string>();
        var schedule = await ScheduleAsync(request.Schedule, cancellationToken).ConfigureAwait(false);
        var pool = await PoolAsync(request, notes, cancellationToken).ConfigureAwait(false);
        var plan = new SetupMark
        {
            User = account.Name,
            Base = pool is null ? null : $"{pool}/pgd",
            PoolFile = request.PoolFile ?? mark?.PoolFile,
            // Without systemd there is nothing to keep: the line of a crontab is for somebody to install.
            Schedule = !HostSteps.HasSystemd ? mark?.Schedule : schedule == NoSchedule ? null : schedule ?? mark?.Schedule,
            Made = mark?.Made ?? [],
        };
        if (mark?.Base is { } other && other != plan.Base)
            throw new PgdException(ExitCode.Unsafe, $"the root {_host.Root} has its volumes in {other}", pool is null ? $"Import the pool: zpool import {other.Split('/')[0]}" : $"Leave out --pool, or choose another root with --root.");

        IReadOnlyList<Step> steps = await _host.StepsAsync(plan, account, request, _configuration, notes, cancellationToken).ConfigureAwait(false);
        var done = await DoAsync(steps, plan, request.DryRun, cancellationToken).ConfigureAwait(false);
        if (done.Any(step => step.Subject == $"user {account.Name}" && step.Outcome != SetupOutcome.Unchanged))
            notes.Add($"a session of {account.Name} that began before knows nothing of new groups: log in again, or restart the runner's service");
        if (done.Any(step => step.Outcome == SetupOutcome.Done))
            notes.Add($"check it as {account.Name}: dotnet pgd doctor");
        return new(_host.Root, account.Name, pool, request.DryRun, done, notes);
    }

    /// <summary>Removes what setup made, and only that. Branches are never among it.</summary>
    /// <exception cref="PgdException">There are projects, or data of branches (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task<SetupReport> UndoAsync(bool dryRun, CancellationToken cancellationToken)
    {
        RequireRoot();
        var notes = new List<string>();
        if (SetupMark.Read(_host.Root) is not { } mark)
            return new(_host.Root, null, null, dryRun, [], [$"setup has not been run on {_host.Root}: there is nothing to remove"]);
        await RefuseWithBranchesAsync(mark, cancellationToken).ConfigureAwait(false);
        var steps = _host.UndoSteps(mark, notes);
        return new(_host.Root, mark.User, mark.Base?.Split('/')[0], dryRun, await DoAsync(steps, null, dryRun, cancellationToken).ConfigureAwait(false), notes);
    }

    private Task<IReadOnlyList<SetupStep>> DoAsync(IReadOnlyList<Step> steps, SetupMark? plan, bool dryRun, CancellationToken cancellationToken) => Steps.DoAsync(steps, dryRun, _reporter, step =>
    {
        plan = plan is null ? null : plan with { Made = [.. plan.Made.Append(step.Key).Distinct()] };
        plan?.Write(_host.MakeRoot());
    }, cancellationToken);

    private static void RequireRoot()
    {
        Workspace.RequireLinux();
        if (Libc.EffectiveUserId() != 0)
            throw new PgdException(ExitCode.MachineLacks, "setup needs root: it makes a group, a dataset and a rule for sudo", "See first what it would do: sudo dotnet-pgd setup --dry-run");
    }

    private static Account UserOf(SetupRequest request, SetupMark? mark)
    {
        var name = request.User ?? mark?.User
            ?? throw new PgdException(ExitCode.Misuse, "it is not clear which user is going to make branches", "Name the user that the runner runs as: dotnet-pgd setup --user runner");
        // It goes into files that sudo and systemd read.
        if (!UserName().IsMatch(name))
            throw new PgdException(ExitCode.Misuse, $"\"{name}\" cannot be the user: its name has more than letters, digits, dots, hyphens and underscores");
        var account = Libc.FindAccount(name) ?? throw new PgdException(ExitCode.MachineLacks, $"there is no account {name} on this machine", $"Make it (useradd --create-home {name}), or name another with --user.");
        return account.UserId != 0 ? account : throw new PgdException(ExitCode.Misuse, $"the account {name} is root, and PostgreSQL does not run as root", "Name the user that the runner runs as: dotnet-pgd setup --user runner");
    }

    /// <summary>A time that systemd understands, asked of itself where it can be.</summary>
    internal static async Task<string?> ScheduleAsync(string? when, CancellationToken cancellationToken)
    {
        const string examples = "Write hourly, daily, or a time such as \"Mon..Fri 06:00\" or \"*:0/30\"; never for none. See: man systemd.time";
        if (when is null or NoSchedule)
            return when;
        // It goes into a unit, in which a line break would begin something else.
        if (!SnapshotTimer.IsPlain(when))
            throw new PgdException(ExitCode.Misuse, $"\"{when.ReplaceLineEndings(" ")}\" cannot be a schedule: it is empty, or has other than letters, digits, spaces and * - : , . / ~ + _", examples);
        if (SystemPrograms.Find("systemd-analyze") is null)
        {
            return SnapshotTimer.CronLine(when, [], null, "/") is not null ? when
                : throw new PgdException(ExitCode.MachineLacks, $"whether \"{when}\" is a schedule cannot be told: systemd is not on this machine", "Write hourly, daily or weekly; for other times, run this by cron: dotnet-pgd snapshot run");
        }

        return await SystemPrograms.TryAsync("systemd-analyze", ["calendar", "--", when], cancellationToken).ConfigureAwait(false) is { Status: not 0 } refused
            ? throw new PgdException(ExitCode.Misuse, $"\"{when}\" is not a schedule: {refused.Error.Trim().Split('\n')[0]}", examples) : when;
    }

    private void CheckRoot(SetupMark? mark, Account account)
    {
        var root = _host.Root;
        if (!RootPath().IsMatch(root))
            throw new PgdException(ExitCode.Misuse, $"the root {root} has more than letters, digits, dots, hyphens and underscores in its path", "Choose another with --root.");
        if (SharedRoot.WritableByOthers(mark is null ? Path.GetDirectoryName(root) : root) is { } parent)
        {
            throw new PgdException(ExitCode.Unsafe, $"others than root can write in {Path.GetDirectoryName(parent) ?? parent} or {parent}: they could put another folder in the place of {root}, in which root mounts volumes",
                "Choose a root in a folder of root's with --root; /var/lib/pgd is the default.");
        }

        var projects = new StateStore(new(root)).ProjectFolders();
        if (projects.Count > 0 && mark?.User != account.Name)
        {
            throw new PgdException(ExitCode.Unsafe, mark is null ? $"{root} has projects already, which were made without setup: {string.Join(", ", projects)}" : $"the branches of {root} belong to {mark.User}, not to {account.Name}: {string.Join(", ", projects)}",
                $"Delete them first (dotnet pgd project delete {projects[0]}), or choose another root with --root.");
        }
    }

    private async Task<string?> PoolAsync(SetupRequest request, List<string> notes, CancellationToken cancellationToken)
    {
        if (request.PoolSize is not null && request.PoolFile is null)
            throw new PgdException(ExitCode.Misuse, "--size goes with --pool-file", "Write, for example: sudo dotnet-pgd setup --pool-file /srv/pgd.img --size 20G");
        if (!ZfsHost.IsInstalled)
        {
            const string install = "Install it, for example: apt-get install zfsutils-linux";
            if (request.Pool is not null || request.PoolFile is not null)
                throw new PgdException(ExitCode.MachineLacks, "ZFS is not installed on this machine", install);
            notes.Add($"there is no ZFS on this machine: branches will be on btrfs, reflinks or plain copies, whatever {_host.Root} is on. {install}, and run setup again");
            return null;
        }

        var pools = await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false);
        if (request.PoolFile is { } file)
            return await FilePoolAsync(request, file, pools, cancellationToken).ConfigureAwait(false);
        var names = pools.Select(p => p.Name).ToList();
        var chosen = request.Pool ?? SetupMark.Read(_host.Root)?.Base?.Split('/')[0] ?? (names.Count == 1 ? names[0] : names.Count == 0 ? null : request.ChoosePool?.Invoke(names)
            ?? throw new PgdException(ExitCode.MachineLacks, $"this machine has several pools: {string.Join(", ", names)}", $"Say which one: sudo dotnet-pgd setup --pool {names[0]}"));
        if (chosen is null)
        {
            notes.Add($"there is no ZFS pool on this machine: branches will be on btrfs, reflinks or plain copies, whatever {_host.Root} is on. Make a pool (or one in a file: --pool-file /srv/pgd.img --size 20G), and run setup again");
            return null;
        }

        var pool = pools.FirstOrDefault(p => p.Name == chosen) ?? throw new PgdException(ExitCode.MachineLacks, $"there is no pool {chosen} on this machine{(names.Count > 0 ? $", only {string.Join(", ", names)}" : "")}", $"zpool import {chosen}, or name another with --pool.");
        if (!PoolName().IsMatch(chosen))
            throw new PgdException(ExitCode.Misuse, $"the pool \"{chosen}\" has more than letters, digits, dots, hyphens and underscores in its name", "Choose another with --pool.");
        if (pool.Health is not ("ONLINE" or "DEGRADED"))
            throw new PgdException(ExitCode.MachineLacks, $"the pool {chosen} is {pool.Health}", $"zpool status {chosen}");
        if (pool.IsReadOnly)
            throw new PgdException(ExitCode.MachineLacks, $"the pool {chosen} is imported read-only", $"zpool export {chosen} && zpool import {chosen}");
        if (pool.Health != "ONLINE")
            notes.Add($"the pool {chosen} is {pool.Health}: zpool status {chosen}");
        return chosen;
    }

    private static async Task<string> FilePoolAsync(SetupRequest request, string file, IReadOnlyList<Pool> pools, CancellationToken cancellationToken)
    {
        const long smallest = 64 << 20;
        var name = request.Pool ?? "pgd";
        if (!PoolName().IsMatch(name) || !RootPath().IsMatch(file))
            throw new PgdException(ExitCode.Misuse, $"a pool {name} in {file} cannot be made: both may have letters, digits, dots, hyphens and underscores only");
        if (pools.Any(p => p.Name == name))
        {
            return await HostSteps.IsPoolInFileAsync(name, file, cancellationToken).ConfigureAwait(false) ? name
                : throw new PgdException(ExitCode.Exists, $"there is a pool {name} already, and it is not in {file}", $"Use it (sudo dotnet-pgd setup --pool {name}), or name the new one with --pool.");
        }

        if (File.Exists(file))
            throw new PgdException(ExitCode.Exists, $"{file} exists already, and no pool {name} is imported from it", $"If it has that pool: zpool import -d {Path.GetDirectoryName(file)} {name}. Otherwise choose another file.");
        return request.PoolSize is not { } size ? throw new PgdException(ExitCode.Misuse, $"it is not said how large the pool in {file} may become", $"Write, for example: sudo dotnet-pgd setup --pool-file {file} --size 20G")
            : size >= smallest ? name : throw new PgdException(ExitCode.Misuse, $"a pool needs 64M at least, not {size >> 20}M");
    }

    private async Task RefuseWithBranchesAsync(SetupMark mark, CancellationToken cancellationToken)
    {
        const string first = "Delete them first: dotnet pgd project list, dotnet pgd project delete NAME --force. What no project knows: dotnet pgd doctor --fix";
        if (new StateStore(new(_host.Root)).ProjectFolders() is { Count: > 0 } projects)
            throw new PgdException(ExitCode.Unsafe, $"{_host.Root} has projects: {string.Join(", ", projects)}", first);
        if (Directory.Exists(_host.Layout.Volumes) && Directory.EnumerateFileSystemEntries(_host.Layout.Volumes).FirstOrDefault() is { } volume)
            throw new PgdException(ExitCode.Unsafe, $"there is data in {volume}", first);
        if (mark.Base is { } dataset && await _host.IsOursAsync(dataset, cancellationToken).ConfigureAwait(false)
            && await ZfsHost.BelowAsync(dataset, cancellationToken).ConfigureAwait(false) is { Count: > 0 } below)
        {
            throw new PgdException(ExitCode.Unsafe, $"there are datasets below {dataset}: {string.Join(", ", below.Take(5))}{(below.Count > 5 ? ", …" : "")}", first);
        }
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9._-]*$")]
    private static partial Regex UserName();

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9._-]*$")]
    internal static partial Regex PoolName();

    // Without spaces and quotes: it goes into a script, a unit and a table of mounts.
    [GeneratedRegex(@"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")]
    internal static partial Regex RootPath();
}

/// <summary>What to set up.</summary>
public sealed record SetupRequest
{
    /// <summary>The user that makes branches; null for the one of an earlier run.</summary>
    public string? User { get; init; }

    /// <summary>The pool; null for the only one.</summary>
    public string? Pool { get; init; }

    /// <summary>A file to make a pool in.</summary>
    public string? PoolFile { get; init; }

    /// <summary>How large that pool may become, in bytes.</summary>
    public long? PoolSize { get; init; }

    /// <summary>When a timer takes snapshots: <c>hourly</c>, <c>daily</c>, or a calendar event of systemd; <c>never</c> for no timer; null for what an earlier run said.</summary>
    public string? Schedule { get; init; }

    /// <summary>Only say what would be done.</summary>
    public bool DryRun { get; init; }

    /// <summary>Asks which of several pools is meant; null where nobody can be asked.</summary>
    public Func<IReadOnlyList<string>, string?>? ChoosePool { get; init; }

    /// <summary>The command line of this tool, for the units that resume branches after a boot and take snapshots.</summary>
    public required IReadOnlyList<string> Tool { get; init; }
}

/// <summary>What setup did.</summary>
/// <param name="Root">The root.</param>
/// <param name="User">Whose it is.</param>
/// <param name="Pool">The pool that its volumes are in; null without ZFS.</param>
/// <param name="DryRun">Whether nothing was done.</param>
/// <param name="Steps">Every step, in order.</param>
/// <param name="Notes">What the administrator should know.</param>
public sealed record SetupReport(string Root, string? User, string? Pool, bool DryRun, IReadOnlyList<SetupStep> Steps, IReadOnlyList<string> Notes);

/// <summary>One step.</summary>
/// <param name="Subject">What it is about, for example "group pgd".</param>
/// <param name="Text">What it does.</param>
/// <param name="Outcome">Whether it was done.</param>
public sealed record SetupStep(string Subject, string Text, SetupOutcome Outcome);

/// <summary>What became of a step.</summary>
public enum SetupOutcome
{
    /// <summary>There was nothing to do.</summary>
    Unchanged,

    /// <summary>It was done.</summary>
    Done,

    /// <summary>It would be done.</summary>
    Planned,
}
