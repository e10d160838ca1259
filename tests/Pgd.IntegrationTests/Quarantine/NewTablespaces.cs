using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Quarantine;

/// <summary>Recovery makes tablespaces anew where the log says, whatever links the clone has: that must be seen before it runs.</summary>
public sealed class NewTablespaces
{
    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task One_made_since_the_last_checkpoint_is_found_in_the_log_however_much_was_written(int major)
    {
        using var server = ScratchServer.Start(major, "max_wal_size=2GB");
        var location = Directory.CreateTempSubdirectory("pgd").FullName;
        LabCommand.Run("chown", "postgres", location);
        await server.AskAsync("create table t (i int, note text)");
        await server.AskAsync("checkpoint");
        Assert.Null(Found(server));

        // Records over several pages and segments, and a segment that was not filled.
        await server.AskAsync("insert into t select i, repeat(md5(i::text), 100) from generate_series(1, 20000) i");
        await server.AskAsync("select pg_switch_wal()");
        await server.AskAsync("insert into t select i, md5(i::text) from generate_series(1, 50000) i");
        Assert.Null(Found(server));
        await server.AskAsync($"create tablespace made location '{location}'");
        await server.AskAsync("insert into t select i, md5(i::text) from generate_series(1, 5000) i");
        Assert.Equal(location, Found(server));
        await server.AskAsync("drop tablespace made");
        Assert.Equal(location, Found(server));

        await server.AskAsync("checkpoint");
        Assert.Null(Found(server));
    }

    [Fact]
    public async Task A_branch_is_refused_until_the_source_has_had_a_checkpoint()
    {
        await using var shop = await Shop.OpenAsync("btrfs", "btrfs");
        var location = Directory.CreateTempSubdirectory("pgd").FullName;
        LabCommand.Run("chown", "postgres", location);
        await shop.AdministerAsync("main", $"create tablespace made location '{location}'", "drop tablespace made");

        // Whoever may ask for a checkpoint does, where there is much to replay.
        var error = await shop.RefusedAsync(ExitCode.Unsafe, () => shop.CreateAsync("dev", with: b => b with { Fast = true }));
        Assert.Contains(location, error.Message, StringComparison.Ordinal);
        Assert.Contains("CHECKPOINT", error.Hint, StringComparison.Ordinal);
        await shop.AdministerAsync("main", "checkpoint");
        await shop.CreateAsync("dev");
    }

    private static string? Found(ScratchServer server)
    {
        // As a copy has it: the control file is written whole, and may be caught in between.
        ControlData? control;
        while ((control = ControlData.TryRead(server.Data)) is null)
            Thread.Yield();
        Assert.NotEqual("0", control.Redo.ToString(CultureInfo.InvariantCulture));
        return WriteAheadLog.TablespaceMadeSince($"{server.Data}/pg_wal", control.Redo);
    }
}
