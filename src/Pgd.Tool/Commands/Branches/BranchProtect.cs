using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchProtect
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var time = Arguments.ProtectionTime();
        var reason = Arguments.ProtectionReason();
        return new Verb(surface, "protect", "Keep a branch from being deleted, reset or swept, for a time.",
            "branch protect prod/pr-42 --for 2d --reason \"Ada looks into the slow query\"",
            "branch protect prod/main --for never")
            .With(name, time, reason)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Lifetimes.ProtectAsync(run.Branch(name), Duration.Parse(run[time] ?? "7d"), run[reason], cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}

internal static class BranchUnprotect
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "unprotect", "Lift a branch's protection.", "branch unprotect prod/pr-42")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Lifetimes.UnprotectAsync(run.Branch(name), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
