using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchDiff
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var other = new Argument<string?>("base") { HelpName = "BASE", Description = "Branch to compare it with (default: its parent)", Arity = ArgumentArity.ZeroOrOne };
        other.CompletionSources.Add(new KnownNames(surface).Branches);
        var database = Arguments.Database();
        var privileges = new Option<bool>("--privileges") { Description = "Also compare owners, grants and default privileges" };
        var exitCode = new Option<bool>("--exit-code") { Description = "End with status 1 if there is a difference" };
        return new Verb(surface, "diff", "Compare a branch's schema with its parent's; what the parent lacks is added.",
            "branch diff prod/dev",
            "branch diff prod/dev prod/other --privileges",
            "# Has a migration changed anything?",
            "branch diff prod/dev --exit-code",
            "# The names of tables that are new",
            "branch diff prod/dev --json | jq -r '.objects[] | select(.kind == \"table\" and .change == \"added\") | .name'")
            .With(name, other, database, privileges, exitCode)
            .Does(async (run, cancellationToken) =>
            {
                var diff = await run.Workspace.Branches.DiffAsync(new()
                {
                    Name = run.Branch(name),
                    Base = run[other] is { } text ? BranchName.Parse(text) : null,
                    Database = run[database],
                    Privileges = run[privileges],
                }, cancellationToken);
                run.Show(diff, () => JsonShapes.All.SchemaDiff, SchemaText.Write);
                return run[exitCode] && !diff.IsEmpty ? 1 : 0;
            });
    }
}
