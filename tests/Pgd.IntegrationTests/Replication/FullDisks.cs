using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Targets whose disk fills up in the middle of a copy: it is said, the source keeps nothing for it, and with room the same goes on.</summary>
public sealed class FullDisks : IDisposable
{
    private const long Left = 60L << 20;
    private readonly LoopFileSystem _disk = Lab.Current.FileSystems.New("ext4", 400);
    private readonly string _folder = Directory.CreateTempSubdirectory("pgd").FullName;
    private readonly ToolRoot _root = new("copy");
    private readonly ScratchServer _source = ScratchServer.Start(15, "wal_level=logical", "fsync=off");

    /// <inheritdoc/>
    public void Dispose()
    {
        _source.Dispose();
        _root.Dispose();
        _disk.Dispose();
        LabCommand.Try("rm", "--recursive", "--force", _folder);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_disk_that_fills_among_rows_is_told_and_with_room_the_same_goes_on(bool hasLog)
    {
        await _source.AskAsync("create table first (id int primary key); insert into first select generate_series(1, 1000); create table large as select i id, repeat(md5(i::text), 30) t from generate_series(1, 120000) i; alter table large add primary key (id)");
        await _source.AskAsync("alter table large alter t set storage plain");
        using var target = StartTarget(hasLog);
        var filler = Path.Combine(_disk.MountPoint, "filler");
        LabCommand.Run("fallocate", "--length", (new DriveInfo(_disk.MountPoint).AvailableFreeSpace - Left).ToString(CultureInfo.InvariantCulture), filler);

        var full = await RunAsync(target, "init", "--jobs", "1");

        // A server that cannot write its log ends, and takes its last words along.
        Assert.True(full.Status == (int)(hasLog ? ExitCode.Failed : ExitCode.NoRoom) && full.Error.Contains("run the same again", StringComparison.OrdinalIgnoreCase), full.ToString());
        if (!hasLog)
            Assert.Contains("/shop is full: could not", full.Error.ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.Equal("0/0/0", await _source.AskAsync("select (select count(*) from pg_replication_slots) || '/' || (select count(*) from pg_publication) || '/' || (select count(*) from pg_stat_activity where application_name like 'pgd%' and pid <> pg_backend_pid())"));
        await _source.AskAsync("insert into first values (1001); delete from large where id <= 10");
        await Eventually.TrueAsync(async () => !target.IsRunning || await AnswersAsync(target));
        File.Delete(filler);
        if (!target.IsRunning)
            target.Start();
        foreach (var arguments in (string[][])[["init", "--jobs", "1"], ["sync"], ["status", "--fail-above", "30s"], ["verify"]])
        {
            var result = await RunAsync(target, arguments);
            Assert.True(result.Status == 0, $"{string.Join(' ', arguments)}: {result}");
        }
    }

    private ScratchServer StartTarget(bool hasLog)
    {
        File.SetUnixFileMode(_folder, LabFolder.Traversable);
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", $"{_folder}/wal");
        return ScratchServer.StartIn(15, _folder, $"{_disk.NewRoot()}/data", ScratchServer.FreePort(), hasLog ? [] : [$"--waldir={_folder}/wal"], "fsync=off", "max_wal_size=1GB", "wal_retrieve_retry_interval=100ms");
    }

    private static async Task<bool> AnswersAsync(ScratchServer server)
    {
        try
        {
            return await server.AskAsync("select '1'") == "1";
        }
        catch (Npgsql.NpgsqlException)
        {
            return false;
        }
    }

    private Task<ToolResult> RunAsync(ScratchServer target, params string[] arguments) =>
        _root.InProcessAsync(["replicate", .. arguments, "--source", TwoServers.Url(_source, "postgres"), "--target", TwoServers.Url(target)]);
}
