using Pgd.Action.Reports;
using Pgd.Lint;
using Pgd.Migrations;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class CommentTextTests
{
    private static UpReport Ready => new()
    {
        Project = "shop",
        Parent = "main",
        Branch = BranchName.Parse("shop/pr-42"),
        HeadSha = StoryStage.Sha,
        RepositoryUrl = "https://github.example/octo/shop",
        RunUrl = "https://github.example/octo/shop/actions/runs/7",
        RunnerName = "linux-1",
        HostName = "db-runner-1",
        DataAsOf = FakeEngine.Now.AddMinutes(-1),
        ExpiresAt = FakeEngine.Now.AddDays(7),
        Endpoint = new("127.0.0.1", 21003, "shop", "shop"),
    };

    private static MigrationFile File(string path, double milliseconds, int statements, bool succeeded = true, bool transaction = true) => new()
    {
        Path = path,
        Sha256 = "",
        Duration = TimeSpan.FromMilliseconds(milliseconds),
        Statements = statements,
        Transaction = transaction,
        Succeeded = succeeded,
    };

    private static UpReport FilesRan => Ready with
    {
        Anonymized = true,
        PathPrefix = "backend/",
        Migration = Reports.Of(new()
        {
            Duration = TimeSpan.FromSeconds(75.2),
            Files = [File("db/0007_orders_status.sql", 1210, 3), File("db/0008_orders_index.sql", 74_000, 1, transaction: false)],
            AlreadyApplied = 1,
        }),
    };

    private static UpReport FileFailed => Ready with
    {
        BranchDeleted = true,
        Migration = Reports.Of(new()
        {
            Duration = TimeSpan.FromSeconds(2.3),
            Files = [File("db/0007_orders_status.sql", 1210, 3), File("db/0008_unique.sql", 1090, 2, succeeded: false)],
            Error = new()
            {
                Message = "could not create unique index \"customers_email_key\"",
                Detail = "Key (email)=(a@example.com) is duplicated.",
                File = "db/0008_unique.sql",
                Line = 12,
                SqlState = "23505",
                Statement = "create unique index customers_email_key\n  on customers (email);",
            },
        }),
    };

    private static UpReport CommandFailed => Ready with
    {
        IsCommand = true,
        Migration = Reports.Of(new()
        {
            Duration = TimeSpan.FromSeconds(12),
            OutputTail = ["Applying 0007_orders_status", "django.db.utils.ProgrammingError: relation \"orders\" does not exist"],
            Error = new() { Message = "bash ended with status 1", ExitStatus = 1 },
        }),
    };

    /// <summary>In words that were a setting's name, and may be anything.</summary>
    [Fact]
    public void What_the_branch_is_cut_off_from_is_said_and_nothing_where_there_is_nothing()
    {
        Assert.Contains(" It is cut off from its source's archiving, 2 replication slots.", Comment(Ready with { Severed = ["archiving", "2 replication slots"] }), StringComparison.Ordinal);
        Assert.DoesNotContain("cut off", Comment(Ready), StringComparison.Ordinal);
    }

    private static string Comment(UpReport report) => UpText.Comment(report, Page.CommentLimit);

    [Fact]
    public void A_branch_without_migrations() => Snapshot.Match(Comment(Ready));

    [Fact]
    public void A_branch_that_kept_its_data_and_is_reachable_from_elsewhere() =>
        Snapshot.Match(Comment(Ready with { DataKept = true, ExpiresAt = null, Endpoint = new("10.0.0.7", 21003, "shop", "shop"), RunnerName = null }));

    [Fact]
    public void Migration_files_that_ran() => Snapshot.Match(Comment(FilesRan));

    [Fact]
    public void A_migration_file_that_failed() => Snapshot.Match(Comment(FileFailed));

    private static UpReport Heavy => FilesRan with { Migration = Reports.Heavy with { Run = FilesRan.Run! } };

    [Fact]
    public void Migrations_that_would_hurt_production_and_exceed_their_budget() => Snapshot.Match(Comment(Heavy));

    [Fact]
    public void The_summary_says_what_the_comment_says_where_both_have_room() => Assert.Equal(Comment(Heavy), UpText.Summary(Heavy, 1024 * 1024));

    [Fact]
    public void What_a_rehearsal_saw_as_a_page_of_its_own() => Snapshot.Match(RehearsalText.Page(Reports.Heavy));

    [Fact]
    public void What_a_rehearsal_saw_as_one_HTML_file() => Snapshot.Match(RehearsalHtml.Page(Reports.Heavy));

    [Theory]
    [InlineData(true, "✅", "ran on `shop/pr-42` in 12 s\n", "- **way back** ran in 1\\.5 s, the schema was as before, and the migration ran again in 12 s")]
    [InlineData(false, "❌", ", and cannot be taken back\n", "- ❌ **way back** ran in 1\\.5 s and leaves a difference:\u200b 1 column changed, 1 index added")]
    public void How_a_migration_was_taken_back(bool succeeds, string icon, string verdict, string told)
    {
        var nothing = Reports.Heavy.Schema! with { Objects = [], Groups = [], Text = "" };
        var run = CommandFailed.Run! with { Error = null, OutputTail = [] };
        var text = Comment(CommandFailed with
        {
            Migration = Reports.Of(run) with
            {
                Trace = Reports.Heavy.Trace with { Locks = [] },
                Rollback = new() { Down = new() { Duration = TimeSpan.FromSeconds(1.5) }, Left = succeeds ? nothing : Reports.Heavy.Schema, Again = run, Different = nothing },
                Rerun = new() { Run = run, Schema = nothing, Written = [] },
            },
        });

        Assert.StartsWith($"### {icon} ", text, StringComparison.Ordinal);
        foreach (var part in (string[])[verdict, told, "- **run again** changed nothing, in 12 s"])
            Assert.True(text.Contains(part, StringComparison.Ordinal), $"{part}\n{text}");
        Assert.Equal(!succeeds, text.Contains("Left after the way back", StringComparison.Ordinal));
    }

    [Fact]
    public void A_rule_that_500_statements_break_is_one_line_and_what_was_not_seen_is_told_without_a_statement()
    {
        var report = Heavy with { Migration = Heavy.Migration! with { Exceeded = [.. Enumerable.Range(1, 500).Select(i => new ExceededBudget("deny", "missing-lock-timeout", $"table_{i} is locked", $"statement {i}"))] } };
        Assert.Contains("- **over budget** `deny` missing-lock-timeout: 500 times, first: table\\_1 is locked (statement 1, statement 2, statement 3, statement 4, statement 5, …)", Comment(report), StringComparison.Ordinal);

        var unseen = Comment(Ready with { IsCommand = true, Migration = Reports.Of(new() { Duration = TimeSpan.FromSeconds(1) }) with { Trace = Reports.Of(new() { Duration = TimeSpan.Zero }).Trace with { Gaps = ["the server was started anew meanwhile"] } } });
        Assert.Contains("- not seen: the server was started anew meanwhile", unseen, StringComparison.Ordinal);
    }

    [Fact]
    public void A_schema_that_differs_by_70_kB_is_cut_before_anything_that_is_said_of_locks()
    {
        var report = Heavy with { Migration = Heavy.Migration! with { Schema = Reports.Heavy.Schema! with { Text = string.Concat(Enumerable.Range(1, 1400).Select(i => $"+column {i:0000} of a very wide table that has a name of its own\n")) } } };

        var text = Comment(report);

        Assert.InRange(text.Length, 60_000, Page.CommentLimit);
        foreach (var kept in (string[])["max-exclusive-lock", "type-change", "ACCESS EXCLUSIVE on `public.orders`", "+column 0001 ", "0008_orders_index.sql"])
            Assert.Contains(kept, text, StringComparison.Ordinal);
        Assert.DoesNotContain("+column 1400 ", text, StringComparison.Ordinal);
        Assert.Contains("+column 1400 ", UpText.Summary(report, 1024 * 1024), StringComparison.Ordinal);
        Assert.Equal(0, text.Split('\n').Count(l => l.StartsWith("```", StringComparison.Ordinal)) % 2);
    }

    [Fact]
    public void A_command_that_ran() => Snapshot.Match(Comment(CommandFailed with { Migration = Reports.Of(CommandFailed.Run! with { Error = null, OutputTail = ["Applied 2 migrations"] }) }));

    [Fact]
    public void A_command_that_failed_on_a_branch_that_stays() => Snapshot.Match(Comment(CommandFailed));

    [Fact]
    public void No_branch_could_be_made() =>
        Snapshot.Match(Comment(Ready with { Branch = null, Endpoint = null, Failure = new(ExitCode.NoRoom, "There is no free port in 21000-21999", "Delete a branch: dotnet pgd branch delete NAME") }));

    [Fact]
    public void Migrations_that_could_not_be_tried() =>
        Snapshot.Match(Comment(Ready with { BranchDeleted = true, Failure = new(ExitCode.Misuse, "db/0003_users.sql has been changed although it ran already", "Write a new migration instead.") }));

    [Fact]
    public void A_deleted_branch_keeps_the_report_of_its_migrations() =>
        Snapshot.Match(DownText.Comment(BranchName.Parse("shop/pr-42"), null, "The pull request is closed", MigrationText.Read(Comment(FileFailed)), Page.CommentLimit));

    [Fact]
    public void Hostile_text_stays_what_it_is() => Snapshot.Match(Comment(FileFailed with
    {
        Migration = Reports.Of(FileFailed.Run! with
        {
            Files = [File("db/`x` | @octocat #1 <img>.sql", 3, 1, succeeded: false)],
            OutputTail = ["``` <!-- /pgd:migrations -->", "\u001B[31m@octocat\u001B[0m see #1", "</details><script>"],
            Error = new()
            {
                Message = "```\n</details> @octocat fixes #1",
                File = "db/`x` | @octocat #1 <img>.sql",
                Line = 1,
                SqlState = "P0001",
                Statement = "do $$ begin raise '````'; end $$ -- <!-- pgd:shop:42 -->",
                Hint = "GH-1 https://github.com/octo/shop/issues/1",
            },
        }),
    }));

    [Fact]
    public void A_report_that_is_too_long_loses_output_first_and_stays_whole()
    {
        var report = FileFailed with
        {
            Migration = Reports.Of(FileFailed.Run! with
            {
                Files = [.. Enumerable.Range(1, 2000).Select(i => File($"db/{i:0000}.sql", 1, 1))],
                OutputTail = [.. Enumerable.Range(1, 500).Select(i => $"line {i} {new string('x', 200)}")],
            }),
        };

        var text = Comment(report);

        Assert.InRange(text.Length, 60_000, Page.CommentLimit);
        Assert.Contains("customers_email_key", text, StringComparison.Ordinal);
        Assert.Contains("_500 more lines in the [summary of the run](https://github.example/octo/shop/actions/runs/7)._", text, StringComparison.Ordinal);
        Assert.Matches(@"_\d+ more lines in the \[summary of the run\]", text);
        Assert.Equal(0, text.Split('\n').Count(l => l.StartsWith("```", StringComparison.Ordinal)) % 2);
        Assert.Contains("</details>", text, StringComparison.Ordinal);
        var summary = UpText.Summary(report, 1024 * 1024);
        Assert.Contains("line 1 ", summary, StringComparison.Ordinal);
        Assert.Contains("db/2000.sql", summary, StringComparison.Ordinal);
    }

    [Fact]
    public void A_statement_of_any_length_fits()
    {
        var error = FileFailed.Run!.Error! with { Statement = string.Join('\n', Enumerable.Repeat(new string('x', 5000), 100)), Message = string.Join('\n', Enumerable.Repeat(new string('y', 5000), 100)) };

        var text = Comment(FileFailed with { Migration = Reports.Of(FileFailed.Run! with { Error = error }) });

        Assert.InRange(text.Length, 60_000, Page.CommentLimit);
        Assert.Equal(0, text.Split('\n').Count(l => l.StartsWith("```", StringComparison.Ordinal)) % 2);
    }

    [Fact]
    public void The_end_of_a_long_output_is_what_stays()
    {
        var report = CommandFailed with { Migration = Reports.Of(CommandFailed.Run! with { OutputTail = [.. Enumerable.Range(1, 1000).Select(i => $"line {i} {new string('x', 200)}")] }) };

        var text = Comment(report);

        Assert.InRange(text.Length, 60_000, Page.CommentLimit);
        Assert.Contains("line 1000 ", text, StringComparison.Ordinal);
        Assert.DoesNotContain("line 1 ", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_limit_of_a_summary_counts_bytes()
    {
        var report = CommandFailed with { Migration = Reports.Of(CommandFailed.Run! with { OutputTail = [.. Enumerable.Range(1, 1000).Select(i => new string('語', 900))] }) };

        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(UpText.Summary(report, 1024 * 1024)), 1_000_000, 1024 * 1024);
    }
}
