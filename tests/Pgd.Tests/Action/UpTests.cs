using System.Text.Json;
using Pgd.Action;
using Pgd.Action.Inputs;
using Pgd.Migrations;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class UpTests : IDisposable
{
    private readonly StoryStage stage = new();

    private static MigrationRun Failed => new()
    {
        Duration = TimeSpan.FromSeconds(2),
        Files = [new() { Path = "db/2.sql", Sha256 = "", Duration = TimeSpan.FromSeconds(2), Statements = 1, Transaction = true, Succeeded = false }],
        Error = new() { Message = "relation \"t\" does not exist", File = "db/2.sql", Line = 3, SqlState = "42P01", Statement = "drop table t" },
    };

    public void Dispose() => stage.Dispose();

    [Theory]
    [InlineData("opened", -60, false)]
    [InlineData("opened", 0, false)]
    [InlineData("synchronize", -1, false)]
    [InlineData("reopened", -1, false)]
    [InlineData("reopened", 0, true)]
    [InlineData("reopened", 5, true)]
    [InlineData("synchronize", 9, true)]
    public async Task Where_nobody_can_be_asked_an_event_from_before_the_closing_makes_no_branch(string action, int seconds, bool makes)
    {
        stage.HasToken = false;
        stage.Event = StoryStage.OnPullRequest("closed", at: FakeEngine.Now);
        await stage.PlayAsync();
        stage.Event = StoryStage.OnPullRequest(action, at: FakeEngine.Now.AddSeconds(seconds));

        var result = await stage.PlayAsync();

        Assert.Equal(makes ? 1 : 0, stage.Engine.Branches.Count);
        Assert.Equal(makes ? null : "Pull request 42 was closed after this event: it gets no database branch", makes ? null : result.Text);
    }

    [Fact]
    public async Task An_opened_pull_request_gets_a_branch_outputs_and_a_comment()
    {
        var result = await stage.PlayAsync();

        var up = Assert.Single(stage.Engine.Ups);
        Assert.Equal(("shop", 42, StoryStage.RepositoryId, StoryStage.Sha), (up.Project, up.PullRequest.Number, up.PullRequest.RepositoryId, up.PullRequest.HeadSha));
        Assert.Equal((false, TimeSpan.FromDays(7)), (up.Keep, up.TimeToLive));
        Assert.Equal((StoryOutcome.Created, ExitCode.Done, "shop/pr-42"), (result.Outcome, result.ExitCode, result.Branch));
        Assert.Equal("shop/pr-42 is ready\n", stage.Output);
        var outputs = stage.Outputs();
        Assert.Equal(
            ["branch", "comment-url", "created", "database", "env-file", "expires-at", "host", "port", "report-file", "url", "user"], outputs.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("shop/pr-42", "true", "127.0.0.1", "21003", "shop", "shop"),
            (outputs["branch"], outputs["created"], outputs["host"], outputs["port"], outputs["database"], outputs["user"]));
        Assert.Equal("2026-03-08T12:00:00Z", outputs["expires-at"]);
        Assert.Contains($":{FakeEngine.Password}@127.0.0.1:21003/shop", outputs["url"], StringComparison.Ordinal);
        Assert.Equal(Assert.Single(stage.Host.Comments).Url, outputs["comment-url"]);
    }

    [Fact]
    public async Task The_password_is_masked_before_anything_else_and_told_nowhere()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Engine.Prints = [$"connecting with {FakeEngine.Password}"];

        var result = await stage.PlayAsync();

        var lines = stage.Log.Split('\n');
        var masks = lines.TakeWhile(l => l.StartsWith("::add-mask::", StringComparison.Ordinal)).ToArray();
        Assert.Contains($"::add-mask::{FakeEngine.Password}", masks);
        Assert.Contains(masks, m => m.Contains("postgresql://", StringComparison.Ordinal));
        Assert.Contains(masks, m => m.Contains("jdbc:postgresql://", StringComparison.Ordinal));
        Assert.Contains(masks, m => m.Contains("Host=", StringComparison.Ordinal));
        foreach (var told in new[] { stage.Summary, stage.Output, result.ToJson(), stage.Host.Comments[0].Body })
            Assert.DoesNotContain(FakeEngine.Password, told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_env_file_is_for_its_owner_alone_even_if_one_was_there_before()
    {
        var file = Path.Combine(stage.Runner.TemporaryFolder!, "pgd-shop-pr-42.env");
        Directory.CreateDirectory(stage.Runner.TemporaryFolder!);
        File.WriteAllText(file, "old");

        var result = await stage.PlayAsync();

        Assert.Equal(file, result.EnvFile);
        var content = File.ReadAllText(file);
        Assert.Contains("PGPASSWORD=", content, StringComparison.Ordinal);
        Assert.Contains("DATABASE_URL=", content, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task The_report_file_is_the_result_as_json()
    {
        var result = await stage.PlayAsync();

        var json = JsonDocument.Parse(File.ReadAllText(result.ReportFile!)).RootElement;
        Assert.Equal(("Up", "Created", "shop/pr-42"), (json.GetProperty("verb").GetString(), json.GetProperty("outcome").GetString(), json.GetProperty("branch").GetString()));
        Assert.Equal(result.ReportFile, stage.Outputs()["report-file"]);
    }

    [Fact]
    public async Task What_a_migration_prints_cannot_command_the_runner()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Engine.Prints = ["::set-env name=PATH::/evil", "::endgroup::"];

        await stage.PlayAsync();

        var lines = stage.Log.Split('\n').SkipWhile(l => !l.StartsWith("::group::", StringComparison.Ordinal)).ToArray();
        Assert.Equal("::group::Migrations on shop/pr-42", lines[0]);
        var token = lines[1]["::stop-commands::".Length..];
        Assert.Equal(32, token.Length);
        Assert.Equal(["::set-env name=PATH::/evil", "::endgroup::", $"::{token}::", "::endgroup::"], lines[2..6]);
    }

    [Fact]
    public async Task Outside_of_GitHub_nothing_looks_like_a_workflow_command()
    {
        stage.Runner = stage.Runner with { IsGitHubActions = false };
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Engine.Prints = ["\u001B[31mred\u001B[0m"];
        stage.Engine.Run = Failed;

        await stage.PlayAsync();

        Assert.Equal("Migrations on shop/pr-42\n  red\nerror: A migration failed on shop/pr-42 (db/2.sql:3): relation \"t\" does not exist (SQLSTATE 42P01)\n", stage.Log);
    }

    [Fact]
    public async Task A_failed_migration_ends_with_8_after_everybody_was_told_and_its_branch_goes()
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql" };
        stage.Engine.Run = Failed;

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.MigrationFailed, true), (result.ExitCode, result.DeletedAfterFailure));
        Assert.Equal("shop/pr-42", Assert.Single(stage.Engine.Deletes).ToString());
        Assert.Contains("::error file=db/2.sql,line=3,title=A migration failed on shop/pr-42::relation \"t\" does not exist (SQLSTATE 42P01)\n", stage.Log, StringComparison.Ordinal);
        Assert.Equal(["branch", "comment-url", "created", "migration", "migration-report", "report-file"], stage.Outputs().Keys.Order(StringComparer.Ordinal));
        Assert.Contains("was deleted with its failed migration", Assert.Single(stage.Host.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_migrations_branch_stays_when_asked()
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql", KeepOnFailure = true };
        stage.Engine.Run = Failed;

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.MigrationFailed, false), (result.ExitCode, result.DeletedAfterFailure));
        Assert.Empty(stage.Engine.Deletes);
        Assert.Equal("21003", stage.Outputs()["port"]);
        Assert.Contains("is kept as the failure left it", stage.Host.Comments[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_branch_whose_data_was_kept_outlives_a_failed_migration()
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql", OnPush = OnPush.Keep };
        stage.Engine.Created = false;
        stage.Engine.Run = Failed;

        await stage.PlayAsync();

        Assert.True(Assert.Single(stage.Engine.Ups).Keep);
        Assert.Empty(stage.Engine.Deletes);
    }

    [Fact]
    public async Task The_files_that_the_pull_request_adds_are_told_relative_to_the_working_directory()
    {
        stage.Write("backend/db/3.sql");
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql", MigrateWorkingDirectory = "backend" };
        stage.Host.Files.AddRange([
            new("backend/db/3.sql", FileChange.Added),
            new("backend/db/2.sql", FileChange.Modified),
            new("backend/db/1.sql", FileChange.Removed),
            new("backend/db/4.sql", FileChange.Renamed, "backend/drafts/4.sql"),
            new("backend/db/5.sql", FileChange.Renamed, "backend/db/05.sql"),
            new("db/9.sql", FileChange.Added),
        ]);

        await stage.PlayAsync();

        var files = stage.Engine.Rehearsal!.Files!;
        Assert.Equal(["db/3.sql", "db/4.sql"], files.Added);
        Assert.Equal(["db/2.sql", "db/5.sql"], files.Modified);
        Assert.Equal(Path.Combine(stage.Workspace, "backend"), files.WorkingDirectory);
    }

    [Fact]
    public async Task With_a_ledger_the_host_is_not_asked_for_files()
    {
        stage.Host.Files.Add(new("db/1.sql", FileChange.Added));
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql", MigrateLedger = "public.ledger" };

        await stage.PlayAsync();

        Assert.Equal(("public.ledger", 0), (stage.Engine.Rehearsal!.Files!.Ledger, stage.Engine.Rehearsal.Files.Added!.Count));
    }

    [Fact]
    public async Task Anonymization_files_are_found_in_the_checkout()
    {
        stage.Write("privacy/b.sql");
        stage.Write("privacy/a.sql");
        stage.Write("first.sql");
        stage.Inputs = stage.Inputs with { Anonymize = ["first.sql", "privacy/*.sql"], Database = "shop" };

        await stage.PlayAsync();

        var anonymization = Assert.Single(stage.Engine.Ups).Anonymization!;
        Assert.Equal(["first.sql", "privacy/a.sql", "privacy/b.sql"], anonymization.Files.Select(f => Path.GetRelativePath(stage.Workspace, f)));
        Assert.Equal("shop", anonymization.Database);
    }

    [Fact]
    public async Task Anonymization_files_of_the_runners_owner_may_lie_elsewhere()
    {
        var folder = Directory.CreateDirectory(Path.Combine(stage.Runner.TemporaryFolder!, "owner")).FullName;
        File.WriteAllText(Path.Combine(folder, "1.sql"), "select 1;");
        stage.Inputs = stage.Inputs with { Anonymize = [Path.Combine(folder, "*.sql")] };

        await stage.PlayAsync();

        Assert.Equal([Path.Combine(folder, "1.sql")], Assert.Single(stage.Engine.Ups).Anonymization!.Files);
    }

    [Theory]
    [InlineData("missing.sql")]
    [InlineData("missing/*.sql")]
    public async Task An_anonymization_that_is_missing_is_an_error_and_no_branch_is_made(string name)
    {
        stage.Inputs = stage.Inputs with { Anonymize = [name] };

        var error = await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync());

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Empty(stage.Engine.Ups);
    }

    [Fact]
    public async Task A_working_directory_that_is_missing_is_an_error_and_no_branch_is_made()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make", MigrateWorkingDirectory = "nowhere" };

        Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync())).ExitCode);
        Assert.Empty(stage.Engine.Ups);
    }

    [Fact]
    public async Task Without_a_project_it_is_said_where_to_name_one()
    {
        stage.Inputs = new();

        Assert.Contains("pgd.yml", (await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync())).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_no_branch_can_be_made_the_comment_says_so_and_the_error_goes_on()
    {
        stage.Engine.UpFailure = new(ExitCode.NoRoom, "There is no free port in 21000-21999", "Delete a branch: dotnet pgd branch delete NAME");

        Assert.Equal(ExitCode.NoRoom, (await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync())).ExitCode);

        Assert.Contains("No database branch could be made in `shop`", Assert.Single(stage.Host.Comments).Body, StringComparison.Ordinal);
        Assert.Contains("There is no free port", stage.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_right_to_comment_the_job_goes_on_with_a_warning_and_the_summary()
    {
        stage.Host.CommentFailure = new(ExitCode.Failed, "The token in github-token may not do this", "Give the job the permission pull-requests: write.");

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.Done, null), (result.ExitCode, result.CommentUrl));
        Assert.Contains("::warning::No comment on the pull request: The token in github-token may not do this. Give the job the permission pull-requests: write. The step summary has it all.", stage.Log, StringComparison.Ordinal);
        Assert.Contains("`shop/pr-42` is ready", stage.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrations_that_exceed_a_budget_end_with_9_and_leave_the_branch()
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql", Budget = new() { MaxExclusiveLock = TimeSpan.FromSeconds(2) } };
        stage.Engine.Traced = Reports.Heavy;
        stage.Engine.Exceeded = Reports.Heavy.Exceeded;

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.BudgetExceeded, false), (result.ExitCode, result.DeletedAfterFailure));
        Assert.Equal(TimeSpan.FromSeconds(2), stage.Engine.Rehearsal!.Budget.MaxExclusiveLock);
        Assert.Empty(stage.Engine.Deletes);
        Assert.Equal("over-budget", stage.Outputs()["migration"]);
        Assert.Equal(["report.html", "report.json", "report.md"], Directory.GetFiles(stage.Outputs()["migration-report"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.StartsWith("### ❌", Assert.Single(stage.Host.Comments).Body.Split('\n')[1], StringComparison.Ordinal);
        Assert.Contains("::error title=Over budget%3A max-exclusive-lock::71.4 s, 69.4 s too long; 2.00 s is allowed (public.orders)\n", stage.Log, StringComparison.Ordinal);
        Assert.Contains("::error file=db/0007_orders_status.sql,line=2,title=type-change::public.orders is written anew (2.5 GB) while nobody can read it. ", stage.Log, StringComparison.Ordinal);
        // It may.
        Assert.DoesNotContain("drop-column", stage.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Migrations_whose_way_back_or_second_run_fails_fail_the_job_and_leave_the_branch(bool wayBack)
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate", MigrateDown = "make back", MigrateRerun = true };
        stage.Engine.Traced = Reports.Heavy with { Exceeded = [], Rollback = wayBack ? new() { Problem = "there is no free port" } : null, Rerun = wayBack ? null : new() { Problem = "there is no free port" } };

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.MigrationFailed, false), (result.ExitCode, result.DeletedAfterFailure));
        Assert.Empty(stage.Engine.Deletes);
        Assert.Equal(("failed", "21003"), (stage.Outputs()["migration"], stage.Outputs()["port"]));
        Assert.False(Assert.Single(stage.Host.Statuses).Status.Succeeded);
        Assert.Contains($"::error title={(wayBack ? "The way back" : "Run again")}::could not be tried: there is no free port\n", stage.Log, StringComparison.Ordinal);
        Assert.StartsWith("### ❌", Assert.Single(stage.Host.Comments).Body.Split('\n')[1], StringComparison.Ordinal);
        Assert.True(stage.Engine.Rehearsal!.IsDeletedWhenCanceled);
    }

    [Fact]
    public async Task Files_that_cannot_be_asked_for_only_leave_the_lines_out_where_a_command_migrates()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Host.FilesFailure = new(ExitCode.Failed, "pull request 42 changes 3000 files or more");

        var result = await stage.PlayAsync();

        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains("findings name no lines: pull request 42 changes 3000 files or more.", stage.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task The_commit_is_marked_with_what_came_of_its_migrations(bool succeeds, bool marked)
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql" };
        if (!succeeds)
            stage.Engine.Run = Failed;

        await stage.PlayAsync();

        var (sha, status) = Assert.Single(stage.Host.Statuses);
        Assert.Equal((StoryStage.Sha, "pgd/migration", marked, stage.Runner.RunUrl), (sha, status.Context, status.Succeeded, status.Url));
        Assert.Equal(succeeds ? "shop/pr-42 is ready, without a migration to run" : "db/2.sql failed on shop/pr-42", status.Description);
    }

    [Fact]
    public async Task Migrations_that_could_not_be_tried_mark_the_commit_too()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Engine.UpFailure = new(ExitCode.NoRoom, "There is no free port in 21000-21999");

        await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync());

        Assert.False(Assert.Single(stage.Host.Statuses).Status.Succeeded);
    }

    [Fact]
    public async Task Without_migrations_or_without_a_comment_the_commit_is_not_marked()
    {
        await stage.PlayAsync();
        stage.Inputs = stage.Inputs with { Migrate = "make migrate", Comment = CommentMode.Summary };
        await stage.PlayAsync();

        Assert.Empty(stage.Host.Statuses);
    }

    [Fact]
    public async Task Without_the_right_to_mark_a_commit_the_job_goes_on_and_says_which_right_that_is()
    {
        stage.Inputs = stage.Inputs with { Migrate = "make migrate" };
        stage.Host.StatusFailure = new(ExitCode.Failed, "the token in github-token may not do this", "Give the job the permission statuses: write.");

        var result = await stage.PlayAsync();

        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains("::warning::No commit status pgd/migration: the token in github-token may not do this. Give the job the permission statuses: write.", stage.Log, StringComparison.Ordinal);
        Assert.Single(stage.Host.Comments);
    }

    [Fact]
    public async Task The_SQL_files_that_a_pull_request_touches_say_where_a_commands_statements_stand()
    {
        stage.Write("backend/db/3.sql");
        stage.Inputs = stage.Inputs with { Migrate = "make migrate", MigrateWorkingDirectory = "backend", MigrateDeadline = TimeSpan.FromMinutes(5) };
        stage.Host.Files.AddRange([new("backend/db/3.sql", FileChange.Added), new("backend/db/2.sql", FileChange.Modified), new("backend/db/1.sql", FileChange.Removed), new("backend/readme.md", FileChange.Added), new("db/9.sql", FileChange.Added)]);

        await stage.PlayAsync();

        Assert.Equal(["db/3.sql", "db/2.sql"], stage.Engine.Rehearsal!.Sources);
        Assert.Equal(TimeSpan.FromMinutes(5), stage.Engine.Rehearsal.Deadline);
    }

    [Theory]
    [InlineData(CommentMode.True, 1, true)]
    [InlineData(CommentMode.Summary, 0, true)]
    [InlineData(CommentMode.False, 0, false)]
    public async Task The_report_goes_where_the_user_wants_it(CommentMode mode, int comments, bool summary)
    {
        stage.Inputs = stage.Inputs with { Comment = mode };

        await stage.PlayAsync();

        Assert.Equal((comments, summary), (stage.Host.Comments.Count, stage.Summary.Length > 0));
    }

    [Fact]
    public async Task A_canceled_migration_takes_its_branch_with_it()
    {
        using var cancellation = new CancellationTokenSource();
        stage.Inputs = stage.Inputs with { Migrate = "sleep 1000" };
        stage.Engine.WhileMigrating = cancellation.Cancel;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stage.PlayAsync(cancellation.Token));

        Assert.Equal("shop/pr-42", Assert.Single(stage.Engine.Deletes).ToString());
        Assert.EndsWith("::endgroup::\n", stage.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_branch_that_cannot_be_deleted_after_its_failure_is_named()
    {
        stage.Inputs = stage.Inputs with { MigrateFiles = "db/*.sql" };
        stage.Engine.Run = Failed;
        stage.Engine.DeleteFailure = new(ExitCode.Locked, "shop/pr-42 is locked by another operation");

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.MigrationFailed, false), (result.ExitCode, result.DeletedAfterFailure));
        Assert.Contains("::warning::shop/pr-42 was to be deleted and is still there: shop/pr-42 is locked by another operation.", stage.Log, StringComparison.Ordinal);
        Assert.Contains("The branch is kept as the failure left it", stage.Host.Comments[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_canceled_migrations_branch_stays_when_asked()
    {
        using var cancellation = new CancellationTokenSource();
        stage.Inputs = stage.Inputs with { Migrate = "sleep 1000", KeepOnFailure = true };
        stage.Engine.WhileMigrating = cancellation.Cancel;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stage.PlayAsync(cancellation.Token));

        Assert.Empty(stage.Engine.Deletes);
    }
}
