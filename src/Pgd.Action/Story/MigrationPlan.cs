using Pgd.Action.Inputs;
using Pgd.Libpq;
using Pgd.Migrations;

namespace Pgd.Action.Story;

/// <summary>How this pull request's migrations run, settled before a branch is made: what can go wrong here should cost nothing.</summary>
internal sealed class MigrationPlan
{
    private readonly StoryInputs inputs;
    private readonly Checkout checkout;
    private readonly List<string> added = [];
    private readonly List<string> modified = [];
    private readonly List<string> sources = [];

    private MigrationPlan(StoryInputs inputs, Checkout checkout)
    {
        this.inputs = inputs;
        this.checkout = checkout;
    }

    /// <summary>What stands before a migration file's path in the repository.</summary>
    public string PathPrefix => checkout.Prefix;

    public static async Task<MigrationPlan?> MakeAsync(StoryContext context, CancellationToken cancellationToken)
    {
        var inputs = context.Inputs;
        if (inputs.Migrate is null && inputs.MigrateFiles is null)
            return null;
        var plan = new MigrationPlan(inputs, new Checkout(context.Runner.Workspace, inputs.MigrateWorkingDirectory));
        if (inputs.Migrate is not null && context.PullRequests is { } pulls)
        {
            // Only to say on which line a statement stands: that it cannot be asked fails nothing.
            try
            {
                plan.sources.AddRange((await pulls.ListFilesAsync(context.Pull("up").Number, cancellationToken))
                    .Where(f => f.Change != FileChange.Removed && f.Path.EndsWith(".sql", StringComparison.OrdinalIgnoreCase)).Select(f => plan.checkout.Relative(f.Path)).OfType<string>());
            }
            catch (PgdException e)
            {
                context.Log.Warning($"It is not known which SQL files the pull request changes, so findings name no lines: {e.Message}.");
            }
        }
        else if (inputs is { MigrateFiles: { } pattern, MigrateLedger: null })
        {
            var host = context.PullRequests ?? throw new PgdException(ExitCode.Misuse, "without github-token it is unknown which migration files the pull request adds",
                "Give github-token, or migrate-ledger: schema.table, so that the database says which ones ran.");
            plan.Sort(await host.ListFilesAsync(context.Pull("up").Number, cancellationToken), new FilePattern(pattern));
        }

        return plan;
    }

    public Rehearsal Rehearsal(BranchName branch, ConnectionUrl connection, Action<string> output) => new()
    {
        Branch = branch,
        Connection = connection,
        Deadline = inputs.MigrateDeadline,
        Budget = inputs.Budget,
        Sources = sources,
        Down = inputs.MigrateDown,
        Rerun = inputs.MigrateRerun,
        Command = inputs.Migrate is not { } script ? null : new() { Branch = branch, Connection = connection, Script = script, WorkingDirectory = checkout.WorkingDirectory, Output = output },
        Files = inputs.MigrateFiles is not { } pattern ? null : new()
        {
            Branch = branch,
            Connection = connection,
            WorkingDirectory = checkout.WorkingDirectory,
            Pattern = pattern,
            Ledger = inputs.MigrateLedger,
            Added = added,
            Modified = modified,
            Output = output,
        },
    };

    private void Sort(IEnumerable<ChangedFile> files, FilePattern pattern)
    {
        foreach (var file in files)
        {
            if (file.Change == FileChange.Removed || checkout.Relative(file.Path) is not { } path)
                continue;
            // A migration under a new name is one that ran elsewhere under its old one; a draft that moves in is new.
            var isNew = file.Change == FileChange.Added
                || (file.Change == FileChange.Renamed && !(file.PreviousPath is { } previous && checkout.Relative(previous) is { } old && pattern.Matches(old)));
            (isNew ? added : modified).Add(path);
        }
    }
}
