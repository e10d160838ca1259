using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Databases;

internal static class DatabaseList
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        return new Verb(surface, "list", "List the databases of a branch's server.",
            "database list prod/dev",
            "# Those that were made from app",
            "database list prod/dev --json | jq -r '.[] | select(.template == \"app\") | .name'")
            .With(branch)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Databases.ListAsync(run.Branch(branch), cancellationToken), () => JsonShapes.All.IReadOnlyListDatabase, DatabaseText.Table));
    }
}
