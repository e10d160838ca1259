using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Pgd.IntegrationTests.Replication;
using Xunit;

namespace Pgd.IntegrationTests.Docs;

/// <summary>What the page for those who come from postgres-seren-replicator says can be typed, between two servers.</summary>
public sealed partial class ComingFromReplicator : IDisposable
{
    private readonly ServerPair _servers = new();

    /// <inheritdoc/>
    public void Dispose() => _servers.Dispose();

    [Fact]
    public async Task Every_line_of_the_page_does_what_it_says()
    {
        await FillAsync();
        using var folder = new TemporaryFolder();
        folder.Write("replication.options", "# as in the page\n--time-filter metrics:created_at:6 months\n");
        var rows = File.ReadLines(Path.Combine(Checkout.Folder, "docs/coming-from.md")).SkipWhile(line => !line.StartsWith("## postgres-seren-replicator", StringComparison.Ordinal)).TakeWhile(line => !line.StartsWith("## What is different", StringComparison.Ordinal))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => line.Split('|')).ToList();
        var commands = rows.SelectMany(row => Span().Matches(row[^2]).Select(match => match.Groups["command"].Value)).ToList();
        Assert.True(commands.Count >= 20, $"only {commands.Count} commands were found");

        var copied = false;
        foreach (var command in commands)
        {
            // One copy after another, each into a server that has none, unless it is about one that is there.
            var isCopy = command.StartsWith("replicate init", StringComparison.Ordinal);
            if (isCopy && copied && !command.EndsWith("\"$TGT\"", StringComparison.Ordinal) && !command.Contains("--drop-existing", StringComparison.Ordinal) && !command.Contains("--no-resume", StringComparison.Ordinal))
                await _servers.EmptyTargetAsync();
            copied |= isCopy && !command.Contains("--dry-run", StringComparison.Ordinal);
            var result = await _servers.Root.InProcessAsync(Arguments(command, folder.Path));
            if (command.EndsWith("--interactive", StringComparison.Ordinal))
                Assert.True(result.Status == (int)ExitCode.Misuse && result.Error.Contains("here nobody can be asked", StringComparison.Ordinal), $"{command}: {result}");
            else
                Assert.True(result.Status == 0, $"{command}: {result}");
        }

        await _servers.EmptyTargetAsync();
    }

    [Fact]
    public async Task What_is_chosen_is_copied_followed_and_compared_from_validate_to_verify()
    {
        await FillAsync();
        string[] chosen = ["--include-databases", "myapp,analytics", "--exclude-tables", "myapp.logs", "--schema-only-tables", "analytics.evmlog_strides,myapp.audit_logs", "--time-filter", "myapp.metrics:created_at:6 months", "--table-filter", "myapp.transactions:status IN ('active','pending')"];

        Assert.Contains("Ready.", await _servers.SucceedAsync("postgres", "validate", chosen), StringComparison.Ordinal);
        await _servers.SucceedAsync("postgres", "init", [.. chosen, "--yes"]);
        Assert.Equal("2/0/6/2", await _servers.AskTargetAsync("myapp", "select (select count(*) from users) || '/' || (select count(*) from audit_logs) || '/' || (select count(*) from metrics) || '/' || (select count(*) from transactions)"));
        Assert.Equal("0", await _servers.AskTargetAsync("myapp", "select count(*) from pg_tables where tablename = 'logs'"));
        Assert.Equal("2/0", await _servers.AskTargetAsync("analytics", "select (select count(*) from events) || '/' || (select count(*) from evmlog_strides)"));
        Assert.Equal("2", await _servers.AskTargetAsync("postgres", "select count(*) from pg_database where not datistemplate and datname <> 'postgres'"));

        await _servers.SucceedAsync("postgres", "sync", chosen);
        await _servers.AskSourceAsync("myapp", "insert into logs values (9); insert into audit_logs values (9); insert into metrics values (90, now()), (91, now() - interval '2 years'); insert into transactions values (9, 'active'), (10, 'gone'); update transactions set status = 'gone' where id = 1; insert into users values (9)");
        await _servers.AskSourceAsync("analytics", "insert into evmlog_strides values (9); insert into events values (9)");
        await _servers.ArrivesAsync("myapp", "select count(*) from users", "3");
        await _servers.ArrivesAsync("analytics", "select count(*) from events", "3");
        Assert.Equal("0/7/2", await _servers.AskTargetAsync("myapp", "select (select count(*) from audit_logs) || '/' || (select count(*) from metrics) || '/' || (select count(*) from transactions)"));
        var status = await _servers.SucceedAsync("postgres", "status", [.. chosen, "--fail-above", "30s"]);
        Assert.Equal(2, Regex.Count(status, "following"));
        await _servers.SucceedAsync("postgres", "verify", chosen);
        await _servers.AskTargetAsync("myapp", "update users set id = 8 where id = 2");
        await _servers.RefusedAsync("postgres", ExitCode.Failed, "verify", chosen, "users");
        await _servers.AskTargetAsync("myapp", "update users set id = 2 where id = 8");
        await _servers.EmptyTargetAsync();
    }

    // What the page speaks of.
    private async Task FillAsync()
    {
        await _servers.MakeAsync("myapp", """
            create schema reporting; create table reporting.archive (id int primary key);
            create table users (id int primary key); create table orders (id int primary key, customer int references users); create table logs (id int primary key); create table cache (id int primary key); create table audit_logs (id int primary key);
            create table output (id int, series_time timestamptz, primary key (id, series_time)); create table transactions (id int primary key, status text); alter table transactions replica identity full;
            create table metrics (id int, created_at timestamp, primary key (id, created_at));
            insert into users values (1), (2); insert into orders values (1, 1); insert into logs values (1); insert into audit_logs values (1); insert into transactions values (1, 'active'), (2, 'pending'), (3, 'gone');
            insert into output select i, now() - i * interval '1 month' from generate_series(1, 12) i; insert into metrics select i, now() - i * interval '1 month' + interval '1 day' from generate_series(1, 12) i;
            """);
        await _servers.MakeAsync("analytics", "create table events (id int primary key); create table temp_data (id int primary key); create table evmlog_strides (id int primary key); insert into events values (1), (2); insert into evmlog_strides values (1)");
        await _servers.MakeAsync("test", "create table t (id int primary key)");
        await _servers.MakeAsync("staging", "create table t (id int primary key)");
    }

    private string[] Arguments(string command, string folder) =>
        [.. Word().Matches(command).Select(word => word.Value.Trim('"')).Select(word => word switch { "$SRC" => _servers.SourceUrl("myapp"), "$TGT" => _servers.TargetUrl, ['@', .. var name] => "@" + Path.Combine(folder, name), _ => word })];

    [GeneratedRegex("`dotnet pgd (?<command>[^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Word();
}
