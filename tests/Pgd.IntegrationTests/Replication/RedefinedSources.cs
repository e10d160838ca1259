using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Sources that somebody redefines while a copy follows them: what is told is true, and what is said to be typed has the copy go on.</summary>
public sealed partial class RedefinedSources
{
    [Theory]
    [InlineData("alter table things add c int not null default 5; insert into things values (2, 2, 'two', 7)", "lacks the column c of \"public\".\"things\"", "ADD COLUMN c integer DEFAULT '5' NOT NULL;")]
    [InlineData("alter table things add \"odd \"\"one\" mood; insert into things values (2, 2, 'two', 'sad')", "lacks the column \"odd \"\"one\"", "public.mood;")]
    [InlineData("alter table things alter n type bigint; insert into things values (2, 5000000000, 'two')", "is bigint at the source and integer at the target", "TYPE bigint")]
    [InlineData("alter table things alter t type varchar(20); insert into things values (2, 2, 'longer than four')", "is character varying(20) at the source", "TYPE character varying(20)")]
    [InlineData("alter table things alter n type text using n::text; insert into things values (2, 'words', 'two')", "is text at the source", "USING n::text;")]
    [InlineData("alter table things drop n; insert into things values (2, 'two')", "no column n of \"public\".\"things\" any more", "DROP COLUMN n;")]
    [InlineData("alter table things rename n to number; insert into things values (2, 2, 'two')", "lacks the column number", "RENAME COLUMN n TO number;")]
    [InlineData("alter table things rename to articles; insert into articles values (2, 2, 'two')", "no table \"public\".\"articles\"; if it was \"public\".\"things\" before", "RENAME TO \"articles\";")]
    [InlineData("alter table things set schema \"New one\"; alter table \"New one\".things rename to articles; insert into \"New one\".articles values (2, 2, 'two')", "no table \"New one\".\"articles\"", "SET SCHEMA \"New one\"; ALTER TABLE \"New one\".\"things\" RENAME TO \"articles\";")]
    public async Task What_stops_a_copy_is_named_and_what_is_said_to_be_typed_has_it_go_on(string redefinition, params string[] told)
    {
        using var servers = await StartAsync();
        await servers.SucceedAsync("init");
        await servers.SucceedAsync("sync");
        await servers.AskTargetAsync($"alter subscription {await servers.AskTargetAsync("select subname from pg_subscription")} set (disable_on_error = true)");

        await servers.AskSourceAsync(redefinition);

        await Eventually.TrueAsync(async () => await servers.AskTargetAsync("select subenabled::text from pg_subscription") == "false");
        await servers.RefusedAsync(9, "status", ["--fail-above", "1s"], [.. told, "is disabled", "replicate sync"]);
        // Who has not disabled it sees it fail again and again.
        await servers.AskTargetAsync($"alter subscription {await servers.AskTargetAsync("select subname from pg_subscription")} set (disable_on_error = false)");
        await servers.SucceedAsync("sync");
        await servers.RefusedAsync(9, "status", ["--fail-above", "1s"], told);
        // Whether it reads just now depends on the moment: it begins again and again.
        await servers.RefusedAsync(1, "verify", ["--timeout", "1s"], "of the log behind", "replicate status");
        await servers.RefusedAsync(7, "cutover", ["--max-pause", "1s"], told);
        foreach (var statement in (await ProblemsAsync(servers)).SelectMany(problem => Statement().Matches($"{problem.Split("; if it is new:")[0]};").Select(match => match.Value)))
            await servers.AskTargetAsync(statement);

        await servers.SucceedAsync("status", "--fail-above", "30s");
        Assert.Empty(await ProblemsAsync(servers));
        await servers.SucceedAsync("verify");
        await servers.SucceedAsync("cutover", "--max-pause", "30s");
        await servers.CleanAsync();
    }

