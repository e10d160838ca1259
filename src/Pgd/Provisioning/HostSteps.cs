using System.Globalization;
using System.Runtime.InteropServices;
using Pgd.Configuration;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Provisioning;

/// <summary>The steps of setup and of its undo, each of which looks before it does anything.</summary>
internal sealed class HostSteps(string root)
{
    private const string ConfigurationFile = "/etc/pgd/config.yaml", DockerSocket = "/var/run/docker.sock", DockerGroup = "docker";
    private const UnixFileMode Script = SharedRoot.OfRoot, Rule = UnixFileMode.UserRead | UnixFileMode.GroupRead,
        ForEverybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public string Root => root;

    public Layout Layout { get; } = new(root);

    public static bool HasSystemd => Directory.Exists("/run/systemd/system") && SystemPrograms.Find("systemctl") is not null;

    public async Task<IReadOnlyList<Step>> StepsAsync(SetupMark plan, Account account, SetupRequest request, HostConfiguration configuration, List<string> notes, CancellationToken cancellationToken)
    {
        var steps = new List<Step>
        {
            Step.Of("root", $"root {root}", $"a folder of root's for the branches of {account.Name}",
                () => SetupMark.Read(root) is { } mark && mark.User == plan.User && mark.Base == plan.Base && mark.PoolFile == plan.PoolFile && mark.Schedule == plan.Schedule && IsAs(root, SharedRoot.OfRoot, 0, null),
                // The mark is written with every step.
                () => MakeRoot()),
            Step.Of("group", $"group {SharedRoot.Group}", $"groupadd --system {SharedRoot.Group}", () => Libc.FindGroup(SharedRoot.Group) is not null, () => Run("groupadd", "--system", SharedRoot.Group)),
            Member("member", account, SharedRoot.Group),
            Step.Of("folders", $"folders of {root}", $"state, locks, volumes, wal and s: of {account.Name} and the group {SharedRoot.Group}", () => Folders(account).All(f => IsAs(f.Path, f.Mode, f.Owner, f.Group)), () =>
            {
                foreach (var (path, mode, owner, group) in Folders(account))
                    Make(path, mode, owner, group);
            }),
            Step.Of("key", "host key", $"from which passwords derive: {account.Name} and the group may read it", () => IsAs(Layout.HostKey, SharedRoot.HostKey, account.UserId, Libc.FindGroup(SharedRoot.Group)), () =>
            {
                _ = new HostKey(Layout).Key();
                Give(Layout.HostKey, SharedRoot.HostKey, account.UserId, Libc.FindGroup(SharedRoot.Group)!.Value);
            }),
        };
        if (ConfigurationStep(account, notes) is { } written)
            steps.Add(written);
        if (plan.Base is not null)
            steps.AddRange(await ZfsStepsAsync(plan, account, request, configuration, cancellationToken).ConfigureAwait(false));
        if (Libc.FindGroup(DockerGroup) is not null && File.Exists(DockerSocket))
        {
            steps.Add(Member("docker", account, DockerGroup));
            notes.Add($"members of the group {DockerGroup} have root's power: who may start containers may mount any folder of this machine into them");
        }

        steps.Add(UnitStep(account, request, notes));
        if (TimerStep(plan, account, request, notes) is { } timer)
            steps.Add(timer);
        if (configuration.Root != root || !string.Equals(configuration.PostgresUser ?? account.Name, account.Name, StringComparison.Ordinal))
            notes.Add($"the configuration says that servers run as {configuration.PostgresUser}; in {root} they run as {account.Name}");
        return steps;
    }

