using Pgd.Migrations;
using Pgd.State;
using Xunit;

namespace Pgd.IntegrationTests.Migrations;

/// <summary>Somebody resets a branch by hand at the worst moment of a run: a file is committed, and not yet written down.</summary>
public sealed class ResetMeanwhile
{
    [Fact]
    public async Task A_file_that_ran_just_before_a_reset_counts_as_not_run_on_the_new_data()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var dev = await root.MakeAsync("dev");
        using var runs = new Runs(await root.Workspace.Branches.ConnectAsync(dev.Name, null, null, default)).Write("1.sql", "create table added ()");
        var files = new MigrationFiles
        {
            Branch = dev.Name,
            Connection = await root.Workspace.Branches.ConnectAsync(dev.Name, null, null, default),
            WorkingDirectory = runs.Folder,
            Pattern = "*.sql",
            Added = ["1.sql"],
            Output = _ => { },
        };

        var error = await Assert.ThrowsAsync<PgdException>(() => new Pgd.Migrations.Migrations(new ResetBefore(root.Workspace), TimeProvider.System).RunFilesAsync(files, default));

        Assert.Contains("was reset while 1.sql ran", error.Message, StringComparison.Ordinal);
        Assert.Contains("dotnet pgd branch reset shop/dev", error.Hint, StringComparison.Ordinal);
        var again = await root.Workspace.Migrations.RunFilesAsync(files, default);
        Assert.Equal("1.sql", Assert.Single(again.Files).Path);
        Assert.Equal("1", await root.SqlAsync(dev.Name, "select count(*) from pg_class where relname = 'added'"));
    }

    private sealed class ResetBefore(Workspace workspace) : IAppliedFiles
    {
        private readonly AppliedFiles _record = new(workspace);

        public Task<Applied> ReadAsync(BranchName branch, CancellationToken cancellationToken) => _record.ReadAsync(branch, cancellationToken);

        public async Task AppendAsync(BranchName branch, Applied since, AppliedMigration file, CancellationToken cancellationToken)
        {
            await workspace.Branches.ResetAsync(new() { Name = branch }, cancellationToken);
            await _record.AppendAsync(branch, since, file, cancellationToken);
        }
    }
}
