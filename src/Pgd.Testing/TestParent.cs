using System.Collections.Concurrent;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Pgd.Configuration;
using Pgd.Libpq;
using Pgd.Migrations;

namespace Pgd.Testing;

/// <summary>What databases of the same settings are made from: a migrated branch, and where they share a server, one branch of that.</summary>
internal sealed class TestParent
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<TestParent>>> Known = new(StringComparer.Ordinal);

    private static int _servers;

    // Should it be killed and nobody start again: the collection of old branches ends it.
    private static readonly TimeSpan LongestRun = TimeSpan.FromDays(1);

    private readonly TestProcess _process;
    private readonly Branch _prepared;
    private readonly IReadOnlyList<string>? _roles;
    private readonly Plan _plan;
    // Of the shared server, and of the database in it that the others are made from; null where each has a server of its own.
    private readonly ConnectionUrl? _shared;
    private readonly BranchName? _server;

    private TestParent(TestProcess process, Plan plan, Branch prepared, BranchName? server, ConnectionUrl? shared)
    {
        (_process, _plan, _prepared, _server, _shared) = (process, plan, prepared, server, shared);
        _roles = plan.Roles;
    }

    /// <summary>The one for these settings, made by the first who asks; who asks later gets the same, or the same failure.</summary>
    public static Task<TestParent> OfAsync(PgdDatabaseSettings settings)
    {
        var plan = Plan.Of(settings);
        var key = KeyOf(plan, settings);
        return Known.GetOrAdd(key, _ => new(() => Task.Run(async () =>
        {
            try
            {
                return await MakeAsync(TestProcess.Of(settings.Root), plan, settings.Isolation).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode is not (ExitCode.Misuse or ExitCode.NotFound or ExitCode.MigrationFailed))
            {
                // What may pass, such as a full disk, is tried again by the next one.
                Known.TryRemove(key, out var _);
                throw;
            }
        }))).Value;
    }

    /// <summary>Has it made anew for the next one who asks.</summary>
    public static void Forget(PgdDatabaseSettings settings) => Known.TryRemove(KeyOf(Plan.Of(settings), settings), out _);

    private static string KeyOf(Plan plan, PgdDatabaseSettings settings) => $"{plan.Key}/{settings.Isolation}/{settings.Root}";

    public async Task<ConnectionUrl> MakeAsync(string name, CancellationToken cancellationToken)
    {
        if (_shared is not null)
        {
            await CopyAsync(name, cancellationToken).ConfigureAwait(false);
            return _shared with { Database = name };
        }

        var branch = OwnBranch(name);
        await _process.Workspace.Branches.CreateAsync(new() { Name = branch, From = _prepared.Name.Branch, TimeToLive = LongestRun, Roles = _roles, Volatile = true, Lease = _process.Lease }, cancellationToken).ConfigureAwait(false);
        return await _process.Workspace.Branches.ConnectAsync(branch, _plan.Database, _plan.Role, cancellationToken).ConfigureAwait(false);
    }

    public async Task RemakeAsync(string name, CancellationToken cancellationToken)
    {
        if (_shared is null)
        {
            await _process.Workspace.Branches.ResetAsync(new() { Name = OwnBranch(name) }, cancellationToken).ConfigureAwait(false);
            return;
        }

        await DropAsync(name, cancellationToken).ConfigureAwait(false);
        await CopyAsync(name, cancellationToken).ConfigureAwait(false);
    }

    public Task DeleteAsync(string name) => _shared is not null ? DropAsync(name, CancellationToken.None)
        : _process.Workspace.Branches.DeleteAsync(OwnBranch(name), ifExists: true, withSnapshots: true, CancellationToken.None);

    private static async Task<TestParent> MakeAsync(TestProcess process, Plan plan, PgdIsolation isolation)
    {
        var branches = process.Workspace.Branches;
        var prepared = await branches.PrepareAsync(new()
        {
            Project = plan.Project,
            Name = "test",
            Key = plan.Key,
            Age = plan.Age,
            From = plan.From,
            Snapshot = plan.Snapshot,
            Anonymization = plan.Anonymization,
            Roles = plan.Roles,
        }, (branch, cancellationToken) => MigrateAsync(process.Workspace, plan, branch, cancellationToken), CancellationToken.None).ConfigureAwait(false);
        if (isolation == PgdIsolation.Branch)
            return new(process, plan, prepared, null, null);

        var server = Own(prepared, process, $"server-{Interlocked.Increment(ref _servers)}");
        await branches.CreateAsync(new() { Name = server, From = prepared.Name.Branch, TimeToLive = LongestRun, Roles = plan.Roles, Volatile = true, Lease = process.Lease }, CancellationToken.None).ConfigureAwait(false);
        var shared = await branches.ConnectAsync(server, plan.Database, plan.Role, CancellationToken.None).ConfigureAwait(false);
        return new(process, plan, prepared, server, shared);
    }

    private static async Task MigrateAsync(Workspace workspace, Plan plan, Branch branch, CancellationToken cancellationToken)
    {
        var connection = await workspace.Branches.ConnectAsync(branch.Name, plan.Database, plan.Role, cancellationToken).ConfigureAwait(false);
        if (plan.Migrate is { } migrate)
        {
            var connectionString = connection.Format(UrlFormat.Npgsql);
            await migrate(connectionString, cancellationToken).ConfigureAwait(false);
            using var pooled = new NpgsqlConnection(connectionString);
            NpgsqlConnection.ClearPool(pooled);
        }

        if (plan.MigrationFiles is not { } pattern)
            return;
        var run = await workspace.Migrations.RunFilesAsync(new() { Branch = branch.Name, Connection = connection, WorkingDirectory = plan.WorkingDirectory, Pattern = pattern, Ledger = plan.Ledger, Added = null, Output = static _ => { } }, cancellationToken).ConfigureAwait(false);
        if (run.Error is { } error)
            throw new PgdException(ExitCode.MigrationFailed, $"the migration {run.Files[^1].Path} failed{(error.Line is { } line ? $" in line {line}" : "")}: {error.Message}", "No test database was made.");
    }

    private Task<DatabaseBranched> CopyAsync(string name, CancellationToken cancellationToken) =>
        _process.Workspace.Databases.BranchAsync(new() { Template = new(_server!, _shared!.Database!), Name = name, Measure = false }, cancellationToken);

    private Task<bool> DropAsync(string name, CancellationToken cancellationToken) => _process.Workspace.Databases.DropAsync(new(_server!, name), cancellationToken);

    private BranchName OwnBranch(string name) => Own(_prepared, _process, name.Replace('_', '-'));

    private static BranchName Own(Branch prepared, TestProcess process, string name) => BranchName.Of(prepared.Name.Project, $"{prepared.Name.Branch}-{process.Lease.Id}-{name}");
}

