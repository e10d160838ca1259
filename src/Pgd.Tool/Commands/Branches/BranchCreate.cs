using System.CommandLine;
using System.Globalization;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchCreate
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.NewBranch();
        var from = new Option<string?>("--from") { HelpName = "BRANCH[@SNAPSHOT]", Description = "Branch of the same project to copy, or a snapshot of it (default: main)" };
        var ensure = new Option<bool>("--ensure") { Description = "Fine if it is there already: start it if it is stopped, and renew its time to live" };
        var at = Arguments.At();
        var lsn = Arguments.AtLsn();
        var transaction = Arguments.AtTransaction();
        var restorePoint = Arguments.AtRestorePoint();
        var zone = Arguments.TimeZone();
        var ttl = Arguments.TimeToLive();
        var tls = new Option<bool>("--tls") { Description = "Let nobody in without TLS; the connection is verified by a certificate authority of this host" };
        var fast = Arguments.Fast();
        var consistency = Arguments.Consistency();
        var labels = Arguments.Repeated("--label", "KEY=VALUE", "Label to keep with the branch (repeatable)");
        var anonymize = Arguments.Anonymize();
        var roles = Arguments.Roles();
        var count = new Option<string?>("--count") { HelpName = "N", Description = "Make N branches of the same data, NAME-1 to NAME-N: all of them or none" };
        var golden = new Option<bool>("--golden") { Description = "Make it to be branched alone: anonymized once, stopped cleanly, never opened" };

        return new Verb(surface, "create", "Create a branch: a copy of another one's data with a server, a port and passwords of its own.",
            "branch create prod/dev",
            "branch create prod/experiment --from dev --ttl 2d --label owner=ada",
            "branch create prod/retry --from main@before-release",
            "# What was there before somebody dropped the table",
            "branch create prod/rescue --at \"20 minutes ago\"",
            "# In a script that may run twice",
            "branch create prod/nightly --ensure --anonymize db/anonymize.sql",
            "# A database server for each of eight jobs, all with the same data",
            "branch create prod/shard --count 8 --ttl 2h",
            "# Anonymize once, and make others from that",
            "branch create prod/masked --golden --anonymize db/anonymize.sql",
            "branch create prod/dev --from masked")
            .With(name, from, at, lsn, transaction, restorePoint, zone, ensure, ttl, tls, fast, consistency, labels, anonymize, roles, count, golden)
            .Does(async (run, cancellationToken) =>
            {
                var (parent, snapshot) = Requests.From(run.Branch(name), run[from]);
                var request = new Pgd.BranchCreate
                {
                    Name = run.Branch(name),
                    From = parent,
                    Snapshot = snapshot,
                    Target = Requests.Target(run[at], run[lsn], run[transaction], run[restorePoint], run[zone], run.Session.Clock),
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
                if (run[count] is { } many)
                {
                    run.Show(await run.Workspace.Branches.CreateSeriesAsync(request, Count(many), cancellationToken), () => JsonShapes.All.IReadOnlyListBranchCreated, BranchText.MadeSeries);
                    return;
                }

                run.Show(await run.Workspace.Branches.CreateAsync(request, cancellationToken), () => JsonShapes.All.BranchCreated,
                    BranchText.Made);
            });
    }

    private static int Count(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count
        : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of branches", "Write a whole number, for example --count 8");
}
