using System.CommandLine;
using System.CommandLine.Help;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands;
using Pgd.Tool.Commands.Backups;
using Pgd.Tool.Commands.Branches;
using Pgd.Tool.Commands.Databases;
using Pgd.Tool.Commands.Migrations;
using Pgd.Tool.Commands.Previews;
using Pgd.Tool.Commands.Projects;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Commands.Replication;
using Pgd.Tool.Commands.Servers;
using Pgd.Tool.Commands.Snapshots;
using Pgd.Tool.Commands.Wal;

namespace Pgd.Tool;

/// <summary>All commands.</summary>
internal static class CommandTree
{
    public static RootCommand Create(Session session)
    {
        var options = new CommonOptions();
        var surface = new Surface(session, options);
        var root = new RootCommand("Database branches in CI: a writable copy of a PostgreSQL of any size, for each pull request.");

        // The parser's own --help also answers to /h and /?, which may be the beginning of a path.
        root.Options.Clear();
        root.Add(new HelpOption("--help", "-h") { Description = "Show help", Action = new ShowHelp(session, asked: true) });
        root.Add(new VersionOption("--version") { Description = "Show the version", Action = new ShowVersion(session) });
        foreach (var option in options.All)
            root.Add(option);

        Command[] commands =
        [
            ProjectNoun.Command(surface), BranchNoun.Command(surface), SnapshotNoun.Command(surface), DatabaseNoun.Command(surface), BackupNoun.Command(surface), WalNoun.Command(surface), ReplicateNoun.Command(surface), MigrateNoun.Command(surface), PrNoun.Command(surface),
            SqlRun.Command(surface), ConsoleRun.Command(surface),
            ServerStart.Command(surface), ServerStop.Command(surface), ServerRestart.Command(surface),
            StatusShow.Command(surface), DoctorRun.Command(surface), SetupRun.Command(surface), ResumeRun.Command(surface), GarbageCollection.Command(surface), Completion.Command(surface),
        ];
        foreach (var command in commands)
            root.Add(command);
        root.Action = new ShowHelp(session);
        return root;
    }
}