    public IReadOnlyList<Step> UndoSteps(SetupMark mark, List<string> notes)
    {
        var steps = new List<Step>
        {
            Step.Of("unit", ResumeUnit.Name, "disabled and removed", () => !File.Exists(ResumeUnit.File), () =>
            {
                if (HasSystemd)
                    Run("systemctl", "disable", ResumeUnit.Name);
                File.Delete(ResumeUnit.File);
                if (HasSystemd)
                    Run("systemctl", "daemon-reload");
            }),
            Step.Of("sudo", SudoRule.File, "removed", () => !File.Exists(SudoRule.File), () => File.Delete(SudoRule.File)),
            Step.Of("script", MountScript.File, "removed", () => !File.Exists(MountScript.File), () => File.Delete(MountScript.File)),
        };
        // First, so that nothing begins meanwhile.
        if (mark.Made.Contains("timer"))
            steps.Insert(0, NoTimerStep());
        if (mark.Base is { } dataset)
        {
            var pool = dataset.Split('/')[0];
            steps.Add(new("dataset", $"dataset {dataset}", $"zfs destroy {dataset}", async token => !await IsOursAsync(dataset, token).ConfigureAwait(false),
                token => SystemPrograms.RunAsync("zfs", ["destroy", dataset], token)));
            if (mark.Made.Contains("delegation"))
            {
                steps.Add(new("delegation", $"pool {pool}", $"zpool set delegation=off {pool}", async token => (await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).FirstOrDefault(p => p.Name == pool) is not { Delegates: true },
                    token => SystemPrograms.RunAsync("zpool", ["set", "delegation=off", pool], token)));
            }

            if (mark.PoolFile is { } file && mark.Made.Contains("pool"))
            {
                steps.Add(new("pool", $"pool {pool}", $"zpool destroy {pool}, and {file} removed", _ => Task.FromResult(!File.Exists(file)), async token =>
                {
                    if (await IsPoolInFileAsync(pool, file, token).ConfigureAwait(false))
                        await SystemPrograms.RunAsync("zpool", ["destroy", pool], token).ConfigureAwait(false);
                    File.Delete(file);
                }));
            }
        }

        if (mark.Made.Contains("configuration"))
        {
            steps.Add(Step.Of("configuration", ConfigurationFile, "removed", () => !Reads(ConfigurationFile, ConfigurationText(mark.User)), () =>
            {
                File.Delete(ConfigurationFile);
                RemoveIfEmpty(Path.GetDirectoryName(ConfigurationFile)!);
            }));
            if (File.Exists(ConfigurationFile) && !Reads(ConfigurationFile, ConfigurationText(mark.User)))
                notes.Add($"{ConfigurationFile} was changed since, and stays");
        }

        if (mark.Made.Contains("docker"))
            steps.Add(Step.Of("docker", $"user {mark.User}", $"gpasswd --delete {mark.User} {DockerGroup}", () => !IsMember(mark.User, DockerGroup), () => Run("gpasswd", "--delete", mark.User, DockerGroup)));
        if (mark.Made.Contains("group"))
            steps.Add(Step.Of("group", $"group {SharedRoot.Group}", $"groupdel {SharedRoot.Group}", () => Libc.FindGroup(SharedRoot.Group) is null, () => Run("groupdel", SharedRoot.Group)));
        else if (mark.Made.Contains("member"))
            steps.Add(Step.Of("member", $"user {mark.User}", $"gpasswd --delete {mark.User} {SharedRoot.Group}", () => !IsMember(mark.User, SharedRoot.Group), () => Run("gpasswd", "--delete", mark.User, SharedRoot.Group)));
        steps.Add(Step.Of("root", $"root {root}", "removed, with the host key", () => !Directory.Exists(root), RemoveRoot));
        return steps;
    }

    /// <summary>Makes the root itself, which has to be there for its mark.</summary>
    public string MakeRoot()
    {
        Make(root, SharedRoot.OfRoot, 0, 0);
        return root;
    }

    public static async Task<bool> IsPoolInFileAsync(string pool, string file, CancellationToken cancellationToken) =>
        (await SystemPrograms.TryAsync("zpool", ["list", "-H", "-v", "-P", pool], cancellationToken).ConfigureAwait(false)).Output.Split('\n').Any(line => line.Split('\t', StringSplitOptions.RemoveEmptyEntries) is [var device, ..] && device == file);

