using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Branches;

/// <summary>Runs programs with a branch's environment.</summary>
internal static class BranchPrograms
{
    public static async Task<int> RunAsync(
        Run run, BranchName branch, string? database, string? role, string file, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var url = await run.Workspace.Branches.ConnectAsync(branch, database, role, cancellationToken);
        var environment = run.Session.Environment.ToDictionary(pair => pair.Key, pair => (string?)pair.Value);
        url.ApplyTo(environment);
        run.Dispose();
        return run.Session.Become(new ChildProgram(file, [.. arguments],
            environment.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!)));
    }
}
