using Npgsql;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Under write load, a branch has everything that was acknowledged before it was asked for, and is sound.</summary>
public sealed class AcknowledgedRows
{
    private const int Writers = 3;
    private static readonly int Rounds = Soak.IsOn ? 100 : 10;

    [Theory]
    [InlineData("btrfs")]
    [InlineData("reflink")]
    [InlineData("copy")]
    public async Task Every_row_that_was_acknowledged_is_in_the_branch_and_its_indexes_are_sound(string storage)
    {
        // PGD_SEED repeats a run that failed.
        var seed = int.TryParse(Environment.GetEnvironmentVariable("PGD_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"PGD_SEED={seed}");
        TestContext.Current.SendDiagnosticMessage($"{storage}: PGD_SEED={seed}");
        using var root = await ToolRoot.WithProjectAsync(storage);
        var random = new Random(seed);
        var checksIndexes = await root.SqlAsync(ToolRoot.Main, "select count(*) from pg_available_extensions where name = 'amcheck'") == "1";
        if (checksIndexes)
            await root.SqlAsync(ToolRoot.Main, "create extension amcheck");
        await using var load = await WriteLoad.StartAsync(root, Writers, random.Next());

        for (var round = 1; round <= Rounds; round++)
        {
            var name = ToolRoot.Branch($"round-{round}");
            // A moment that is different in each round, counted in work that was done and not in time.
            var target = load.Acknowledged[0] + random.Next(1, 60);
            await Until.TrueAsync(() => load.Acknowledged[0] >= target, "the load goes on");
            var acknowledged = load.Acknowledged;
            await root.Workspace.Branches.CreateAsync(new() { Name = name, Fast = random.Next(2) == 0, Consistency = storage == "btrfs" && random.Next(3) == 0 ? Consistency.Backup : Consistency.Auto }, default);

            await CheckAsync(root, name, acknowledged, checksIndexes, $"seed {seed}, round {round}");
            await root.Workspace.Branches.DeleteAsync(name, ifExists: false, default);
            await load.StillRunsAsync();
        }
    }

    [Fact]
    public async Task A_reset_under_load_takes_every_acknowledged_row_too()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        var dev = await root.MakeAsync("dev");
        await using var load = await WriteLoad.StartAsync(root, Writers, seed: 1);
        for (var round = 0; round < 3; round++)
        {
            var acknowledged = load.Acknowledged;
            await root.Workspace.Branches.ResetAsync(new() { Name = dev.Name }, default);
            await CheckAsync(root, dev.Name, acknowledged, checksIndexes: false, $"round {round}");
        }
    }

    private static async Task CheckAsync(ToolRoot root, BranchName name, long[] acknowledged, bool checksIndexes, string where)
    {
        await using var connection = await root.OpenAsync(name);
        for (var writer = 0; writer < acknowledged.Length; writer++)
        {
            // Each writer commits one number after the other: the highest must be there, and no gap before it.
            var (count, highest) = (await AskAsync($"select count(*) from events where writer = {writer}"), await AskAsync($"select coalesce(max(number), 0) from events where writer = {writer}"));
            Assert.True(highest >= acknowledged[writer], $"{where}: writer {writer} was told that {acknowledged[writer]} is safe, and the branch ends with {highest}");
            Assert.True(count == highest, $"{where}: writer {writer} has {count} rows up to {highest}");
        }

        Assert.Equal(await AskAsync("select sum(id) from balances"), await AskAsync("select sum(amount) from balances"));
        if (checksIndexes)
        {
            // Every index of every table, catalogs included, against its table's rows; and every row of the tables, where the version can.
            await AskAsync("select count(bt_index_check(c.oid, true)) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam where a.amname = 'btree' and i.indisvalid and c.relpersistence = 'p'");
            var damage = await AskAsync("select count(*) from pg_class c, lateral verify_heapam(c.oid) v where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace");
            Assert.True(damage == 0, $"{where}: verify_heapam found {damage} damaged rows");
        }

        async Task<long> AskAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            return Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
