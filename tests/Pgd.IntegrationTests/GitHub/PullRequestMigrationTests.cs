using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>Migrations in a job: what they are given, what becomes of their failures, what is never shown.</summary>
public sealed class PullRequestMigrationTests(StoryFixture lab) : IClassFixture<StoryFixture>
{
    private const string FailingFile = "db/migrations/001_backfill.sql";
    private const string FailingSql = """
        alter table customers add email text;

        update customers
           set email = nam || '@example.com';
        """;

    [Fact]
    public async Task A_failing_migration_fails_the_step_and_the_comment_shows_where_to_look()
    {
        var job = NewJob(1);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.AddMigration(FailingFile, FailingSql);

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.MigrationFailed, result.ExitCode);
        var body = Assert.Single(job.Pull.Comments).Body;
        Assert.Contains(FailingFile, body, StringComparison.Ordinal);
        Assert.Contains($"{FailingFile}#L4", body, StringComparison.Ordinal);
        Assert.Contains("set email = nam || '@example.com'", body, StringComparison.Ordinal);
        Assert.Contains("42703", body, StringComparison.Ordinal);
        Assert.Contains("column \"nam\" does not exist", body, StringComparison.Ordinal);
        Assert.Contains(result.Log.Annotations, annotation => annotation.Level == "error" && annotation.Message.Contains("42703", StringComparison.Ordinal));
        Assert.Contains("42703", result.Summary, StringComparison.Ordinal);
        Assert.Empty(await lab.GitHub.Prism.ViolationsAsync());
    }

    [Fact]
    public async Task The_branch_of_a_failed_migration_goes_unless_it_is_to_be_kept()
    {
        var before = Inventory.Take(lab.Root);
        var job = NewJob(2);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.AddMigration("db/migrations/000_fine.sql", "create table fine ();");
        job.AddMigration(FailingFile, FailingSql);

        var failed = await job.OpenedAsync();

        Assert.Equal("", failed.Outputs["url"]);
        Assert.False(lab.Exists("shop/pr-2"));
        Assert.DoesNotContain(Inventory.Difference(before, Inventory.Take(lab.Root)), entry => !entry.Contains(" locks/", StringComparison.Ordinal));

        job.With["keep-on-failure"] = "true";
        var kept = await job.PushedAsync();

        Assert.Equal((int)ExitCode.MigrationFailed, kept.ExitCode);
        Assert.Equal("shop/pr-2", kept.Outputs["branch"]);
        // As the failure left it: the file before is committed, the failed one is not there in half.
        Assert.Equal("1", await lab.QueryAsync("shop/pr-2", "select count(*) from pg_class where relname = 'fine'"));
        Assert.Equal("0", await lab.QueryAsync("shop/pr-2", "select count(*) from information_schema.columns where column_name = 'email'"));
        Assert.Contains("kept", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repaired_migration_turns_the_comment_green()
    {
        var job = NewJob(3);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.AddMigration(FailingFile, FailingSql);
        await job.OpenedAsync();
        Assert.Contains("❌", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        job.WriteFile(FailingFile, FailingSql.Replace("nam ", "name ", StringComparison.Ordinal));

        var repaired = await job.PushedAsync();

        Assert.Equal(0, repaired.ExitCode);
        var body = Assert.Single(job.Pull.Comments).Body;
        Assert.Contains("✅", body, StringComparison.Ordinal);
        Assert.DoesNotContain("❌", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_command_fails_the_step_and_the_comment_shows_what_it_printed()
    {
        var job = NewJob(4);
        job.With["migrate"] = "echo 'the end is near'\nexit 3";

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.MigrationFailed, result.ExitCode);
        Assert.Contains("the end is near", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.Contains("status 3", job.Pull.Comments.Single().Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_has_the_branchs_environment_and_not_the_token()
    {
        StoryFixture.RequirePsql();
        var job = NewJob(5);
        job.With["migrate"] = "psql -X -q -v ON_ERROR_STOP=1 -c 'create table by_command ()'\nenv > environment\npsql -X -q \"$DATABASE_URL\" -c 'create table by_url ()'";

        var result = await job.OpenedAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.Equal("2", await lab.QueryAsync("shop/pr-5", "select count(*) from pg_class where relname in ('by_command', 'by_url')"));
        var environment = await File.ReadAllTextAsync(Path.Combine(job.Runner.Workspace, "environment"));
        Assert.Contains($"DATABASE_URL={result.Outputs["url"]}", environment, StringComparison.Ordinal);
        Assert.DoesNotContain(job.Token.Value, environment, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_secret_is_shown_whatever_a_migration_prints()
    {
        var job = NewJob(6);
        job.With["migrate"] = """
            echo "$DATABASE_URL"; echo "$PGPASSWORD" >&2; env
            echo "broken up: ${PGPASSWORD:0:100} in the middle"
            echo -n "$DATABASE_URL" | base64 -w0; echo; env | base64 -w0; echo
            exit 1
            """;
        job.With["keep-on-failure"] = "true";

        var result = await job.OpenedAsync();

        var url = lab.Run("branch", "url", "shop/pr-6");
        var password = new Uri(url).UserInfo.Split(':')[1];
        string[] secrets =
        [
            password, url, lab.Run("branch", "url", "shop/pr-6", "--format", "npgsql"), lab.Run("branch", "url", "shop/pr-6", "--format", "jdbc"), job.Token.Value,
            Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(url)),
        ];
        var report = await File.ReadAllTextAsync(result.Outputs["report-file"]);
        foreach (var (where, text) in new[]
        {
            ("log", result.Log.Text), ("summary", result.Summary), ("comment", Assert.Single(job.Pull.Comments).Body), ("report", report),
            ("annotations", string.Join('\n', result.Log.Annotations)), ("server log", lab.Run("branch", "logs", "shop/pr-6")),
            ("requests", string.Join('\n', job.Requests.Select(request => request.Path + request.Body))),
        })
        {
            Assert.All(secrets, secret => Assert.False(text.Contains(secret, StringComparison.Ordinal), $"A secret is in the {where}:\n{text}"));
        }

        Assert.Contains("***", result.Log.Text, StringComparison.Ordinal);
        // What is never printed needs no mask; what may be printed by a later step does.
        Assert.Contains(password, result.Log.Masks);
        Assert.Contains(url, result.Log.Masks);
    }

    [Fact]
    public async Task A_command_cannot_forge_what_the_runner_is_told()
    {
        var job = NewJob(7);
        job.With["migrate"] = "echo '::error::forged'; echo '::set-output name=branch::forged'";

        var result = await job.OpenedAsync();

        Assert.Equal("shop/pr-7", result.Outputs["branch"]);
        Assert.DoesNotContain(result.Log.Annotations, annotation => annotation.Message.Contains("forged", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Hostile_text_in_a_pull_request_or_from_its_migrations_does_no_more_than_appear()
    {
        const string hostile = "`x` **b** <img src=x onerror=alert(1)> @octocat #1 $(touch owned) '; drop table customers; -- \u001b[31mred\u001b]0;title\u0007 ::set-output name=branch::forged";
        var job = NewJob(17);
        var payload = System.Text.Json.Nodes.JsonNode.Parse(job.Payload("opened"))!;
        foreach (var field in (string[])["title", "body"])
            payload["pull_request"]![field] = hostile;
        payload["pull_request"]!["head"]!["ref"] = hostile;
        job.With["branch"] = hostile;
        job.With["migrate"] = "cat hostile.txt; cat hostile.txt >&2; exit 1";
        job.WriteFile("hostile.txt", $"::add-mask::shop\n::set-output name=branch::forged\n::error::forged\n::stop-commands::x\n```\n</details>\n{hostile}\n<!-- pgd:shop:1 -->\n::error file=a::forged\n");

        var result = await job.DeliverAsync("pull_request", payload.ToJsonString());

        Assert.Equal(8, result.ExitCode);
        Assert.Matches("^shop/[a-z0-9-]+$", result.Outputs["branch"]);
        Assert.DoesNotContain("shop", result.Log.Masks);
        Assert.DoesNotContain(result.Log.Annotations, annotation => annotation.Message.Contains("forged", StringComparison.Ordinal));
        Assert.False(File.Exists(Path.Combine(job.Runner.Workspace, "owned")));
        Assert.Equal("1000", await lab.QueryAsync("shop/main", "select count(*) from customers"));
        foreach (var text in (string[])[Assert.Single(job.Pull.Comments).Body, result.Summary])
        {
            Assert.Contains("onerror", text, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b", text, StringComparison.Ordinal);
            // Outside of the fences, whose text is only text, nothing of it.
            var outside = System.Text.RegularExpressions.Regex.Replace(text, "^(`{3,}).*?^\\1`*$", "", System.Text.RegularExpressions.RegexOptions.Multiline | System.Text.RegularExpressions.RegexOptions.Singleline);
            foreach (var active in (string[])["<img", "@octocat", "forged", "pgd:shop:1 "])
                Assert.DoesNotContain(active, outside, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_ledger_decides_what_runs_and_is_kept()
    {
        var job = NewJob(8);
        job.With["migrate-files"] = "db/*.sql";
        job.With["migrate-ledger"] = "public.ledger";
        job.With["on-push"] = "keep";
        job.WriteFile("db/1.sql", "create table one ();");
        job.WriteFile("db/2.sql", "create table two ();");
        Assert.Equal(0, (await job.OpenedAsync()).ExitCode);
        job.WriteFile("db/3.sql", "create table three ();");

        var pushed = await job.PushedAsync();

        Assert.True(pushed.ExitCode == 0, pushed.Log.Text);
        Assert.Equal("3", await lab.QueryAsync("shop/pr-8", "select count(*) from public.ledger"));
        Assert.Contains("3.sql", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.Contains("2 migrations had run before", job.Pull.Comments.Single().Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_was_applied_and_is_changed_is_an_error()
    {
        var job = NewJob(9);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.WriteFile("db/migrations/000_old.sql", "select 1;");
        job.Pull.Files.Add(("db/migrations/000_old.sql", "modified"));

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Misuse, result.ExitCode);
        Assert.Contains("db/migrations/000_old.sql", result.Log.Text, StringComparison.Ordinal);
        Assert.Contains("already been applied", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-9"));
    }

    [Fact]
    public async Task A_command_of_psql_in_a_file_is_refused_by_name()
    {
        var job = NewJob(10);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.AddMigration("db/migrations/001_copy.sql", "create table t (i int);\n\\copy t from 't.csv'\n");

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Misuse, result.ExitCode);
        Assert.Contains("\\copy", result.Log.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(11, "trap 'echo migration heard; exit 9' INT\necho migrating\nsleep 300 & wait", "")]
    [InlineData(12, "", "select pg_sleep(300);")]
    public async Task A_cancelled_job_ends_the_migration_and_leaves_no_branch(int number, string command, string sql)
    {
        var before = Inventory.Take(lab.Root);
        var job = NewJob(number);
        if (command.Length > 0)
        {
            job.With["migrate"] = command;
        }
        else
        {
            job.With["migrate-files"] = "db/migrations/*.sql";
            job.AddMigration("db/migrations/001_slow.sql", sql);
        }

        var running = job.StartOpened();
        await running.WaitForAsync(command.Length > 0 ? "migrating" : "Migrations on");

        var result = await running.CancelAsync();

        Assert.True((int)ExitCode.Interrupted == result.ExitCode, result.Log.Text);
        if (command.Length > 0)
            Assert.Contains("migration heard", result.Log.Text, StringComparison.Ordinal);
        Assert.False(lab.Exists($"shop/pr-{number}"));
        Assert.DoesNotContain(Inventory.Difference(before, Inventory.Take(lab.Root)), entry => !entry.Contains(" locks/", StringComparison.Ordinal));
        Assert.Empty(result.Orphans);
        Assert.False(result.OutputHeldOpen);
    }

    [Fact]
    public async Task A_job_that_is_cancelled_while_its_branch_is_made_leaves_nothing()
    {
        var before = Inventory.Take(lab.Root);
        var job = NewJob(13);
        job.With["migrate"] = "true";
        var running = job.StartOpened();
        await StoryFixture.UntilAsync(() => Directory.Exists(Path.Combine(lab.Root, "volumes", "shop", "pr-13")));

        var result = await running.CancelAsync();

        Assert.Equal((int)ExitCode.Interrupted, result.ExitCode);
        Assert.DoesNotContain(Inventory.Difference(before, Inventory.Take(lab.Root)), entry => !entry.Contains(" locks/", StringComparison.Ordinal));
        // And the next run is not hindered.
        Assert.Equal(0, (await job.OpenedAsync()).ExitCode);
    }

    [Fact]
    public async Task What_a_migration_would_do_to_production_is_told_and_over_its_budget_it_fails_the_step()
    {
        var job = NewJob(18);
        job.WriteFile("pgd.yml", "migrations:\n  files: db/migrations/*.sql\nbudget:\n  max-rewrite-bytes: 8kB\n  deny: [drop-column]\n");
        job.AddMigration("db/migrations/001_wide.sql", "set lock_timeout = '3s';\nalter table customers\n  alter column id type bigint;\n");
        job.AddMigration("db/migrations/002_index.sql", "-- pgd: allow index-not-concurrent because the table is small\ncreate index on customers (name);\n");

        var result = await job.OpenedAsync();

        Assert.True((int)ExitCode.BudgetExceeded == result.ExitCode, result.Log.Text);
        var body = Assert.Single(job.Pull.Comments).Body;
        Assert.StartsWith("### ❌ 2 migrations ran on `shop/pr-18`", body.Split('\n')[1], StringComparison.Ordinal);
        foreach (var told in (string[])["over 1 budget", "max-rewrite-bytes", "ACCESS EXCLUSIVE on `public.customers`", "**type-change**", "~~**index-not-concurrent**~~", "allowed: the table is small", "+    id bigint", "dotnet pgd branch url shop/pr-18"])
            Assert.True(body.Contains(told, StringComparison.Ordinal), $"{told}\n{body}");
        Assert.Contains(result.Log.Text.Split('\n'), l => l.StartsWith("::error file=db/migrations/001_wide.sql,line=2,title=type-change::", StringComparison.Ordinal));
        Assert.DoesNotContain("title=index-not-concurrent", result.Log.Text, StringComparison.Ordinal);
        var status = Assert.Single(job.Repository.Statuses);
        Assert.Equal((job.Pull.HeadSha, "failure", "pgd/migration"), (status.Sha, status.State, status.Context));
        Assert.Equal(("over-budget", "shop/pr-18"), (result.Outputs["migration"], result.Outputs["branch"]));
        Assert.Equal("bigint", await lab.QueryAsync("shop/pr-18", "select data_type from information_schema.columns where table_name = 'customers' and column_name = 'id'"));
        Assert.True(File.Exists(Path.Combine(result.Outputs["migration-report"], "report.html")));
        Assert.Contains("public.customers", lab.Run("migrate", "report", Path.Combine(result.Outputs["migration-report"], "report.json")), StringComparison.Ordinal);
        Assert.Empty(await lab.GitHub.Prism.ViolationsAsync());
    }

    [Fact]
    public async Task What_another_program_takes_from_a_SQL_file_of_the_pull_request_is_found_there()
    {
        StoryFixture.RequirePsql();
        var job = NewJob(19);
        job.With["migrate"] = "psql -X -q -v ON_ERROR_STOP=1 -f db/up.sql";
        job.AddMigration("db/up.sql", "\\set ON_ERROR_STOP 1\n-- for the search\ncreate index by_name\n  on customers (name);\n\n-- pgd: allow drop-column because it was a draft\nalter table customers add draft int; alter table customers drop column draft;\n");

        var result = await job.OpenedAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.Contains(result.Log.Text.Split('\n'), l => l.StartsWith("::error file=db/up.sql,line=3,title=index-not-concurrent::", StringComparison.Ordinal));
        Assert.Contains("db/up.sql#L3)", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.Equal("success", Assert.Single(job.Repository.Statuses).State);
        Assert.Equal("passed", result.Outputs["migration"]);
    }

    [Fact]
    public async Task A_migration_that_does_not_end_is_interrupted_at_its_deadline()
    {
        var job = NewJob(20);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.With["migrate-deadline"] = "1s";
        job.AddMigration("db/migrations/001_slow.sql", "select pg_sleep(300);");

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.MigrationFailed, result.ExitCode);
        Assert.Contains("had not ended after 1 s, and was interrupted", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-20"));
    }

    [Fact]
    public async Task A_token_that_may_not_mark_commits_is_a_warning_that_names_the_right()
    {
        var job = NewJob(21);
        job.Token = lab.GitHub.Fake.WorkflowToken(mayMark: false);
        job.With["migrate"] = "true";

        var result = await job.OpenedAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.Contains(result.Log.Annotations, a => a.Level == "warning" && a.Message.Contains("statuses: write", StringComparison.Ordinal));
        Assert.Single(job.Pull.Comments);
    }

    private PullRequestJob NewJob(int number) => new(lab, number);
}
