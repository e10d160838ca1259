using System.Collections.Concurrent;
using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.State;

namespace Pgd.IntegrationTests.Migrations;

/// <summary>A folder of migration files and everything needed to run them on a database.</summary>
internal sealed class Runs(ConnectionUrl connection) : IAppliedFiles, IDisposable
{
    private readonly List<AppliedMigration> applied = [];

    public string Folder { get; } = Directory.CreateTempSubdirectory("pgm").FullName;

    public ConcurrentQueue<string> Output { get; } = new();

    public List<string> Modified { get; } = [];

    public Runs Write(string name, string sql)
    {
        var file = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, sql);
        return this;
    }

    public Task<MigrationRun> AllAddedAsync(CancellationToken cancellationToken = default) =>
        FilesAsync(null, [.. Directory.EnumerateFiles(Folder, "*.sql", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Folder, file))], cancellationToken);

    public Task<MigrationRun> FilesAsync(string? ledger, string[]? added = null, CancellationToken cancellationToken = default) =>
        new Pgd.Migrations.Migrations(this, TimeProvider.System).RunFilesAsync(new MigrationFiles
        {
            Branch = BranchName.Parse("prod/pr-1"),
            Connection = connection,
            WorkingDirectory = Folder,
            Pattern = "**/*.sql",
            Ledger = ledger,
            Added = added ?? [],
            Modified = Modified,
            Output = Output.Enqueue,
        }, cancellationToken);

    public Task<MigrationRun> CommandAsync(string script, CancellationToken cancellationToken = default) =>
        new Pgd.Migrations.Migrations(this, TimeProvider.System).RunCommandAsync(new MigrationCommand
        {
            Branch = BranchName.Parse("prod/pr-1"),
            Connection = connection,
            Script = script,
            WorkingDirectory = Folder,
            Output = Output.Enqueue,
        }, cancellationToken);

    public Task<Applied> ReadAsync(BranchName branch, CancellationToken cancellationToken) =>
        Task.FromResult(new Applied("", 1, [.. applied]));

    public Task AppendAsync(BranchName branch, Applied since, AppliedMigration file, CancellationToken cancellationToken)
    {
        applied.Add(file);
        return Task.CompletedTask;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
