using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Wal;

internal static class WalInfo
{
    public static Command Command(Surface surface)
    {
        var branch = new Argument<string?>("branch") { HelpName = "PROJECT/BRANCH", Description = "Only this one (default: the first branch of each project)", Arity = ArgumentArity.ZeroOrOne };
        branch.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "info", "Show what there is of a branch's log, and which moments it reaches.",
            "wal info",
            "wal info prod/main",
            "# How far behind the archive is",
            "wal info prod/main --json | jq '.[0].archiver.waiting'")
            .With(branch)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Wal.InfoAsync(run[branch] is null ? null : run.Branch(branch), cancellationToken), () => JsonShapes.All.IReadOnlyListWriteAheadLogInfo, WalText.Info));
    }
}
