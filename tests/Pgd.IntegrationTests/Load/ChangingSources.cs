using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>What comes and goes in a running source's folders must not disturb a copy.</summary>
public sealed class ChangingSources
{
    [Theory]
    [InlineData("reflink")]
    [InlineData("copy")]
    public async Task Temporary_files_of_a_parallel_query_are_left_out(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        // What a parallel hash join or index build leaves for moments: a folder of its own with files of any name.
        var fileset = $"{root.Folder}/volumes/shop/main/g1/data/base/pgsql_tmp/pgsql_tmp4711.0.fileset";
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", Path.GetDirectoryName(fileset)!, fileset);
        LabCommand.Run("install", "-o", "postgres", "-m", "600", "/etc/hostname", $"{fileset}/o1of1.p0.0");

        await root.MakeAsync("dev");

        Assert.False(Directory.Exists($"{root.Folder}/volumes/shop/dev/g1/data/base/pgsql_tmp"));
        Assert.Equal(await root.ChecksumAsync(ToolRoot.Main), await root.ChecksumAsync(ToolRoot.Branch("dev")));
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("reflink")]
    [InlineData("copy")]
    public async Task Databases_may_be_made_and_dropped_while_branches_are_made(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        using var stop = new CancellationTokenSource();
        var address = await root.ConnectionStringAsync(ToolRoot.Main);
        var others = Task.Run(async () =>
        {
            await using var connection = new Npgsql.NpgsqlConnection(address);
            await connection.OpenAsync();
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                foreach (var sql in (string[])[$"create database passing{i} strategy {(i % 2 == 0 ? "wal_log" : "file_copy")}", $"drop database passing{i}"])
                {
                    await using var command = new Npgsql.NpgsqlCommand(sql, connection);
                    await command.ExecuteNonQueryAsync();
                }
            }
        });

        for (var round = 0; round < (Soak.IsOn ? 30 : 3); round++)
        {
            await root.MakeAsync($"r{round}");
            Assert.Equal(await root.ChecksumAsync(ToolRoot.Main), await root.ChecksumAsync(ToolRoot.Branch($"r{round}")));
            await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch($"r{round}"), ifExists: false, default);
        }

        Assert.False(others.IsFaulted, others.Exception?.Message);
        await stop.CancelAsync();
        await others;
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("copy")]
    public async Task A_source_that_has_no_connection_left_to_give_can_be_snapshotted_and_says_so_where_it_must_be_asked(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        foreach (var setting in (string[])["max_connections = 6", "superuser_reserved_connections = 0", "max_wal_senders = 3"])
            await root.SqlAsync(ToolRoot.Main, $"alter system set {setting}");
        await root.Workspace.Branches.RestartAsync(ToolRoot.Main, default);
        var source = await root.ChecksumAsync(ToolRoot.Main);
        var address = await root.ConnectionStringAsync(ToolRoot.Main);
        var taken = new List<Npgsql.NpgsqlConnection>();
        try
        {
            // Sessions that have just been left end a moment later: until no more fit in.
            for (var full = false; !full;)
            {
                var connection = new Npgsql.NpgsqlConnection(address);
                try
                {
                    await connection.OpenAsync();
                    taken.Add(connection);
                }
                catch (Npgsql.PostgresException e) when (e.SqlState == Npgsql.PostgresErrorCodes.TooManyConnections)
                {
                    full = taken.Count == 6;
                }
            }

            if (storage == "copy")
            {
                var refused = await Assert.ThrowsAsync<PgdException>(() => root.MakeAsync("dev"));
                Assert.Equal(ExitCode.Failed, refused.ExitCode);
                Assert.Contains("shop/main runs but cannot be asked", refused.Message, StringComparison.Ordinal);
                return;
            }

            await root.MakeAsync("dev");
            Assert.Equal(source, await root.ChecksumAsync(ToolRoot.Branch("dev")));
        }
        finally
        {
            foreach (var connection in taken)
                await connection.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_source_is_asked_for_a_checkpoint_only_where_much_would_have_to_be_replayed_and_never_if_told_so()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var steps = new System.Collections.Concurrent.ConcurrentQueue<string>();
        root.Heard.OnStep = steps.Enqueue;
        await root.SqlAsync(ToolRoot.Main, "checkpoint");
        await root.MakeAsync("near");
        Assert.DoesNotContain("checkpoint on shop/main", steps);

        await root.SqlAsync(ToolRoot.Main, "create table much as select i, repeat(md5(i::text), 10) t from generate_series(1, 3000) i");
        await root.Workspace.Branches.CreateAsync(new() { Name = ToolRoot.Branch("fast"), Fast = true }, default);
        Assert.DoesNotContain("checkpoint on shop/main", steps);
        await root.MakeAsync("far");
        Assert.Contains("checkpoint on shop/main", steps);
    }
}
