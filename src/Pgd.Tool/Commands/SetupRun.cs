using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class SetupRun
{
    public static Command Command(Surface surface)
    {
        var user = new Option<string?>("--user") { HelpName = "NAME", Description = "The user that makes branches, such as the runner's (default: who calls sudo)" };
        var pool = new Option<string?>("--pool") { HelpName = "NAME", Description = "The ZFS pool, where there are several; with --data-dir, the new one's name" };
        var poolFile = new Option<string?>("--pool-file") { HelpName = "FILE", Description = "Make a ZFS pool in a new file" };
        var size = new Option<string?>("--size") { HelpName = "SIZE", Description = "With --pool-file: how large it may become, for example 20G" };
        var schedule = new Option<string?>("--schedule") { HelpName = "WHEN", Description = "Have a timer take snapshots: hourly, daily, or a time of systemd's; \"never\" for none" };
        var dataDir = new Option<string?>("--data-dir") { HelpName = "DIR", Description = "Only make an empty data directory, on a file system of its own that clones files" };
        var fileSystem = Arguments.OneOf("--filesystem", "With --data-dir: which one", "btrfs", "xfs", "zfs");
        var device = new Option<string?>("--device") { HelpName = "DEVICE", Description = "With --data-dir: the empty device that it is made on" };
        var loop = new Option<string?>("--loop") { HelpName = "SIZE", Description = "With --data-dir: how large the sparse file beside it may become, for example 20G" };
        var owner = new Option<string?>("--owner") { HelpName = "NAME", Description = "With --data-dir: the account that the server runs as (default: postgres)" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be done" };
        var undo = new Option<bool>("--undo") { Description = "Remove what setup made; refused while there are projects, or data in DIR" };
        return new Verb(surface, "setup", "Arrange this machine, as root and once, so that a user makes branches without being root. A second run changes nothing.",
            "sudo dotnet pgd setup --dry-run",
            "sudo dotnet pgd setup --user runner --pool tank",
            "sudo dotnet pgd setup --pool-file /srv/pgd.img --size 20G",
            "# Snapshots of main of each project, every hour",
            "sudo dotnet pgd setup --schedule hourly",
            "# A data directory in which PostgreSQL 18 clones databases",
            "sudo dotnet pgd setup --data-dir /srv/pg --filesystem btrfs --loop 20G",
            "sudo dotnet pgd setup --undo")
            .With(user, pool, poolFile, size, schedule, dataDir, fileSystem, device, loop, owner, dryRun, undo)
            .Does(async (run, cancellationToken) =>
            {
                var elsewhere = new[] { poolFile, size, schedule }.FirstOrDefault(option => run[option] is not null);
                var unneeded = new[] { fileSystem, device, loop, owner }.FirstOrDefault(option => run[option] is not null);
                if (run[dataDir] is { } directory)
                {
                    if ((run[undo] ? new[] { user, pool }.FirstOrDefault(option => run[option] is not null) ?? unneeded ?? elsewhere : elsewhere) is { } other)
                        throw new PgdException(ExitCode.Misuse, $"{other.Name} does not go with --data-dir{(run[undo] ? " and --undo: what is to be removed was noted" : "")}", $"Leave out {other.Name}.");
                    var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory, run.Session.WorkingDirectory));
                    var made = new DataDirectorySetup(run.Reporter);
                    run.Show(run[undo] ? await made.UndoAsync(folder, run[dryRun], cancellationToken) : await made.RunAsync(new()
                    {
                        Directory = folder,
                        FileSystem = run[fileSystem] is { } type ? Enum.Parse<DataFileSystem>(type, ignoreCase: true)
                            : throw new PgdException(ExitCode.Misuse, $"it is not said which file system {folder} is to be on", "Choose one with --filesystem: btrfs, xfs or zfs."),
                        Device = run[device] is { } there ? Path.GetFullPath(there, run.Session.WorkingDirectory) : null,
                        ImageSize = run[loop] is { } large ? ByteSize.Parse(large) : null,
                        Pool = run[pool],
                        Owner = run[owner],
                        User = User(run, user),
                        DryRun = run[dryRun],
                    }, cancellationToken), () => JsonShapes.All.DataDirectoryReport, SetupText.Write);
                    return;
                }

                if (unneeded is not null)
                    throw new PgdException(ExitCode.Misuse, $"{unneeded.Name} goes with --data-dir", "Write, for example: sudo dotnet pgd setup --data-dir /srv/pg --filesystem btrfs --loop 20G");
                if (run[undo] && (run[user] ?? run[pool] ?? run[poolFile] ?? run[size] ?? run[schedule]) is not null)
                    throw new PgdException(ExitCode.Misuse, "--undo goes with --dry-run and --root only: what is to be removed was noted", "Write: sudo dotnet pgd setup --undo");
                // Not the run's workspace: that becomes the root's user.
                var setup = new Setup(run.Configuration.Configuration, run.Reporter);
                var report = run[undo] ? await setup.UndoAsync(run[dryRun], cancellationToken) : await setup.RunAsync(new()
                {
                    User = User(run, user),
                    Pool = run[pool],
                    PoolFile = run[poolFile] is { } file ? Path.GetFullPath(file, run.Session.WorkingDirectory) : null,
                    PoolSize = run[size] is { } text ? ByteSize.Parse(text) : null,
                    Schedule = run[schedule],
                    DryRun = run[dryRun],
                    ChoosePool = run.Session.CanAsk && !run.IsJson ? pools => Ask(run.Session, pools) : null,
                    Tool = ThisTool(),
                }, cancellationToken);
                run.Show(report, () => JsonShapes.All.SetupReport, SetupText.Write);
            });
    }

    private static string? User(Run run, Option<string?> user) => run[user] ?? (run.Session.Environment.GetValueOrDefault("SUDO_USER") is { Length: > 0 } caller and not "root" ? caller : null);

    internal static string? Ask(Session session, IReadOnlyList<string> pools)
    {
        for (var number = 1; number <= pools.Count; number++)
            session.Error.WriteLine($"  {number}  {pools[number - 1]}");
        session.Error.Write($"Which pool shall hold the branches? [1-{pools.Count}] ");
        using var reader = new StreamReader(session.Input());
        var answer = reader.ReadLine()?.Trim();
        return int.TryParse(answer, out var chosen) && chosen >= 1 && chosen <= pools.Count ? pools[chosen - 1] : pools.FirstOrDefault(pool => pool == answer);
    }

    // The program itself, or the runtime and the program that it runs.
    private static IReadOnlyList<string> ThisTool() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
        ? [Environment.ProcessPath!, Path.GetFullPath(Environment.GetCommandLineArgs()[0])] : [Environment.ProcessPath!];
}
