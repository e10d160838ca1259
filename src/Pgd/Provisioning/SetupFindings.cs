using Pgd.Configuration;
using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>What the doctor finds of what setup arranged: each thing that keeps an ordinary user from making branches, with what to type.</summary>
internal sealed class SetupFindings(string root, HostConfiguration configuration)
{
    private const string Again = "sudo dotnet-pgd setup";
    private readonly List<Finding> _findings = [];

    public async Task<IReadOnlyList<Finding>> CheckAsync(CancellationToken cancellationToken)
    {
        SetupMark? mark = null;
        await TryAsync("setup", () =>
        {
            mark = SetupMark.Read(root);
            Add("setup", Severity.Ok, mark is null ? $"has not been run for {root}: branches there are of whoever makes them" : $"made {root} for {mark.User}");
            return Task.CompletedTask;
        }).ConfigureAwait(false);
        if (mark is not null)
        {
            await TryAsync("account", () =>
            {
                Membership(mark);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
            await TryAsync("after a boot", () =>
            {
                Unit();
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        if (mark?.Schedule is { } when)
        {
            await TryAsync("schedule", () =>
            {
                Timer(when);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }

        await TryAsync("zfs", () => ZfsAsync(mark, cancellationToken)).ConfigureAwait(false);
        if (mark?.Base is { } dataset)
            await TryAsync("mounting", () => MountingAsync(dataset, cancellationToken)).ConfigureAwait(false);
        return _findings;
    }

    private void Membership(SetupMark mark)
    {
        var name = Environment.UserName;
        if (name == mark.User)
        {
            // What is his by name needs no group; a group that he was given later needs a new session.
            if (Libc.FindGroup("docker") is { } docker && HostSteps.IsMember(name, "docker") && !Libc.Groups().Contains(docker))
                Add("account", Severity.Warning, $"{name} is a member of the group docker, but this session began before that", "Log in again; a runner's service: restart it.");
            else
                Add("account", Severity.Ok, $"{name}, whose branches they are");
            return;
        }

        if (Libc.FindGroup(SharedRoot.Group) is not { } group)
            Add("account", Severity.Problem, $"there is no group {SharedRoot.Group} any more", Again);
        else if (Libc.Groups().Contains(group))
            Add("account", Severity.Warning, $"branches of {root} belong to {mark.User}; what {name} makes belongs to {name}, and {mark.User} cannot stop or delete it", $"sudo -u {mark.User} dotnet-pgd …");
        else if (HostSteps.IsMember(name, SharedRoot.Group))
            Add("account", Severity.Problem, $"{name} is a member of the group {SharedRoot.Group}, but this session began before that", "Log in again; a runner's service: restart it.");
        else
            Add("account", Severity.Problem, $"{name} is not a member of the group {SharedRoot.Group}, which may use {root}", $"sudo usermod --append --groups {SharedRoot.Group} {name}, and log in again");
    }

    private void Unit()
    {
        if (!File.Exists(ResumeUnit.File))
            Add("after a boot", Severity.Warning, $"branches do not come back: {ResumeUnit.Name} is missing", Again);
        else if (!Directory.Exists("/run/systemd/system"))
            Add("after a boot", Severity.Warning, $"systemd does not run here, so nothing starts {ResumeUnit.Name}", "Run it after a boot: dotnet pgd resume");
        else if (!File.Exists($"/etc/systemd/system/multi-user.target.wants/{ResumeUnit.Name}"))
            Add("after a boot", Severity.Warning, $"branches do not come back: {ResumeUnit.Name} is not enabled", $"sudo systemctl enable {ResumeUnit.Name}");
        else
            Add("after a boot", Severity.Ok, $"{ResumeUnit.Name} brings the branches back");
    }

    private void Timer(string when)
    {
        if (!File.Exists(SnapshotTimer.File) || !File.Exists(SnapshotTimer.ServiceFile))
            Add("schedule", Severity.Warning, $"no snapshots are taken: {SnapshotTimer.Name} is missing", Again);
        else if (!File.Exists($"{ResumeUnit.Folder}timers.target.wants/{SnapshotTimer.Name}"))
            Add("schedule", Severity.Warning, $"no snapshots are taken: {SnapshotTimer.Name} is not enabled", $"sudo systemctl enable --now {SnapshotTimer.Name}");
        else
            Add("schedule", Severity.Ok, $"{SnapshotTimer.Name} takes snapshots, {when}");
    }

    private async Task ZfsAsync(SetupMark? mark, CancellationToken cancellationToken)
    {
        if (!ZfsHost.IsInstalled)
        {
            if (mark?.Base is { } gone)
                Add("zfs", Severity.Problem, $"the volumes are in {gone}, and the programs zfs and zpool are missing", "sudo apt-get install zfsutils-linux");
            else
                Add("zfs", Severity.Ok, "is not installed");
            return;
        }

        // Older ones have no such command; they are told by what fails.
        if (await ZfsHost.VersionsAsync(cancellationToken).ConfigureAwait(false) is { } versions)
            AddVersions(versions.Programs, versions.Module);
        var pools = await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false);
        if (mark?.Base is not { } dataset)
        {
            Add("zfs", Severity.Ok, pools.Count switch
            {
                0 => "there is no pool",
                1 => $"the pool {pools[0].Name} is not used; {Again} makes a place for branches in it",
                _ => $"the pools {string.Join(", ", pools.Select(p => p.Name))} are not used; {Again} --pool NAME makes a place for branches in one",
            });
            return;
        }

        var name = dataset.Split('/')[0];
        if (pools.FirstOrDefault(p => p.Name == name) is not { } pool)
        {
            Add("zfs", Severity.Problem, $"the pool {name}, which has the volumes, is not imported", mark.PoolFile is { } file ? $"sudo zpool import -d {Path.GetDirectoryName(file)} {name}" : $"sudo zpool import {name}");
            return;
        }

        AddPool(pool);
        if (pools.Count > 1)
            Add("zfs", Severity.Ok, $"of the pools {string.Join(", ", pools.Select(p => p.Name))}, {name} has the volumes");
        if (!await new HostSteps(root).IsOursAsync(dataset, cancellationToken).ConfigureAwait(false))
        {
            Add("zfs", Severity.Problem, $"the dataset {dataset}, which has the volumes, is gone", Again);
            return;
        }

        var place = await ZfsHost.PropertiesAsync(dataset, "mountpoint", cancellationToken).ConfigureAwait(false);
        if (place["mountpoint"].Value != "none")
            Add("zfs", Severity.Problem, $"{dataset} has the mount point {place["mountpoint"].Value}: a boot would mount what members of the group {SharedRoot.Group} put below it", Again);
        var missing = new List<string>();
        foreach (var (_, kind, who) in HostSteps.Grantees(mark.User))
        {
            if (!(await HostSteps.AllowedAsync(dataset, kind, who, cancellationToken).ConfigureAwait(false)).Covers(Delegation.NeededFor(configuration)))
                missing.Add($"{kind} {who}");
        }

        if (missing.Count > 0)
            Add("zfs", Severity.Problem, $"{string.Join(" and ", missing)} may not do all that branches need on {dataset}", Again);
        else
            Add("zfs", Severity.Ok, $"{dataset} is delegated to {mark.User} and the group {SharedRoot.Group}");
    }

    internal void AddVersions(string programs, string module)
    {
        if (programs == module)
            Add("zfs", Severity.Ok, $"OpenZFS {programs}");
        else
            Add("zfs", Severity.Warning, $"the programs are of OpenZFS {programs}, and the kernel's module of {module}: what one knows, the other may not", "Reboot, so that the kernel loads the installed module.");
    }

    internal void AddPool(Pool pool)
    {
        if (pool.Health is not ("ONLINE" or "DEGRADED"))
            Add("zfs", Severity.Problem, $"the pool {pool.Name} is {pool.Health}", $"zpool status {pool.Name}");
        else if (pool.Health != "ONLINE")
            Add("zfs", Severity.Warning, $"the pool {pool.Name} is {pool.Health}", $"zpool status {pool.Name}");
        else
            Add("zfs", Severity.Ok, $"the pool {pool.Name} is {pool.Health}");
        if (pool.IsReadOnly)
            Add("zfs", Severity.Problem, $"the pool {pool.Name} is imported read-only", $"sudo zpool export {pool.Name} && sudo zpool import {pool.Name}");
        if (!pool.Delegates)
            Add("zfs", Severity.Problem, $"the pool {pool.Name} does not delegate: only root can make anything in it", Again);
    }

    private async Task MountingAsync(string dataset, CancellationToken cancellationToken)
    {
        if (!File.Exists(MountScript.File))
            Add("mounting", Severity.Problem, $"{MountScript.File} is missing, by which volumes are mounted", Again);
        else if (Libc.Status(MountScript.File) is not { Owner: 0, Mode: SharedRoot.OfRoot } || await File.ReadAllTextAsync(MountScript.File, cancellationToken).ConfigureAwait(false) != MountScript.Text(dataset, Path.Combine(root, "zfs")))
            Add("mounting", Severity.Problem, $"{MountScript.File}, which runs as root, is not what setup wrote", Again);
        // Whether we may is asked, and nothing is mounted.
        else if (Libc.EffectiveUserId() != 0 && await SystemPrograms.TryAsync("sudo", ["-n", "-l", MountScript.File], cancellationToken).ConfigureAwait(false) is { Status: not 0 } refused)
            Add("mounting", Severity.Problem, $"{Environment.UserName} may not run {MountScript.File} by sudo: {FirstLine(refused.Error)}", $"{Again}; then log in again");
        else
            Add("mounting", Severity.Ok, $"by sudo and {MountScript.File}");
    }

    private async Task TryAsync(string check, Func<Task> ask)
    {
        try
        {
            await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
        {
            Add(check, Severity.Problem, e.Message, (e as PgdException)?.Hint);
        }
    }

    internal IReadOnlyList<Finding> Findings => _findings;

    private void Add(string check, Severity severity, string text, string? remedy = null) => _findings.Add(new(check, severity, text, remedy));

    private static string FirstLine(string text) => text.Trim().Split('\n')[0] is { Length: > 0 } line ? line : "no rule allows it";
}
