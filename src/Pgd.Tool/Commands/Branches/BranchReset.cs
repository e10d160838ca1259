using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchReset
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var ttl = Arguments.TimeToLive();
        var fast = Arguments.Fast();
        var consistency = Arguments.Consistency();
        var anonymize = Arguments.Anonymize();
        var roles = Arguments.Roles();

        return new Verb(surface, "reset", "Replace a branch's data by its parent's present state. Address and passwords stay.",
            "branch reset prod/dev",
            "branch reset prod/dev --ttl 7d --anonymize db/anonymize.sql")
            .With(name, ttl, fast, consistency, anonymize, roles)
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.BranchReset
                {
                    Name = run.Branch(name),
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
