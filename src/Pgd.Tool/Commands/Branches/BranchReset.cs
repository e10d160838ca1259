using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchReset
{
    /// <summary>The same by the name that others give it.</summary>
    public static Command Sync(Surface surface) => Make(surface, "sync");

    public static Command Command(Surface surface) => Make(surface, "reset");

    private static Verb Make(Surface surface, string verb)
    {
        var name = Arguments.Branch(surface);
        var from = new Option<string?>("--from") { HelpName = "BRANCH[@SNAPSHOT]", Description = "Branch or snapshot to take the data from (default: its parent); @SNAPSHOT for one of its own" };
        var origin = new Option<bool>("--origin") { Description = "Go back to the snapshot that it was made from" };
        var at = Arguments.At();
        var lsn = Arguments.AtLsn();
        var transaction = Arguments.AtTransaction();
        var restorePoint = Arguments.AtRestorePoint();
        var zone = Arguments.TimeZone();
        var ttl = Arguments.TimeToLive();
        var fast = Arguments.Fast();
        var consistency = Arguments.Consistency();
        var anonymize = Arguments.Anonymize();
        var roles = Arguments.Roles();

        return new Verb(surface, verb, "Replace a branch's data by its parent's present state, or by a snapshot. Address and passwords stay.",
            $"branch {verb} prod/dev",
            $"branch {verb} prod/dev --from main@before-release",
            "# Back to a snapshot of its own, and to the one that it was made from",
            $"branch {verb} prod/dev --from @clean",
            $"branch {verb} prod/dev --origin",
            $"branch {verb} prod/dev --ttl 7d --anonymize db/anonymize.sql")
            .With(name, from, at, lsn, transaction, restorePoint, zone, origin, ttl, fast, consistency, anonymize, roles)
            .Does(async (run, cancellationToken) =>
            {
                if (run[origin] && run[from] is not null)
                    throw new PgdException(ExitCode.Misuse, "--origin says where the data comes from, and so does --from", "Leave out one of them.");
                var (parent, snapshot) = Requests.From(run.Branch(name), run[from]);
                var request = new Pgd.BranchReset
                {
                    Name = run.Branch(name),
                    From = parent,
                    Snapshot = snapshot,
                    Target = Requests.Target(run[at], run[lsn], run[transaction], run[restorePoint], run[zone], run.Session.Clock),
                    ToOrigin = run[origin],
                    TimeToLive = run[ttl] is { } text ? Duration.Parse(text) : null,
                    Fast = run[fast],
                    Consistency = Requests.Consistency(run[consistency]),
                    Anonymization = Requests.Anonymization(run.Values(anonymize), run.Session),
                    Roles = run.Values(roles) is { Count: > 0 } kept ? kept : null,
                };
                run.Show(await run.Workspace.Branches.ResetAsync(request, cancellationToken), () => JsonShapes.All.Branch, BranchText.Details);
            });
    }
}