    [Fact]
    public async Task Tables_that_came_or_went_are_named_although_nothing_stops_and_can_be_had_without_a_new_copy()
    {
        using var servers = await StartAsync();
        servers.Fill("create table gone (id int primary key); create table remade (id int primary key); insert into remade values (1); create table quiet (id int primary key); insert into quiet values (1)");
        string[] filter = ["--schema-only-tables", "shop.quiet"];
        await servers.SucceedAsync("init", filter);
        await servers.SucceedAsync("sync", filter);
        Assert.Empty(await ProblemsAsync(servers));

        await servers.AskSourceAsync("drop table gone; create table later (id int primary key); insert into later values (1), (2); drop table remade; create table remade (id int primary key, t text); insert into remade values (7, 'new')");
        await servers.AskTargetAsync("drop table remade; create table remade (id int primary key, t text)");

        // The copy goes on, and says nothing of its own.
        await servers.AskSourceAsync("insert into things values (2, 2, 'two')");
        await servers.SucceedAsync("status", "--fail-above", "30s");
        var problems = await ProblemsAsync(servers);
        Assert.Equal(3, problems.Count);
        Assert.Contains("the source has no table \"public\".\"gone\" any more", problems[0], StringComparison.Ordinal);
        Assert.Contains("the source has \"public\".\"later\", which the copy has not", problems[1], StringComparison.Ordinal);
        Assert.Contains("both sides have \"public\".\"remade\", and what is written to it does not come", problems[2], StringComparison.Ordinal);
        await servers.RefusedAsync(1, "verify", filter, "table public.gone is extra", "table public.later is missing", "public.remade  1 and 0  1 missing");

        await servers.AskTargetAsync("drop table gone; create table later (id int primary key)");
        foreach (var statement in problems.SelectMany(problem => Publishing().Matches(problem).Select(match => match.Value)))
            await servers.AskSourceAsync(statement);
        await servers.AskTargetAsync(Refreshing().Match(problems[1]).Value);
        await Eventually.TrueAsync(async () => await servers.AskTargetAsync("select (select count(*) from later) || '/' || (select count(*) from remade)") == "2/1");
        await servers.AskSourceAsync("insert into later values (3); update remade set t = 'newer'");
        await servers.SucceedAsync("status", "--fail-above", "30s");

        Assert.Empty(await ProblemsAsync(servers));
        await servers.SucceedAsync("verify", filter);
        await servers.SucceedAsync("cutover", "--max-pause", "30s");
        await servers.CleanAsync();
    }

    [Fact]
    public async Task What_is_redefined_before_the_copy_follows_is_told_by_status_and_sync_says_where_to_look()
    {
        using var servers = await StartAsync();
        await servers.SucceedAsync("init");
        await servers.AskSourceAsync("alter table things rename to articles");

        await servers.RefusedAsync(7, "sync", [], "public.articles", "dotnet pgd replicate status");
        var problems = await ProblemsAsync(servers);
        Assert.Contains("replicate sync", problems[0], StringComparison.Ordinal);
        await servers.AskTargetAsync(Statement().Match(problems[1]).Value);
        await servers.SucceedAsync("sync");
        await servers.AskSourceAsync("insert into articles values (2, 2, 'two')");

        await servers.SucceedAsync("status", "--fail-above", "30s");
        await servers.SucceedAsync("verify");
    }

    private static async Task<TwoServers> StartAsync()
    {
        var servers = await TwoServers.StartAsync();
        servers.Fill("create schema \"New one\"; create type mood as enum ('sad'); create table things (id int primary key, n int not null, t varchar(4)); insert into things values (1, 1, 'one')");
        return servers;
    }

    private static async Task<IReadOnlyList<string>> ProblemsAsync(TwoServers servers) => [.. JsonNode.Parse(await servers.SucceedAsync("status", "--json"))![0]!["problems"]!.AsArray().Select(problem => $"{problem}")];

    [GeneratedRegex("ALTER TABLE [^;]+;")]
    private static partial Regex Statement();

    [GeneratedRegex("ALTER PUBLICATION [^;]+;")]
    private static partial Regex Publishing();

    [GeneratedRegex("ALTER SUBSCRIPTION [^;]+;")]
    private static partial Regex Refreshing();
}
