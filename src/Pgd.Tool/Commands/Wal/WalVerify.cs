using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Wal;

internal static class WalVerify
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        return new Verb(surface, "verify", "Read all of a branch's archive, and look for damage and gaps.",
            "wal verify prod/main")
            .With(branch)
            .Does(async (run, cancellationToken) =>
            {
                var verified = await run.Workspace.Wal.VerifyAsync(run.Branch(branch), cancellationToken);
                run.Show(verified, () => JsonShapes.All.WriteAheadLogVerified, WalText.Verified);
                return (int)(verified.Problems.Count == 0 ? ExitCode.Done : ExitCode.Failed);
            });
    }
}
