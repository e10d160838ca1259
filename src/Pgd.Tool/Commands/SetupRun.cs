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
        var pool = new Option<string?>("--pool") { HelpName = "NAME", Description = "The ZFS pool, where there are several" };
        var poolFile = new Option<string?>("--pool-file") { HelpName = "FILE", Description = "Make a ZFS pool in a new file" };
        var size = new Option<string?>("--size") { HelpName = "SIZE", Description = "With --pool-file: how large it may become, for example 20G" };
        var schedule = new Option<string?>("--schedule") { HelpName = "WHEN", Description = "Have a timer take snapshots: hourly, daily, or a time of systemd's; \"never\" for none" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be done" };
        var undo = new Option<bool>("--undo") { Description = "Remove what setup made; refused while there are projects" };
        return new Verb(surface, "setup", "Arrange this machine, as root and once, so that a user makes branches without being root. A second run changes nothing.",
            "sudo dotnet pgd setup --dry-run",
            "sudo dotnet pgd setup --user runner --pool tank",
            "sudo dotnet pgd setup --pool-file /srv/pgd.img --size 20G",
            "# Snapshots of main of each project, every hour",
            "sudo dotnet pgd setup --schedule hourly",
            "sudo dotnet pgd setup --undo")
            .With(user, pool, poolFile, size, schedule, dryRun, undo)
            .Does(async (run, cancellationToken) =>
            {
                if (run[undo] && (run[user] ?? run[pool] ?? run[poolFile] ?? run[size] ?? run[schedule]) is not null)
                    throw new PgdException(ExitCode.Misuse, "--undo goes with --dry-run and --root only: what is to be removed was noted", "Write: sudo dotnet pgd setup --undo");
                // Not the run's workspace: that becomes the root's user.
                var setup = new Setup(run.Configuration.Configuration, run.Reporter);
                var report = run[undo] ? await setup.UndoAsync(run[dryRun], cancellationToken) : await setup.RunAsync(new()
                {
                    User = run[user] ?? (run.Session.Environment.GetValueOrDefault("SUDO_USER") is { Length: > 0 } caller and not "root" ? caller : null),
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