/// <summary>Settings, with what is not said from <c>pgd.yml</c>.</summary>
internal sealed record Plan
{
    public required string Project { get; init; }

    public required string Key { get; init; }

    public required string? From { get; init; }

    public required string? Snapshot { get; init; }

    public required string? Database { get; init; }

    public required string? Role { get; init; }

    public required string WorkingDirectory { get; init; }

    public required string? MigrationFiles { get; init; }

    public required string? Ledger { get; init; }

    public required Func<string, CancellationToken, Task>? Migrate { get; init; }

    public required Anonymization? Anonymization { get; init; }

    public required TimeSpan Age { get; init; }

    public required IReadOnlyList<string> Kept { get; init; }

    /// <summary>The roles that may log in.</summary>
    public IReadOnlyList<string>? Roles => Role is null || Kept.Contains(Role) ? (Kept.Count == 0 ? null : Kept) : [.. Kept, Role];

    /// <exception cref="PgdException">It is not said which project is meant, or a file is missing (<see cref="ExitCode.Misuse"/>).</exception>
    public static Plan Of(PgdDatabaseSettings settings)
    {
        var folder = settings.WorkingDirectory is { } said ? Path.GetFullPath(said) : Top();
        var repository = RepositoryFile.Load(folder);
        var project = settings.Project ?? repository.Project
            ?? throw new PgdException(ExitCode.Misuse, "it is not said which project test databases are made from", "Set PgdDatabaseSettings.Project, or write project: NAME into pgd.yml.");
        if (settings.Migrate is null && settings.MigrationFiles is null && repository.Migrations is { Command: not null, Files: null })
            throw new PgdException(ExitCode.Misuse, "pgd.yml has a command that migrates, and test databases are migrated by files or in code", "Set PgdDatabaseSettings.Migrate or MigrationFiles.");
        var files = settings.MigrationFiles ?? (settings.Migrate is null ? repository.Migrations.Files : null);
        var workingDirectory = settings.MigrationFiles is null && repository.Migrations.WorkingDirectory is { } below ? Path.GetFullPath(below, folder) : folder;
        var (from, snapshot) = (settings.From ?? repository.Parent)?.Split('@', 2) switch { [var branch, var label] => (branch, label), [var branch] => (branch, (string?)null), _ => ((string?)null, null) };
        var anonymize = settings.Anonymize ?? repository.Anonymize;
        var plan = new Plan
        {
            Project = project,
            Key = "",
            From = from,
            Snapshot = snapshot,
            Database = settings.Database ?? repository.Database,
            Role = settings.Role ?? repository.Role,
            WorkingDirectory = workingDirectory,
            MigrationFiles = files,
            Ledger = settings.Ledger ?? (settings.MigrationFiles is null ? repository.Migrations.Ledger : null),
            Migrate = settings.Migrate,
            Anonymization = anonymize.Count == 0 ? null : new() { Files = [.. anonymize.Select(file => Path.GetFullPath(file, folder))], Database = settings.Database ?? repository.Database },
            Age = settings.Age,
            Kept = repository.Roles,
        };
        return plan with { Key = plan.Digest(settings) };
    }

