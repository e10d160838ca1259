using System.Reflection;

namespace Pgd.Testing;

/// <summary>What a test database is made from, and how. What is null is what <c>pgd.yml</c> in the repository says.</summary>
public sealed record PgdDatabaseSettings
{
    /// <summary>The project.</summary>
    public string? Project { get; init; }

    /// <summary>The branch to take the data from, or a snapshot of it as <c>BRANCH@LABEL</c>; <c>main</c> by default.</summary>
    public string? From { get; init; }

    /// <summary>The database; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>The role that tests connect as; null for the database's owner.</summary>
    public string? Role { get; init; }

    /// <summary>SQL files to run once, as a glob such as <c>db/migrations/*.sql</c>. A change in one of them makes everything anew.</summary>
    public string? MigrationFiles { get; init; }

    /// <summary>A table <c>schema.table</c> that records which of them ran, for data on which some have.</summary>
    public string? Ledger { get; init; }

    /// <summary>
    /// What migrates in code, once, with the connection string of the database: <c>Database.MigrateAsync</c> of Entity Framework Core, DbUp, … A change in its assembly, or in one of
    /// <see cref="DependsOn"/>, makes everything anew. It goes before <see cref="MigrationFiles"/> of <c>pgd.yml</c>.
    /// </summary>
    public Func<string, CancellationToken, Task>? Migrate { get; init; }

    /// <summary>The assemblies that hold the migrations which <see cref="Migrate"/> runs, where they are not in its own.</summary>
    public IReadOnlyList<Assembly> DependsOn { get; init; } = [];

    /// <summary>What else the data depends on, as a text: with another one it is made anew. Needed where <see cref="Migrate"/> is of an object with a state of its own, or captures variables.</summary>
    public string? Key { get; init; }

    /// <summary>SQL files that run before anyone can connect; null for those of <c>pgd.yml</c>.</summary>
    public IReadOnlyList<string>? Anonymize { get; init; }

    /// <summary>What tests share.</summary>
    public PgdIsolation Isolation { get; init; }

    /// <summary>How old the migrated data may be before it is taken and migrated anew.</summary>
    public TimeSpan Age { get; init; } = TimeSpan.FromDays(1);

    /// <summary>The folder that paths start from; null for the nearest one above the tests' assembly with a <c>pgd.yml</c> or a <c>.git</c> in it.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The folder that holds all projects; null for what the machine's configuration or <c>PGD_ROOT</c> says.</summary>
    public string? Root { get; init; }
}

/// <summary>What test databases share with each other.</summary>
public enum PgdIsolation
{
    /// <summary>One server for all of a process, and in it a database for each use: tens of milliseconds. Roles and settings of the server are shared.</summary>
    Database,

    /// <summary>A whole server for each use, as a branch: for tests that make roles, change settings, or stop the server.</summary>
    Branch,
}
