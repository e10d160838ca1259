using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>What is told of a copy before it is made.</summary>
public sealed class Estimates : IDisposable
{
    private readonly ServerPair _servers = new();

    /// <inheritdoc/>
    public void Dispose() => _servers.Dispose();

    [Fact]
    public async Task A_dry_run_measures_and_changes_nothing_and_the_copy_takes_as_long_as_it_says()
    {
        await _servers.MakeAsync("shop", "create table events (id bigint primary key, t text, at timestamptz); insert into events select i, repeat(md5(i::text), 3), now() from generate_series(1, 400000) i; create index on events (t); create table small (id int primary key); create table skipped (id int primary key, t text); insert into skipped select i, repeat('x', 500) from generate_series(1, 20000) i");
        await _servers.AskSourceAsync("shop", "vacuum");

        var began = Stopwatch.GetTimestamp();
        var estimate = JsonDocument.Parse(await _servers.SucceedAsync("shop", "init", "--dry-run", "--json", "--schema-only-tables", "skipped")).RootElement[0];
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(15), $"{Stopwatch.GetElapsedTime(began)}");
        Assert.Equal("make", estimate.GetProperty("plan").GetString());
        Assert.Equal(await _servers.AskSourceAsync("shop", "select pg_table_size('events') + pg_table_size('small')"), $"{estimate.GetProperty("bytes").GetInt64()}");
        Assert.Equal(await _servers.AskSourceAsync("shop", "select pg_indexes_size('events') + pg_indexes_size('small')"), $"{estimate.GetProperty("indexBytes").GetInt64()}");
        Assert.Equal(["public.events", "public.skipped", "public.small"], estimate.GetProperty("tables").EnumerateArray().Select(table => table.GetProperty("name").GetString()));
        Assert.Equal("false", estimate.GetProperty("tables")[1].GetProperty("rows").GetString());
        Assert.True(estimate.GetProperty("bytesPerSecond").GetDouble() > 100_000);
        Assert.Equal("0", await _servers.AskTargetAsync("postgres", "select count(*) from pg_database where datname = 'shop'"));
        Assert.Equal("0/0", await _servers.AskSourceAsync("shop", "select (select count(*) from pg_replication_slots) || '/' || (select count(*) from pg_publication)"));

        began = Stopwatch.GetTimestamp();
        await _servers.SucceedAsync("shop", "init", "--schema-only-tables", "skipped");
        var (took, least, most) = (Stopwatch.GetElapsedTime(began).TotalSeconds, estimate.GetProperty("secondsAtLeast").GetDouble(), estimate.GetProperty("secondsAtMost").GetDouble());
        // Others use this machine as well.
        Assert.True(took > least / 3 && took < most * 3, $"it took {took}, and {least} to {most} were expected");
        Assert.Equal("keep", JsonDocument.Parse(await _servers.SucceedAsync("shop", "init", "--dry-run", "--json", "--schema-only-tables", "skipped")).RootElement[0].GetProperty("plan").GetString());
        Assert.Equal("replace", JsonDocument.Parse(await _servers.SucceedAsync("shop", "init", "--dry-run", "--json", "--drop-existing", "--yes")).RootElement[0].GetProperty("plan").GetString());
        await _servers.SucceedAsync("shop", "cleanup");
    }

    [Fact]
    public async Task A_dry_run_tells_what_keeps_a_database_from_being_copied()
    {
        await _servers.MakeAsync("shop", "create table keyless (t text)");

        await _servers.RefusedAsync("shop", ExitCode.Unsafe, "init", ["--dry-run"], "is made at the target", "UPDATE and DELETE of public.keyless would fail");
        await _servers.AskTargetAsync("postgres", "create database shop");
        Assert.Contains("is there and empty, and is filled", await _servers.SucceedAsync("shop", "init", "--dry-run", "--no-sync"), StringComparison.Ordinal);
        await _servers.AskTargetAsync("shop", "create table notes (id int)");
        await _servers.RefusedAsync("shop", ExitCode.Unsafe, "init", ["--dry-run", "--no-sync"], "the target has something else", "it has public.notes");
    }
}
