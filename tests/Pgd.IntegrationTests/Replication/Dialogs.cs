using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>What is asked on a terminal before databases are replicated.</summary>
public sealed partial class Dialogs : IAsyncLifetime
{
    private readonly ServerPair _servers = new();
    private readonly TemporaryFolder _folder = new();

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        await _servers.MakeAsync("shop", "create schema sales; create table sales.orders (id int primary key, t text); create table sales.\"Odd, \"\"one\"\"\" (id int primary key, t text); create table cache (id int primary key, t text); insert into cache select i, repeat('x', 900) from generate_series(1, 10000) i; insert into sales.orders select i, 'x' from generate_series(1, 1000) i");
        await _servers.MakeAsync("crm", "create table people (id int primary key); insert into people values (1)");
        await _servers.MakeAsync("closed", "create table secrets (id int primary key)");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _servers.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Databases_and_tables_are_chosen_from_lists_and_the_command_line_that_is_told_means_the_same()
    {
        string told;
        using (var terminal = Open("init", "--interactive", "--row-filter", "shop.sales.orders: id > 900", "--jobs", "2"))
        {
            await terminal.SeesAsync("Databases to replicate");
            await terminal.SeesAsync("> [x] shop");
            terminal.Type("\e[A\e[A \r");
            await terminal.SeesAsync("Tables of crm to leave out");
            terminal.Type("\r");
            await terminal.SeesAsync("Tables of shop to leave out");
            await terminal.SeesAsync("> [ ] public.cache");
            terminal.Type(" odd");
            await terminal.SeesAsync("only *odd*");
            terminal.Type(" \r");
            await terminal.SeesAsync("without public.cache  ");
            await terminal.SeesAsync("without sales.Odd, \"one\"");
            await terminal.SeesAsync("(passwords are left out):");
            told = (await terminal.ReadsUntilAsync("Proceed? [y/N] ")).Split('\n')[1].Trim();
            terminal.Type("y\r");
            await terminal.SeesAsync("Copied crm: 1 table");
            await terminal.SeesAsync("Copied shop: 1 table");
            Assert.Equal(0, await terminal.EndsAsync());
        }

        Assert.Equal("1/100", await _servers.AskTargetAsync("crm", "select count(*) from people") + "/" + await _servers.AskTargetAsync("shop", "select count(*) from sales.orders"));
        Assert.Equal("1/0", await _servers.AskTargetAsync("shop", "select (select count(*) from pg_tables where schemaname in ('public', 'sales')) || '/' || (select count(*) from pg_database where datname = 'closed')"));
        Assert.StartsWith($"dotnet pgd replicate init --source {_servers.SourceUrl("shop")} --target {_servers.TargetUrl} ", told, StringComparison.Ordinal);
        Assert.EndsWith("--include-databases crm,shop --exclude-tables 'shop.public.cache,shop.sales.\"Odd, \"\"one\"\"\"' --yes", told, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", told, StringComparison.Ordinal);
        // Said again it finds all of it done.
        var again = await _servers.Root.InProcessAsync([.. Words().Matches(told["dotnet pgd ".Length..]).Select(word => word.Value.Trim('\''))]);
        Assert.True(again.Status == 0 && again.Output.Contains("crm was complete already\n", StringComparison.Ordinal) && again.Output.Contains("shop was complete already\n", StringComparison.Ordinal), $"{told}: {again}");
        await _servers.SucceedAsync("shop", "cleanup");
        await _servers.SucceedAsync("crm", "cleanup");
    }

    [Fact]
    public async Task Nothing_is_done_when_the_answer_is_no_or_none()
    {
        using (var refused = Open("init"))
        {
            await refused.SeesAsync("shop: is made at the target");
            await refused.SeesAsync("Proceed? [y/N] ");
            refused.Type("n\r");
            await refused.SeesAsync("nothing was dropped or copied");
            Assert.Equal((int)ExitCode.Failed, await refused.EndsAsync());
        }

        using (var left = Open("sync", "--interactive"))
        {
            await left.SeesAsync("> [x] shop");
            left.Type("\u0003");
            await left.SeesAsync("the questions were broken off, and nothing was done");
            Assert.Equal((int)ExitCode.Interrupted, await left.EndsAsync());
        }

        using (var none = Open("validate", "--interactive"))
        {
            await none.SeesAsync("> [x] shop");
            none.Type(" \r");
            await none.SeesAsync("no database was chosen");
            Assert.Equal((int)ExitCode.Failed, await none.EndsAsync());
        }

        Assert.Equal("0", await _servers.AskTargetAsync("postgres", "select count(*) from pg_database where datname in ('shop', 'crm')"));
    }

    [Fact]
    public async Task What_would_be_dropped_is_named_before_it_is_asked_for()
    {
        await _servers.AskTargetAsync("postgres", "create database shop");
        await _servers.AskTargetAsync("shop", "create table old (id int)");
        using var terminal = Open("init", "--drop-existing");
        await terminal.SeesAsync("shop: is dropped at the target, and made anew");
        await terminal.SeesAsync("This drops shop (");
        await terminal.SeesAsync("Proceed? [y/N] ");
        terminal.Type("y\r");
        await terminal.SeesAsync("Copied shop: 3 tables");
        Assert.Equal(0, await terminal.EndsAsync());
        await _servers.SucceedAsync("shop", "cleanup");
    }

    [Fact]
    public async Task Where_nobody_can_be_asked_that_is_said_and_without_it_nobody_is()
    {
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "init", ["--interactive"], "here nobody can be asked", "--include-databases");
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "sync", ["--interactive"], "here nobody can be asked");
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "init", ["--interactive", "--exclude-tables", "shop.cache"], "--interactive asks for what --exclude-tables says");
        Assert.DoesNotContain("Proceed", await _servers.SucceedAsync("crm", "init"), StringComparison.Ordinal);
        await _servers.SucceedAsync("crm", "cleanup");
    }

    private Terminal Open(string verb, params string[] more) =>
        new(_servers.Root.Variables, _folder.Path, ["replicate", verb, "--source", _servers.SourceUrl("shop").Replace("postgres@", "postgres:geheim@", StringComparison.Ordinal), "--target", _servers.TargetUrl, .. more]);

    [GeneratedRegex("'[^']*'|\\S+")]
    private static partial Regex Words();
}
