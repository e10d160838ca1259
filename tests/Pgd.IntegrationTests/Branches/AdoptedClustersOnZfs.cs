using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>Datasets, with the write-ahead log and tablespaces in datasets of their own as well.</summary>
[Trait("Needs", "zfs")]
public sealed class AdoptedClustersOnZfs : AdoptedClusters
{
    private readonly string _parent, _mounts = Passable(Directory.CreateTempSubdirectory("pgd").FullName);

    /// <summary>In a dataset of the test's own.</summary>
    public AdoptedClustersOnZfs()
        : this(Lab.Current.Zfs.NewParent())
    {
    }

    private AdoptedClustersOnZfs(string parent)
        : base("zfs", Passable(Directory.CreateTempSubdirectory("pgd").FullName), parent) => _parent = parent;

    [Fact]
    public async Task A_dataset_is_adopted_by_its_name_and_has_no_snapshot_when_its_branches_are_gone()
    {
        var source = StartServer("source");
        await source.AskAsync("create table t (i int)");
        var before = ZfsLab.Listing(_parent);

        await AdoptAsync($"{_parent}/source");
        await CreateAsync(Dev);
        Assert.Contains(ZfsLab.Listing(_parent), d => d.StartsWith($"{_parent}/source@pgd-", StringComparison.Ordinal));
        await CreateAsync(BranchName.Of("prod", "other"));
        await Workspace.Branches.DeleteAsync(Dev, ifExists: false, CancellationToken.None);
        await Workspace.Projects.DeleteAsync("prod", force: true, CancellationToken.None);

        Assert.Equal([.. before, $"{_parent}/pgd"], ZfsLab.Listing(_parent).OrderBy(d => d.EndsWith("/pgd", StringComparison.Ordinal)));
        Assert.Equal("0", await source.AskAsync("select count(*) from t"));
        Assert.Contains("no folder and no dataset", (await Assert.ThrowsAsync<PgdException>(() => AdoptAsync($"{_parent}/nothing"))).Message, StringComparison.Ordinal);
        LabCommand.Run("zfs", "create", "-o", "canmount=off", $"{_parent}/unmounted");
        Assert.Contains($"zfs mount {_parent}/unmounted", (await Assert.ThrowsAsync<PgdException>(() => AdoptAsync($"{_parent}/unmounted"))).Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Data_log_and_a_tablespace_in_three_datasets_are_branched_at_one_moment_under_load(bool byLink)
    {
        // initdb makes a link to a folder elsewhere; or the dataset is mounted in the place of pg_wal.
        var (data, wal, space) = (NewPlace("source"), byLink ? NewPlace("wal") : "", NewPlace("space"));
        LabCommand.Run("chown", "postgres", space);
        if (byLink)
            LabCommand.Run("chown", "postgres", wal);
        var source = StartServer(data, byLink ? ["--waldir", wal] : [], []);
        if (!byLink)
        {
            source.Stop();
            LabCommand.Run("mv", $"{data}/pg_wal", $"{data}/../pg_wal.moved");
            LabCommand.Run("zfs", "create", "-o", $"mountpoint={data}/pg_wal", $"{_parent}/wal");
            LabCommand.Run("cp", "-a", $"{data}/../pg_wal.moved/.", $"{data}/pg_wal");
            LabCommand.Run("chown", "postgres", $"{data}/pg_wal");
            source.Start();
        }

        await source.AskAsync($"create tablespace fast location '{space}'");
        await source.AskAsync("create table t (i int primary key, at timestamptz default clock_timestamp()) tablespace fast");
        await AdoptAsync(data);
        // Recovery would make it again where the source has it.
        var tooSoon = await Assert.ThrowsAsync<PgdException>(() => CreateAsync(Dev));
        Assert.Equal(ExitCode.Unsafe, tooSoon.ExitCode);
        Assert.Contains(space, tooSoon.Message, StringComparison.Ordinal);
        await source.AskAsync("checkpoint");
        using var stop = new CancellationTokenSource();
        var acknowledged = 0;
        var load = Task.Run(async () =>
        {
            for (var i = 1; !stop.IsCancellationRequested; i++)
            {
                await source.AskAsync($"insert into t values ({i})");
                Volatile.Write(ref acknowledged, i);
            }
        }, CancellationToken.None);
        await Eventually.TrueAsync(() => Volatile.Read(ref acknowledged) > 3, "rows are written");

        var known = Volatile.Read(ref acknowledged);
        await CreateAsync(Dev);
        await stop.CancelAsync();
        await load;

        var url = await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", CancellationToken.None);
        var rows = int.Parse((await Sql.AskAsync(url, "select count(*) from t where i between 1 and (select max(i) from t)"))!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(rows, known, acknowledged);
        Assert.Equal(rows.ToString(System.Globalization.CultureInfo.InvariantCulture), await Sql.AskAsync(url, "select max(i) from t"));
        // Each in its own: not one byte of the source's log or tablespace is the branch's.
        var branch = await Workspace.Branches.GetAsync(Dev, CancellationToken.None);
        Assert.StartsWith($"{Root}/zfs/prod/dev/g1.wal", new FileInfo($"{branch.DataDirectory}/pg_wal").LinkTarget, StringComparison.Ordinal);
        Assert.All(Directory.GetFileSystemEntries($"{branch.DataDirectory}/pg_tblspc"), l => Assert.StartsWith($"{Root}/zfs/prod/dev/g1.", new FileInfo(l).LinkTarget, StringComparison.Ordinal));
        await Sql.AskAsync(url, "update t set at = now(); truncate t");
        await CreateAsync(BranchName.Of("prod", "second"));
        Assert.Equal(acknowledged.ToString(System.Globalization.CultureInfo.InvariantCulture), await source.AskAsync("select count(*) from t"));

        await Workspace.Projects.DeleteAsync("prod", force: true, CancellationToken.None);
        Assert.DoesNotContain(ZfsLab.Listing(_parent), d => d.Contains('@', StringComparison.Ordinal) || d.Contains("/pgd/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_log_outside_of_the_pool_is_refused()
    {
        var outside = Passable(Directory.CreateTempSubdirectory("pgd").FullName);
        LabCommand.Run("chown", "postgres", outside);
        var source = StartServer(NewPlace("source"), ["--waldir", $"{outside}/wal"], []);
        await AdoptAsync(source.Data);
        var before = Inventory.Take(Root);

        var error = await Assert.ThrowsAsync<PgdException>(() => CreateAsync(Dev));

        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Contains($"{outside}/wal, which is not on ZFS", error.Message, StringComparison.Ordinal);
        Assert.Empty(Since(before));
        Assert.Equal("1", await source.AskAsync("select 1"));
    }

    /// <inheritdoc/>
    protected override string NewPlace(string name)
    {
        var mount = $"{_mounts}/{name}";
        LabCommand.Run("zfs", "create", "-o", $"mountpoint={mount}", $"{_parent}/{name}");
        Passable(mount);
        var data = $"{mount}/data";
        Directory.CreateDirectory(data);
        return data;
    }
}
