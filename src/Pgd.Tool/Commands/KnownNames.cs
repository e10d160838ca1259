using System.CommandLine.Completions;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands;

/// <summary>Completes the names of what exists.</summary>
internal sealed class KnownNames(Surface surface)
{
    public IEnumerable<CompletionItem> Projects(CompletionContext context) =>
        Ask(context, async (workspace, token) => (await workspace.Projects.ListAsync(token)).Select(project => project.Name));

    public IEnumerable<CompletionItem> Branches(CompletionContext context) =>
        Ask(context, async (workspace, token) => (await workspace.Branches.ListAsync(null, token)).Select(branch => branch.Name.ToString()));

    public IEnumerable<CompletionItem> Snapshots(CompletionContext context) =>
        Ask(context, async (workspace, token) => (await workspace.Snapshots.ListAsync(null, null, token)).Select(snapshot => snapshot.Name));

    private IEnumerable<CompletionItem> Ask(CompletionContext context, Func<Workspace, CancellationToken, Task<IEnumerable<string>>> names)
    {
        try
        {
            using var run = new Run(surface, context.ParseResult);
            // The parser's completion is synchronous; there is no synchronization context here that could deadlock.
            return [.. names(run.Workspace, surface.Session.Interruption.Token).GetAwaiter().GetResult()
                .Where(name => name.StartsWith(context.WordToComplete, StringComparison.Ordinal)).Select(name => new CompletionItem(name))];
        }
        catch (Exception)
        {
            // A message in the middle of somebody's typing would be worse than no completion.
            return [];
        }
    }
}
