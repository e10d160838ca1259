using System.Globalization;
using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The life of a pull request's branch, end to end: the real action, the real tool, real PostgreSQL, and GitHub's own rules for what goes over the wire.</summary>
public sealed class PullRequestStoryTests(StoryFixture lab) : IClassFixture<StoryFixture>
{
    private const string Customers = "select count(*) from customers";
    private const string HasEmail = "select count(*) from information_schema.columns where table_name = 'customers' and column_name = 'email'";
    private const string HasPhone = "select count(*) from information_schema.columns where table_name = 'customers' and column_name = 'phone'";

    [Fact]
    public async Task An_opened_pull_request_gets_a_branch_with_its_migrations_and_one_comment()
    {
        var job = NewJob(1);

        var result = await job.OpenedAsync();

        Succeeded(result);
        Assert.Equal("shop/pr-1", result.Outputs["branch"]);
        Assert.Equal("true", result.Outputs["created"]);
        Assert.Equal("", result.Outputs["skipped"]);
        Assert.Equal("1000", await lab.QueryAsync("shop/pr-1", Customers));
        Assert.Equal("1", await lab.QueryAsync("shop/pr-1", HasEmail));
        Assert.Equal("0", await lab.QueryAsync("shop/main", HasEmail));
        var comment = Assert.Single(job.Pull.Comments);
        Assert.Equal("github-actions[bot]", comment.User.Login);
        Assert.Contains("`shop/pr-1`", comment.Body, StringComparison.Ordinal);
        Assert.Contains("db/migrations/001_email.sql", comment.Body, StringComparison.Ordinal);
        Assert.Equal($"https://github.com/{job.Repository.FullName}/pull/1#issuecomment-{comment.Id}", result.Outputs["comment-url"]);
        Assert.Contains("`shop/pr-1`", result.Summary, StringComparison.Ordinal);
        await NothingViolatedAsync();
    }

