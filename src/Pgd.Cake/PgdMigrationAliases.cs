using Cake.Core;
using Cake.Core.Annotations;
using Cake.Core.Diagnostics;
using Cake.Core.IO;
using Pgd;
using Pgd.Action.Reports;
using Pgd.Configuration;
using Pgd.Migrations;

namespace Cake.Pgd;

/// <summary>Migrations: tried on a branch's real data, with what they would do to production.</summary>
[CakeAliasCategory("Pgd")]
[CakeNamespaceImport("Pgd")]
[CakeNamespaceImport("Pgd.Lint")]
[CakeNamespaceImport("Pgd.Migrations")]
public static class PgdMigrationAliases
{
    /// <summary>Runs a migration on a branch and tells what it did: statements, locks, rewrites, write-ahead log, schema. The branch's server is restarted before and after.</summary>
    /// <param name="context">The build.</param>
    /// <param name="branch">The branch's full name, <c>project/branch</c>; never a project's first.</param>
    /// <param name="settings">What to run, and what it may cost.</param>
    /// <returns>What it did.</returns>
    /// <exception cref="CakeException">It failed (exit code 8) or exceeds a budget (9), unless <see cref="PgdMigrateSettings.FailsBuild"/> says otherwise; or it could not be tried.</exception>
    /// <example><code>PgdMigrate("shop/build", new PgdMigrateSettings { Files = "db/migrations/*.sql", Report = "artifacts/migration" });</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Migrations")]
    public static MigrationReport PgdMigrate(this ICakeContext context, string branch, PgdMigrateSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return PgdSession.Run(context, settings, async session =>
        {
            if (settings.Command is null == settings.Files is null)
                throw new PgdException(ExitCode.Misuse, settings.Command is null ? "PgdMigrateSettings says neither Command nor Files" : "PgdMigrateSettings says both Command and Files", "Give one of them.");
            if (settings.Files is not null && (settings.Down is not null || settings.Rerun))
                throw new PgdException(ExitCode.Misuse, $"PgdMigrateSettings.{(settings.Down is not null ? "Down" : "Rerun")} is about a Command", "Of files, NAME.down.sql takes NAME.sql back, and those that ran do not run again.");
            var name = BranchName.Parse(branch);
            var connection = await session.Workspace.Branches.ConnectAsync(name, settings.Database, settings.Role, CancellationToken.None).ConfigureAwait(false);
            var folder = settings.WorkingDirectory?.MakeAbsolute(context.Environment).FullPath ?? session.WorkingDirectory;
            void Hear(string line) => context.Log.Information("{0}", PlainText.Clean(line));
            var report = await session.Workspace.Migrations.RehearseAsync(new()
            {
                Branch = name,
                Connection = connection,
                Down = settings.Down,
                Rerun = settings.Rerun,
                Deadline = settings.Deadline,
                Budget = settings.Budget ?? RepositoryFile.Load(session.WorkingDirectory).Budget,
                Command = settings.Command is not { } script ? null : new() { Branch = name, Connection = connection, Script = script, WorkingDirectory = folder, Output = Hear },
                Files = settings.Files is not { } files ? null : new() { Branch = name, Connection = connection, WorkingDirectory = folder, Pattern = files, Ledger = settings.Ledger, Added = null, Output = Hear },
            }, CancellationToken.None).ConfigureAwait(false);
            if (settings.Report is { } reports)
                await RehearsalFiles.WriteAsync(report, reports.MakeAbsolute(context.Environment).FullPath, CancellationToken.None).ConfigureAwait(false);
            var verdict = RehearsalText.Verdict(report);
            if (settings.FailsBuild && report.ExitCode != ExitCode.Done)
                throw new PgdException(report.ExitCode, report.Run.Error is { } error ? $"{verdict}: {error.Message}" : verdict, string.Join(" ", report.Exceeded.Select(e => $"{e.Name} {e.Limit}: {e.Actual} ({e.Where}).")) is { Length: > 0 } why ? why : null);
            context.Log.Information("{0}", verdict);
            return report;
        });
    }

    /// <summary>Writes what a migration did as <c>report.json</c>, <c>report.md</c> and a <c>report.html</c> that needs nothing else.</summary>
    /// <param name="context">The build.</param>
    /// <param name="report">What it did.</param>
    /// <param name="folder">Where to; made if it is not there.</param>
    /// <exception cref="CakeException">The folder cannot be written to. The exit code is pgd's.</exception>
    /// <example><code>PgdMigrationReport(report, "artifacts/migration");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Migrations")]
    public static void PgdMigrationReport(this ICakeContext context, MigrationReport report, DirectoryPath folder)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(folder);
        try
        {
            RehearsalFiles.WriteAsync(report, folder.MakeAbsolute(context.Environment).FullPath, CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CakeException((int)ExitCode.Failed, $"the report cannot be written to {folder}: {e.Message}", e);
        }
    }
}