    private string Digest(PgdDatabaseSettings settings)
    {
        List<string?> parts = [settings.Key, Project, From, Snapshot, Database, Role, string.Join(',', Kept), Ledger, MigrationFiles is null ? null : Pgd.Migrations.Migrations.Digest(WorkingDirectory, MigrationFiles)];
        if (Migrate is { } migrate)
        {
            if (settings.Key is null && migrate.Target?.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Length > 0)
                throw new PgdException(ExitCode.Misuse, $"PgdDatabaseSettings.Migrate is {migrate.Method.Name} of an object with a state of its own, which tells nobody whether it migrates as another one does", "Say what it depends on with PgdDatabaseSettings.Key; or use a static method, or a lambda that captures nothing.");
            // A module has another identity whenever it is compiled from something else.
            IEnumerable<Type> types = [.. migrate.Method.GetGenericArguments(), .. migrate.Method.DeclaringType?.GetGenericArguments() ?? [], .. migrate.Method.DeclaringType is { } declaring ? new[] { declaring } : []];
            parts.AddRange([.. settings.DependsOn.Select(assembly => assembly.ManifestModule).Concat(types.Select(type => type.Module)).Append(migrate.Method.Module).Select(module => module.ModuleVersionId.ToString()).Distinct().Order(StringComparer.Ordinal), .. types.Select(type => type.AssemblyQualifiedName), migrate.Method.Name]);
        }

        foreach (var file in Anonymization?.Files ?? [])
            parts.Add(File.Exists(file) ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))) : throw new PgdException(ExitCode.Misuse, $"the anonymization file {file} does not exist", "Paths start from PgdDatabaseSettings.WorkingDirectory."));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts.Select(part => part ?? "-")))))[..32];
    }

    // The nearest folder that is a repository's, from where the tests were built to.
    private static string Top()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "pgd.yml")) || Path.Exists(Path.Combine(folder.FullName, ".git")))
                return folder.FullName;
        }

        return Environment.CurrentDirectory;
    }
}