    [Fact]
    public async Task The_outputs_lead_to_the_branch()
    {
        var job = NewJob(2);

        var result = await job.OpenedAsync();

        Succeeded(result);
        var url = new Uri(result.Outputs["url"]);
        Assert.Equal(
            (result.Outputs["host"], result.Outputs["port"], result.Outputs["database"], result.Outputs["user"]),
            (url.Host, url.Port.ToString(CultureInfo.InvariantCulture), url.AbsolutePath.TrimStart('/'), url.UserInfo.Split(':')[0]));
        Assert.Equal(lab.Run("branch", "url", "shop/pr-2"), result.Outputs["url"]);
        Assert.InRange(DateTimeOffset.Parse(result.Outputs["expires-at"], CultureInfo.InvariantCulture) - DateTimeOffset.UtcNow, TimeSpan.FromDays(6.9), TimeSpan.FromDays(7));
        var variables = await File.ReadAllTextAsync(result.Outputs["env-file"]);
        Assert.Contains("DATABASE_URL=", variables, StringComparison.Ordinal);
        Assert.Contains($"PGPORT={url.Port}", variables.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(result.Outputs["env-file"]));
        var report = JsonNode.Parse(await File.ReadAllTextAsync(result.Outputs["report-file"]))!;
        Assert.Equal("shop/pr-2", report["branch"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_push_renews_the_data_runs_the_new_migration_and_updates_the_same_comment()
    {
        var job = NewJob(3);
        var opened = await job.OpenedAsync();
        await lab.ExecuteAsync("shop/pr-3", "delete from customers");
        job.AddMigration("db/migrations/002_phone.sql", "alter table customers add phone text;");

        var pushed = await job.PushedAsync();

        Succeeded(pushed);
        Assert.Equal("false", pushed.Outputs["created"]);
        Assert.Equal(opened.Outputs["url"], pushed.Outputs["url"]);
        Assert.Equal("1000", await lab.QueryAsync("shop/pr-3", Customers));
        Assert.Equal("1", await lab.QueryAsync("shop/pr-3", HasPhone));
        var comment = Assert.Single(job.Pull.Comments);
        Assert.Equal(1, comment.Edits);
        Assert.Contains("002_phone.sql", comment.Body, StringComparison.Ordinal);
        Assert.Contains(job.Pull.HeadSha[..7], comment.Body, StringComparison.Ordinal);
        Assert.Equal(opened.Outputs["comment-url"], pushed.Outputs["comment-url"]);
        await NothingViolatedAsync();
    }

    [Fact]
    public async Task A_push_keeps_the_data_when_asked_and_runs_only_what_is_new()
    {
        var job = NewJob(4);
        job.With["on-push"] = "keep";
        await job.OpenedAsync();
        await lab.ExecuteAsync("shop/pr-4", "update customers set email = 'kept@example.com'");
        job.AddMigration("db/migrations/002_phone.sql", "alter table customers add phone text;");

        var pushed = await job.PushedAsync();

        Succeeded(pushed);
        Assert.Equal("kept@example.com", await lab.QueryAsync("shop/pr-4", "select min(email) from customers"));
        Assert.Equal("1", await lab.QueryAsync("shop/pr-4", HasPhone));
    }

    [Fact]
    public async Task A_run_that_changes_nothing_writes_nothing_to_GitHub()
    {
        var job = NewJob(5);
        job.With["on-push"] = "keep";
        // An expiry that moves with every run is news.
        job.With["ttl"] = "never";
        await job.OpenedAsync();
        await job.OpenedAsync();
        var before = job.Requests.Count;

        var again = await job.OpenedAsync();

        Succeeded(again);
        Assert.DoesNotContain(job.Requests.Skip(before), request => request.IsWrite);
        Assert.NotEqual("", again.Outputs["comment-url"]);
        Assert.Single(job.Pull.Comments);
    }

    [Fact]
    public async Task A_closed_pull_requests_branch_is_gone_without_a_trace_and_the_comment_says_so()
    {
        var before = Inventory.Take(lab.Root);
        var job = NewJob(6);
        Succeeded(await job.OpenedAsync());
        Assert.NotEmpty(Inventory.Difference(before, Inventory.Take(lab.Root)));

        var closed = await job.ClosedAsync();

        Succeeded(closed);
        Assert.DoesNotContain(Inventory.Difference(before, Inventory.Take(lab.Root)), IsOfABranch);
        var comment = Assert.Single(job.Pull.Comments);
        Assert.Contains("`shop/pr-6` is deleted", comment.Body, StringComparison.Ordinal);
        Assert.Contains("001_email.sql", comment.Body, StringComparison.Ordinal);
        await NothingViolatedAsync();
    }

    [Fact]
    public async Task A_second_close_is_fine_and_writes_nothing()
    {
        var job = NewJob(7);
        await job.OpenedAsync();
        await job.ClosedAsync();
        var before = job.Requests.Count;

        var again = await job.ClosedAsync();

        Succeeded(again);
        Assert.DoesNotContain(job.Requests.Skip(before), request => request.IsWrite);
    }

    [Fact]
    public async Task A_close_without_a_branch_is_fine_and_makes_no_comment()
    {
        var job = NewJob(8);

        Succeeded(await job.ClosedAsync());

        Assert.Empty(job.Pull.Comments);
    }

    [Fact]
    public async Task A_reopened_pull_request_gets_its_branch_again()
    {
        var job = NewJob(9);
        await job.OpenedAsync();
        await job.ClosedAsync();
        job.Pull.Closed = false;

        var reopened = await job.PullRequestAsync("reopened");

        Succeeded(reopened);
        Assert.Equal("true", reopened.Outputs["created"]);
        Assert.Equal("1", await lab.QueryAsync("shop/pr-9", HasEmail));
        Assert.DoesNotContain("deleted", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_close_that_arrives_after_the_reopening_deletes_nothing()
    {
        var job = NewJob(10);
        await job.OpenedAsync();
        job.Pull.Closed = true;
        var late = job.Payload("closed");
        job.Pull.Closed = false;

        var result = await job.DeliverAsync("pull_request_target", late);

        Succeeded(result);
        Assert.Equal("reopened", result.Outputs["skipped"]);
        Assert.True(lab.Exists("shop/pr-10"));
    }

    [Fact]
    public async Task An_up_that_arrives_after_the_close_makes_nothing()
    {
        var job = NewJob(11);
        var late = job.Payload("opened");
        job.Pull.Closed = true;

        var result = await job.DeliverAsync("pull_request", late);

        Succeeded(result);
        Assert.Equal("closed", result.Outputs["skipped"]);
        Assert.False(lab.Exists("shop/pr-11"));
    }

    [Fact]
    public async Task A_run_for_a_commit_that_is_no_longer_the_head_makes_nothing()
    {
        var job = NewJob(12);
        var late = job.Payload("opened");
        job.Pull.Push();

        var result = await job.DeliverAsync("pull_request", late);

        Succeeded(result);
        Assert.Equal("stale", result.Outputs["skipped"]);
        Assert.False(lab.Exists("shop/pr-12"));
    }

    [Fact]
    public async Task A_draft_gets_its_branch_when_it_is_ready()
    {
        var job = NewJob(13);
        job.Pull.Draft = true;
        var draft = await job.OpenedAsync();
        Assert.Equal("draft", draft.Outputs["skipped"]);
        Assert.False(lab.Exists("shop/pr-13"));
        job.Pull.Draft = false;

        var ready = await job.PullRequestAsync("ready_for_review");

        Succeeded(ready);
        Assert.Equal("shop/pr-13", ready.Outputs["branch"]);
    }

    [Fact]
    public async Task A_draft_gets_a_branch_at_once_when_asked()
    {
        var job = NewJob(14);
        job.Pull.Draft = true;
        job.With["drafts"] = "true";

        Assert.Equal("shop/pr-14", (await job.OpenedAsync()).Outputs["branch"]);
    }

    [Fact]
    public async Task Only_a_pull_request_with_the_label_gets_a_branch()
    {
        var job = NewJob(15);
        job.With["label"] = "database";
        var without = await job.OpenedAsync();
        Assert.Equal("label", without.Outputs["skipped"]);
        job.Pull.Labels.Add("database");
        var payload = JsonNode.Parse(job.Payload("labeled"))!;
        payload["label"]!["name"] = "database";

        var labeled = await job.DeliverAsync("pull_request", payload.ToJsonString());

        Succeeded(labeled);
        Assert.Equal("shop/pr-15", labeled.Outputs["branch"]);
    }

    [Fact]
    public async Task Two_repositories_with_the_same_number_on_one_runner_each_get_their_own_branch()
    {
        var (one, two) = (NewJob(42), NewJob(42));
        var (first, second) = (await one.OpenedAsync(), await two.OpenedAsync());
        Succeeded(first);
        Succeeded(second);
        Assert.Equal("shop/pr-42", first.Outputs["branch"]);
        Assert.Matches("^shop/pr-42-[0-9a-f]{8}$", second.Outputs["branch"]);
        await lab.ExecuteAsync(first.Outputs["branch"], "delete from customers");
        Assert.Equal("1000", await lab.QueryAsync(second.Outputs["branch"], Customers));

        // Neither a push, nor a close, nor a sweep of the one is about the other.
        Assert.Equal(second.Outputs["branch"], (await two.PushedAsync()).Outputs["branch"]);
        Assert.Equal("0", await lab.QueryAsync(first.Outputs["branch"], Customers));
        Succeeded(await one.ClosedAsync());
        Succeeded(await one.SweepAsync());
        Assert.False(lab.Exists(first.Outputs["branch"]));
        Assert.Equal("1000", await lab.QueryAsync(second.Outputs["branch"], Customers));
        Succeeded(await two.ClosedAsync());
        Assert.False(lab.Exists(second.Outputs["branch"]));
    }

    [Fact]
    public async Task Two_runs_of_one_pull_request_at_once_make_one_branch()
    {
        var job = NewJob(16);

        var results = await Task.WhenAll(job.OpenedAsync(), job.OpenedAsync());

        Assert.All(results, Succeeded);
        Assert.All(results, result => Assert.Equal("shop/pr-16", result.Outputs["branch"]));
        Assert.Equal("1", await lab.QueryAsync("shop/pr-16", HasEmail));
        Assert.Single(job.Pull.Comments);
    }

    [Fact]
    public async Task The_comment_is_found_behind_a_hundred_others_and_a_strangers_copy_of_it_is_left_alone()
    {
        var job = NewJob(17);
        for (var i = 0; i < 101; i++)
            job.Repository.Comment(17, new("hubot", 480938), $"Comment {i}");
        await job.OpenedAsync();
        var own = job.Pull.Comments.Last();
        var copy = job.Repository.Comment(17, new("mallory", 666), own.Body);
        var duplicate = job.Repository.Comment(17, FakeUser.ActionsBot, own.Body);

        Succeeded(await job.PushedAsync());

        Assert.Equal(1, own.Edits);
        Assert.Equal(0, copy.Edits);
        Assert.Contains(copy, job.Pull.Comments);
        Assert.DoesNotContain(duplicate, job.Pull.Comments);
        Assert.Equal(103, job.Pull.Comments.Count());
        await NothingViolatedAsync();
    }

    [Fact]
    public async Task A_persons_token_finds_its_own_comment_again()
    {
        var job = NewJob(18);
        job.Token = lab.GitHub.Fake.PersonalToken(new("hubot", 480938));

        await job.OpenedAsync();
        await job.PushedAsync();

        Assert.Equal(("hubot", 1), (Assert.Single(job.Pull.Comments).User.Login, job.Pull.Comments.Single().Edits));
    }

    [Theory]
    [InlineData(19, "summary", true)]
    [InlineData(20, "false", false)]
    public async Task There_is_no_comment_when_none_is_wanted(int number, string comment, bool summary)
    {
        var job = NewJob(number);
        job.With["comment"] = comment;

        var result = await job.OpenedAsync();

        Succeeded(result);
        Assert.Empty(job.Pull.Comments);
        Assert.Equal(summary, result.Summary.Length > 0);
    }

    [Fact]
    public async Task The_branch_survives_the_job_and_holds_none_of_its_outputs_open()
    {
        var result = await NewJob(21).OpenedAsync();

        Assert.Empty(result.Orphans);
        Assert.False(result.OutputHeldOpen);
        Assert.Equal("1000", await lab.QueryAsync("shop/pr-21", Customers));
    }

    [Fact]
    public async Task What_the_workflow_leaves_out_is_taken_from_the_repositorys_configuration()
    {
        StoryFixture.RequirePsql();
        var job = NewJob(22);
        job.With.Clear();
        job.WriteFile("pgd.yml", """
            project: shop
            migrations:
              command: psql -X -q -c 'create table from_yaml ()'
            policy:
              ttl: 2d
            """);

        var result = await job.OpenedAsync();

        Succeeded(result);
        Assert.Equal("1", await lab.QueryAsync("shop/pr-22", "select count(*) from pg_class where relname = 'from_yaml'"));
        Assert.InRange(DateTimeOffset.Parse(result.Outputs["expires-at"], CultureInfo.InvariantCulture) - DateTimeOffset.UtcNow, TimeSpan.FromDays(1.9), TimeSpan.FromDays(2));
    }

    [Fact]
    public async Task Kept_data_is_renewed_when_its_anonymization_has_changed_and_only_then()
    {
        var job = NewJob(29);
        job.With["on-push"] = "keep";
        job.With["anonymize"] = "db/anonymize.sql";
        job.WriteFile("db/anonymize.sql", "update customers set name = 'somebody';");
        Succeeded(await job.OpenedAsync());
        await lab.ExecuteAsync("shop/pr-29", "update customers set email = 'kept@example.com'");
        Succeeded(await job.PushedAsync());
        Assert.Equal("kept@example.com", await lab.QueryAsync("shop/pr-29", "select min(email) from customers"));

        job.WriteFile("db/anonymize.sql", "update customers set name = 'nobody';");
        var pushed = await job.PushedAsync();

        Succeeded(pushed);
        Assert.Contains("the anonymization has changed, so the data of shop/pr-29 is renewed", pushed.Log.Text, StringComparison.Ordinal);
        Assert.Equal("nobody ", await lab.QueryAsync("shop/pr-29", "select min(name) || ' ' || coalesce(min(email), '') from customers"));
    }

    [Fact]
    public async Task The_data_is_anonymized_before_the_door_opens()
    {
        var job = NewJob(23);
        job.WriteFile("db/anonymize.sql", "update customers set name = 'somebody';");
        job.With["anonymize"] = "db/anonymize.sql";

        var result = await job.OpenedAsync();

        Succeeded(result);
        Assert.Equal("somebody", await lab.QueryAsync("shop/pr-23", "select string_agg(distinct name, ',') from customers"));
        Assert.Contains("anonymized", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
    }

    private PullRequestJob NewJob(int number)
    {
        var job = new PullRequestJob(lab, number);
        job.With["migrate-files"] = "db/migrations/*.sql";
        job.AddMigration("db/migrations/001_email.sql", "alter table customers add email text;");
        return job;
    }

    private static void Succeeded(ActionResult result) => Assert.True(result.ExitCode == 0, result.Log.Text);

    // The empty lock files of names that were used once stay: removing a lock file is a race.
    private static bool IsOfABranch(string entry) => !entry.Contains(" locks/", StringComparison.Ordinal) && !entry.EndsWith(" locks", StringComparison.Ordinal);

    private async Task NothingViolatedAsync() => Assert.Empty(await lab.GitHub.Prism.ViolationsAsync());
}