    /// <summary>Whether the dataset is there and carries the mark of this root.</summary>
    /// <exception cref="PgdException">It is there, and is somebody else's (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task<bool> IsOursAsync(string dataset, CancellationToken cancellationToken)
    {
        if (!(await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false)).Any(p => p.Name == dataset.Split('/')[0]) || !await ZfsHost.ExistsAsync(dataset, cancellationToken).ConfigureAwait(false))
            return false;
        var (value, source) = (await ZfsHost.PropertiesAsync(dataset, Zfs.RootProperty, cancellationToken).ConfigureAwait(false)).GetValueOrDefault(Zfs.RootProperty, ("-", "-"));
        return source != "local" ? throw new PgdException(ExitCode.Unsafe, $"there is a dataset {dataset} already, and pgd did not make it", $"It is left untouched. Rename it (zfs rename {dataset} …), or choose another pool with --pool.")
            : value == root ? true : throw new PgdException(ExitCode.Unsafe, $"the dataset {dataset} belongs to the root {value}, not to {root}", $"Use that root (--root {value}), or choose another pool with --pool.");
    }

    private async Task<IReadOnlyList<Step>> ZfsStepsAsync(SetupMark plan, Account account, SetupRequest request, HostConfiguration configuration, CancellationToken cancellationToken)
    {
        var (dataset, pool) = (plan.Base!, plan.Base!.Split('/')[0]);
        if (SystemPrograms.Find("sudo") is null || SystemPrograms.Find("visudo") is null)
            throw new PgdException(ExitCode.MachineLacks, "sudo is not installed, by which an ordinary user mounts a volume", "apt-get install sudo");
        // Asked before anything is done: a stranger's dataset is no place for us.
        _ = await IsOursAsync(dataset, cancellationToken).ConfigureAwait(false);
        var steps = new List<Step>();
        if (request.PoolFile is { } file)
        {
            steps.Add(new("pool", $"pool {pool}", $"zpool create -O canmount=off -O mountpoint=none {pool} {file}, up to {(request.PoolSize ?? 0) >> 20} MB", async token => (await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).Any(p => p.Name == pool), async token =>
            {
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                using (var image = Libc.CreateNew(file, UnixFileMode.UserRead | UnixFileMode.UserWrite))
                    RandomAccess.SetLength(image, request.PoolSize!.Value);
                try
                {
                    await SystemPrograms.RunAsync("zpool", ["create", "-O", "canmount=off", "-O", "mountpoint=none", pool, file], token).ConfigureAwait(false);
                }
                catch
                {
                    File.Delete(file);
                    throw;
                }
            }));
        }

        steps.Add(new("delegation", $"pool {pool}", $"zpool set delegation=on {pool}", async token => request.PoolFile is not null || (await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).Any(p => p.Name == pool && p.Delegates),
            token => SystemPrograms.RunAsync("zpool", ["set", "delegation=on", pool], token)));
        // Without a mount point: "zfs mount -a" at a boot, as root, would follow links that a user has put into a volume, and mount a dataset of his
        // over any folder of the machine. The mount script chooses the place instead.
        steps.Add(new("dataset", $"dataset {dataset}", $"zfs create -o canmount=off -o mountpoint=none -o com.sun:auto-snapshot=false -o {Zfs.RootProperty}={root} {dataset}", async token =>
            await IsOursAsync(dataset, token).ConfigureAwait(false) && await ZfsHost.PropertiesAsync(dataset, "canmount,mountpoint", token).ConfigureAwait(false) is var now && now["canmount"].Value == "off" && now["mountpoint"].Value == "none", async token =>
        {
            if (await IsOursAsync(dataset, token).ConfigureAwait(false))
                await SystemPrograms.RunAsync("zfs", ["set", "canmount=off", "mountpoint=none", dataset], token).ConfigureAwait(false);
            else
                await SystemPrograms.RunAsync("zfs", ["create", "-o", "canmount=off", "-o", "mountpoint=none", "-o", "com.sun:auto-snapshot=false", "-o", $"{Zfs.RootProperty}={root}", dataset], token).ConfigureAwait(false);
        }));
        var needed = Delegation.NeededFor(configuration);
        foreach (var (option, kind, name) in Grantees(account.Name))
        {
            steps.Add(new($"allow-{kind}", $"permissions of the {kind} {name}", $"zfs allow -l {option} {name} {string.Join(',', needed.Local)}, and -d {string.Join(',', needed.Below)} {dataset}", async token =>
                await IsOursAsync(dataset, token).ConfigureAwait(false) && (await AllowedAsync(dataset, kind, name, token).ConfigureAwait(false)).Covers(needed), async token =>
            {
                await SystemPrograms.RunAsync("zfs", ["allow", "-l", option, name, string.Join(',', needed.Local), dataset], token).ConfigureAwait(false);
                await SystemPrograms.RunAsync("zfs", ["allow", "-d", option, name, string.Join(',', needed.Below), dataset], token).ConfigureAwait(false);
            }));
        }

        steps.Add(Step.Of("mounts", $"folder {Layout.Mounts}", "of root's, for mounted volumes", () => IsAs(Layout.Mounts, SharedRoot.OfRoot, 0, null) && Reads(Layout.Dataset, dataset + "\n"), () =>
        {
            Make(Layout.Mounts, SharedRoot.OfRoot, 0, 0);
            // The storage's own note; the folder is not the user's to write in.
            Put(Layout.Dataset, dataset + "\n", ForEverybody);
        }));
        var script = MountScript.Text(dataset, Layout.Mounts);
        steps.Add(Step.Of("script", MountScript.File, "mounts and unmounts volumes, and nothing else", () => Reads(MountScript.File, script) && IsAs(MountScript.File, Script, 0, 0), () =>
        {
            if (!Directory.Exists(Path.GetDirectoryName(MountScript.File)))
                Make(Path.GetDirectoryName(MountScript.File)!, SharedRoot.OfRoot, 0, 0);
            Put(MountScript.File, script, Script);
        }));
        var rule = SudoRule.Text(account.Name);
        steps.Add(new("sudo", SudoRule.File, rule.Trim(), _ => Task.FromResult(Reads(SudoRule.File, rule) && IsAs(SudoRule.File, Rule, 0, 0)), async token =>
        {
            // A file with a mistake in it would lock everybody out of sudo. Names with a dot are not read.
            var beside = SudoRule.File + ".new";
            Put(beside, rule, Rule);
            await SystemPrograms.RunAsync("visudo", ["-c", "-f", beside], token).ConfigureAwait(false);
            File.Move(beside, SudoRule.File, overwrite: true);
        }));
        return steps;
    }

    public static async Task<Delegation> AllowedAsync(string dataset, string kind, string name, CancellationToken cancellationToken) =>
        Delegation.Parse(await SystemPrograms.RunAsync("zfs", ["allow", dataset], cancellationToken).ConfigureAwait(false), dataset, kind, name);

    /// <summary>Whom the base dataset is delegated to: as for sudo, a session that knows nothing of the group yet is the user's all the same.</summary>
    public static IEnumerable<(string Option, string Kind, string Name)> Grantees(string user) => [("-g", "group", SharedRoot.Group), ("-u", "user", user)];

    private Step? ConfigurationStep(Account account, List<string> notes)
    {
        var text = ConfigurationText(account.Name);
        if (File.Exists(ConfigurationFile) && !Reads(ConfigurationFile, text))
        {
            var said = HostFile.From(YamlFile.Read(ConfigurationFile)!, "/");
            if (said.Root != root || said.PostgresUser != account.Name)
                notes.Add($"{ConfigurationFile} is there and stays as it is; what setup would write: root: {root}, and under postgres: user: {account.Name}");
            return null;
        }

        return Step.Of("configuration", ConfigurationFile, $"root: {root}, postgres: user: {account.Name}", () => Reads(ConfigurationFile, text), () =>
        {
            if (!Directory.Exists(Path.GetDirectoryName(ConfigurationFile)))
                Make(Path.GetDirectoryName(ConfigurationFile)!, SharedRoot.OfRoot, 0, 0);
            Put(ConfigurationFile, text, ForEverybody);
        });
    }

    private string ConfigurationText(string user) => $"""
        # Written by "dotnet-pgd setup". What else can be said here: docs/configuration.md
        root: {root}
        postgres:
          user: {user}

        """;

    private Step UnitStep(Account account, SetupRequest request, List<string> notes)
    {
        var text = ResumeUnit.Text(request.Tool, ResumeUnit.SharedRuntime(RuntimeEnvironment.GetRuntimeDirectory()), account.Name, root);
        if (!HasSystemd)
            notes.Add($"systemd does not run here: {ResumeUnit.File} is written, but nothing starts it; after a boot, run as {account.Name}: dotnet-pgd resume");
        return Step.Of("unit", ResumeUnit.Name, "brings the branches back after a boot", () => Reads(ResumeUnit.File, text) && (!HasSystemd || Try("systemctl", "is-enabled", "--quiet", ResumeUnit.Name)), () =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(ResumeUnit.File)!);
            Put(ResumeUnit.File, text, ForEverybody);
            if (!HasSystemd)
                return;
            Run("systemctl", "daemon-reload");
            Run("systemctl", "enable", ResumeUnit.Name);
        });
    }

    private Step? TimerStep(SetupMark plan, Account account, SetupRequest request, List<string> notes)
    {
        var dotnetRoot = ResumeUnit.SharedRuntime(RuntimeEnvironment.GetRuntimeDirectory());
        if (!HasSystemd)
        {
            if (request.Schedule is { } asked && asked != "never")
            {
                notes.Add(SnapshotTimer.CronLine(asked, request.Tool, dotnetRoot, root) is { } line
                    ? $"systemd does not run here, so there is no timer. For cron, as {account.Name} (crontab -e): {line}"
                    : $"systemd does not run here, so there is no timer for \"{asked}\". Have cron run this at such times, as {account.Name}: dotnet-pgd snapshot run --root {root}");
            }

            return null;
        }

        if (plan.Schedule is not { } when)
            return File.Exists(SnapshotTimer.File) && request.Schedule is not null ? NoTimerStep() : null;
        var (timer, service) = (SnapshotTimer.Text(when), SnapshotTimer.ServiceText(request.Tool, dotnetRoot, account.Name, root));
        return Step.Of("timer", SnapshotTimer.Name, $"takes snapshots, {when}", () => Reads(SnapshotTimer.File, timer) && Reads(SnapshotTimer.ServiceFile, service)
            && Try("systemctl", "is-enabled", "--quiet", SnapshotTimer.Name) && Try("systemctl", "is-active", "--quiet", SnapshotTimer.Name), () =>
        {
            Directory.CreateDirectory(ResumeUnit.Folder);
            Put(SnapshotTimer.ServiceFile, service, ForEverybody);
            Put(SnapshotTimer.File, timer, ForEverybody);
            Run("systemctl", "daemon-reload");
            Run("systemctl", "enable", SnapshotTimer.Name);
            // One that runs already keeps its old times otherwise.
            Run("systemctl", "restart", SnapshotTimer.Name);
        });
    }

    private static Step NoTimerStep() => Step.Of("timer", SnapshotTimer.Name, "disabled and removed", () => !File.Exists(SnapshotTimer.File) && !File.Exists(SnapshotTimer.ServiceFile), () =>
    {
        if (HasSystemd && File.Exists(SnapshotTimer.File))
            Run("systemctl", "disable", "--now", SnapshotTimer.Name);
        foreach (var file in (string[])[SnapshotTimer.File, SnapshotTimer.ServiceFile, SnapshotTimer.Stamp])
        {
            if (File.Exists(file))
                File.Delete(file);
        }

        if (HasSystemd)
            Run("systemctl", "daemon-reload");
    });

    private static Step Member(string key, Account account, string group) => Step.Of(key, $"user {account.Name}", $"usermod --append --groups {group} {account.Name}", () => IsMember(account.Name, group),
        () => Run("usermod", "--append", "--groups", group, account.Name));

    /// <summary>Whether a user is a member by the lists of this machine; a session that began before does not know it.</summary>
    public static bool IsMember(string user, string group) => Libc.FindGroup(group) is { } id
        && Output("id", "-G", user).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Contains(id.ToString(CultureInfo.InvariantCulture));

    private IEnumerable<(string Path, UnixFileMode Mode, uint Owner, uint? Group)> Folders(Account account)
    {
        var group = Libc.FindGroup(SharedRoot.Group);
        return [(Layout.State, SharedRoot.Folder, account.UserId, group), (Layout.Locks, SharedRoot.Folder, account.UserId, group),
            (Layout.Volumes, SharedRoot.PassableFolder, account.UserId, group), (Layout.Sockets, SharedRoot.PassableFolder, account.UserId, group), (Layout.Wal, SharedRoot.PassableFolder, account.UserId, group)];
    }

    private void RemoveRoot()
    {
        // What is left when every project is gone: what was done, and which pull requests were closed.
        string[] told = Directory.Exists(Layout.State) ? Directory.GetFiles(Layout.State, Path.GetFileName(Layout.AuditLog) + "*") : [], closed = Directory.Exists(Layout.Closed) ? Directory.GetFiles(Layout.Closed) : [];
        foreach (var file in (string[])[.. Directory.Exists(Layout.Locks) ? Directory.GetFiles(Layout.Locks, "*.lock") : [], .. told, .. closed, Layout.HostKey, Layout.Dataset, Layout.CertificateAuthority])
            File.Delete(file);
        foreach (var folder in (string[])[Layout.Closed, Layout.State, Layout.Volumes, Layout.Locks, Layout.Sockets, Layout.Wal, Layout.Mounts])
            RemoveIfEmpty(folder);
        // Last, so that an undo which was killed can be repeated; and not where a stranger's file keeps the folder.
        if (Directory.EnumerateFileSystemEntries(root).FirstOrDefault(entry => entry != SetupMark.FileIn(root)) is { } stranger)
            throw new PgdException(ExitCode.Unsafe, $"{stranger} was not made by setup, and stays");
        File.Delete(SetupMark.FileIn(root));
        Directory.Delete(root);
    }

    private static void RemoveIfEmpty(string folder)
    {
        if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
            Directory.Delete(folder);
    }

    public static bool IsAs(string path, UnixFileMode mode, uint? owner, uint? group) =>
        (Directory.Exists(path) || File.Exists(path)) && Libc.Status(path) is var now && now.Mode == mode && now.Owner == owner && (group is null || now.Group == group);

    private static void Make(string folder, UnixFileMode mode, uint? owner, uint? group)
    {
        Directory.CreateDirectory(folder);
        Give(folder, mode, owner ?? 0, group ?? 0);
    }

    // The owner first: a change of owner takes the set-group-id bit away.
    public static void Give(string path, UnixFileMode mode, uint owner, uint group)
    {
        if (Libc.LChown(path, owner, group) != 0)
            throw Libc.LastError(path);
        File.SetUnixFileMode(path, mode);
    }

    private static bool Reads(string file, string text) => File.Exists(file) && File.ReadAllText(file) == text;

    // Beside and renamed over: who runs the old one goes on with it.
    public static void Put(string file, string text, UnixFileMode mode)
    {
        var beside = file + ".new";
        File.Delete(beside);
        using (var made = Libc.CreateNew(beside, mode))
            RandomAccess.Write(made, System.Text.Encoding.UTF8.GetBytes(text), 0);
        Give(beside, mode, 0, 0);
        File.Move(beside, file, overwrite: true);
    }

    private static void Run(string program, params string[] arguments) => SystemPrograms.RunAsync(program, arguments, CancellationToken.None).GetAwaiter().GetResult();

    private static string Output(string program, params string[] arguments) => SystemPrograms.TryAsync(program, arguments, CancellationToken.None).GetAwaiter().GetResult().Output;

    private static bool Try(string program, params string[] arguments) => SystemPrograms.TryAsync(program, arguments, CancellationToken.None).GetAwaiter().GetResult().Status == 0;
}
