using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchCreate
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.NewBranch();
        var from = new Option<string?>("--from") { HelpName = "BRANCH", Description = "Branch of the same project to copy (default: main)" };
        var ensure = new Option<bool>("--ensure") { Description = "Fine if it is there already: start it if it is stopped, and renew its time to live" };
        var ttl = Arguments.TimeToLive();
        var tls = new Option<bool>("--tls") { Description = "Let nobody in without TLS; the connection is verified by a certificate authority of this host" };
        var fast = Arguments.Fast();
        var consistency = Arguments.Consistency();
        var labels = Arguments.Repeated("--label", "KEY=VALUE", "Label to keep with the branch (repeatable)");
        var anonymize = Arguments.Anonymize();
        var roles = Arguments.Roles();
        var golden = new Option<bool>("--golden") { Description = "Make it to be branched alone: anonymized once, stopped cleanly, never opened" };

        return new Verb(surface, "create", "Create a branch: a copy of another one's data with a server, a port and passwords of its own.",
            "branch create prod/dev",
            "branch create prod/experiment --from dev --ttl 2d --label owner=ada",
            "# In a script that may run twice",
            "branch create prod/nightly --ensure --anonymize db/anonymize.sql",
            "# Anonymize once, and make others from that",
            "branch create prod/masked --golden --anonymize db/anonymize.sql",
            "branch create prod/dev --from masked")
            .With(name, from, ensure, ttl, tls, fast, consistency, labels, anonymize, roles, golden)
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.BranchCreate
                {
                    Name = run.Branch(name),
                    From = run[from] is { } parent ? Parent(run.Branch(name), parent) : null,
                    Ensure = run[ensure],
                    TimeToLive = run[ttl] is { } text ? Duration.Parse(text) : null,
                    // Not said is what the configuration says.
                    Tls = run[tls] ? true : null,
                    Fast = run[fast],
                    Consistency = Requests.Consistency(run[consistency]),
                    Labels = Requests.Labels(run.Values(labels)),
                    Anonymization = Requests.Anonymization(run.Values(anonymize), run.Session),
                    Roles = run.Values(roles) is { Count: > 0 } kept ? kept : null,
                    Golden = run[golden],
                };
                run.Show(await run.Workspace.Branches.CreateAsync(request, cancellationToken), () => JsonShapes.All.BranchCreated,
                    BranchText.Made);
            });
    }

    // Both spellings are natural: the name inside the project, and the full name.
    private static string Parent(BranchName branch, string text)
    {
        var name = text.Contains('/', StringComparison.Ordinal) ? BranchName.Parse(text) : BranchName.Of(branch.Project, text);
        return name.Project == branch.Project
            ? name.Branch
            : throw new PgdException(ExitCode.Misuse, $"{branch} cannot be made from {name}: they belong to different projects", $"Choose a branch of {branch.Project}: dotnet pgd branch list {branch.Project}");
    }
}
