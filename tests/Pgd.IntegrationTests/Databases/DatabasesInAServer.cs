using Npgsql;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Databases;

/// <summary>How databases are copied inside one server: what the file system has a part in.</summary>
public abstract class DatabaseStrategies(ShopFixture fixture)
{
    private static readonly DatabaseName Template = new(Shop.Main, "shop");
    private readonly Shop _shop = fixture.Shop;

    /// <summary>The project.</summary>
    protected Shop Project => _shop;

    [Fact]
    public async Task Each_strategy_that_the_server_has_copies_and_one_that_it_lacks_is_refused()
    {
        await using var branch = await BranchAsync("strategies");
        await _shop.AdministerAsync("strategies", "create table large as select i, md5(i::text) from generate_series(1, 200000) i", "grant select on large to public");
        _shop.TakeWarnings();
        foreach (var strategy in Enum.GetValues<DatabaseStrategy>())
        {
            if (strategy == DatabaseStrategy.Clone && _shop.Major < 18 || strategy == DatabaseStrategy.WalLog && _shop.Major < 15)
            {
                Assert.Equal(ExitCode.MachineLacks, (await Assert.ThrowsAsync<PgdException>(() => CopyAsync("strategies", "copy", r => r with { Strategy = strategy }))).ExitCode);
                continue;
            }

            var made = await CopyAsync("strategies", $"by {strategy}", r => r with { Strategy = strategy });

            Assert.Equal("200000", await Sql.AskAsync(await _shop.ConnectAsync("strategies", $"by {strategy}"), "select count(*) from large"));
            var shares = _shop.Workspace.Storages.Named(_shop.Storage).SharesCopies;
            Assert.Equal(strategy == DatabaseStrategy.Auto ? _shop.Major >= 18 && shares ? DatabaseStrategy.Clone : _shop.Major >= 15 ? DatabaseStrategy.WalLog : DatabaseStrategy.FileCopy : strategy, made.Strategy);
            // ZFS tells of all its files together, and was asked where it mattered.
            if (made.SharedBytes is not { } bytes)
            {
                Assert.True(_shop.Storage == "zfs" && made.Strategy != DatabaseStrategy.Clone);
                continue;
            }

            var share = bytes / (double)made.Database.Bytes;
            if (made.Strategy == DatabaseStrategy.Clone && shares)
            {
                Assert.True(share > 0.9, $"{strategy}: {share:0.00} is shared");
                Assert.Empty(_shop.TakeWarnings());
            }
            else
            {
                Assert.True(share < 0.1, $"{strategy}: {share:0.00} is shared");
                // What was asked for and silently not done is told.
                Assert.Equal(made.Strategy == DatabaseStrategy.Clone, _shop.TakeWarnings().Any(w => w.Contains("copied it byte by byte", StringComparison.Ordinal)));
            }
        }
    }

    /// <summary>Copies the database of a branch.</summary>
    protected async Task<DatabaseBranched> CopyAsync(string branch, string name, Func<DatabaseBranch, DatabaseBranch>? with = null) =>
        await _shop.Workspace.Databases.BranchAsync((with ?? (r => r))(new() { Template = Template with { Branch = Shop.Name(branch) }, Name = name }), default);

    /// <summary>What the catalogs say of the databases.</summary>
    protected async Task<IReadOnlyList<string>> DatabasesAsync(string branch) =>
        (await _shop.AdministerAsync(branch, "select string_agg(datname || ' ' || coalesce(datacl::text, '') || ' ' || (select count(*) from pg_db_role_setting s where s.setdatabase = d.oid), '; ' order by datname) from pg_database d"))!.Split("; ");

    /// <summary>A branch that goes with what is returned.</summary>
    protected async Task<IAsyncDisposable> BranchAsync(string name)
    {
        await _shop.CreateAsync(name);
        return new Gone(_shop, name);
    }

    private sealed class Gone(Shop shop, string branch) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await shop.DeleteAsync(branch);
    }
}

/// <summary>Databases that are made from each other inside one server.</summary>
public abstract class DatabasesInAServer(ShopFixture fixture) : DatabaseStrategies(fixture)
{
    [Fact]
    public async Task A_copy_has_the_data_the_settings_and_the_privileges_and_goes_without_a_trace()
    {
        await using var branch = await BranchAsync("copied");
        await Project.AdministerAsync("copied", "create role reader login", "alter database shop set search_path to public, \"Odd Name\"", "alter database shop set statement_timeout to '77s'", "alter role reader in database shop set work_mem to '9MB'", "alter role reader in database shop set role to reader",
            "revoke all on database shop from public", "grant connect, temporary on database shop to reader with grant option", "create table fresh as select i from generate_series(1, 20000) i");
        var before = await DatabasesAsync("copied");
        Project.TakeWarnings();

        var made = await CopyAsync("copied", "Odd \"name\" é", r => r with { ConnectionLimit = 7 });

        Assert.Empty(Project.TakeWarnings());
        var url = await Project.ConnectAsync("copied", "Odd \"name\" é", "postgres");
        Assert.Equal("20000", await Sql.AskAsync(url, "select count(*) from fresh"));
        Assert.Equal("500500", await Sql.AskAsync(url, "select sum(amount) from orders"));
        Assert.Equal("public, \"Odd Name\"/77s", await Sql.AskAsync(url, "select current_setting('search_path') || '/' || current_setting('statement_timeout')"));
        Assert.Equal("{work_mem=9MB,role=reader}", await Sql.AskAsync(url, "select setconfig::text from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = current_database() and s.setrole <> 0"));
        Assert.Equal(await Sql.AskAsync(url, "select datacl::text from pg_database where datname = 'shop'"), await Sql.AskAsync(url, "select datacl::text from pg_database where datname = current_database()"));
        Assert.Equal(("shop", 7, true), (made.Database.Template, made.Database.ConnectionLimit, made.Database.AllowConnections));
        Assert.Equal("shop/copied:Odd \"name\" é", made.Database.Name);
        // Whoever does not say which one still means the first.
        Assert.Equal("shop", (await Project.ConnectAsync("copied")).Database);
        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => CopyAsync("copied", "Odd \"name\" é"))).ExitCode);

        await using (var busy = new NpgsqlConnection(url.Format(Libpq.UrlFormat.Npgsql)))
        {
            await busy.OpenAsync();
            var used = await Assert.ThrowsAsync<PgdException>(() => Project.Workspace.Databases.DeleteAsync(DatabaseName.Parse(made.Database.Name), ifExists: false, force: false, default));
            Assert.Equal((ExitCode.Unsafe, true), (used.ExitCode, used.Message.Contains("is in use", StringComparison.Ordinal)));
            Assert.True(await Project.Workspace.Databases.DeleteAsync(DatabaseName.Parse(made.Database.Name), ifExists: false, force: true, default));
        }

        Assert.False(await Project.Workspace.Databases.DeleteAsync(DatabaseName.Parse(made.Database.Name), ifExists: true, force: false, default));
        Assert.Equal(before, await DatabasesAsync("copied"));
    }

    [Fact]
    public async Task A_database_with_sessions_is_refused_and_becomes_a_template_by_branching_its_server()
    {
        await using var branch = await BranchAsync("live");
        await using var session = new NpgsqlConnection((await Project.ConnectAsync("live")).Format(Libpq.UrlFormat.Npgsql));
        await session.OpenAsync();

        var refused = await Assert.ThrowsAsync<PgdException>(() => CopyAsync("live", "app_test_1"));

        Assert.Equal((ExitCode.Unsafe, "shop/live:shop is in use: 1 session of shop"), (refused.ExitCode, refused.Message));
        Assert.EndsWith("dotnet pgd branch create shop/NAME --from live; dotnet pgd database branch shop/NAME:shop app_test_1", refused.Hint, StringComparison.Ordinal);
        await Project.CreateAsync("of-live", from: "live");
        await CopyAsync("of-live", "app_test_1");
        await Project.DeleteAsync("of-live");
        Assert.Equal(["postgres", "shop"], (await Project.Workspace.Databases.ListAsync(Shop.Name("live"), default)).Select(d => DatabaseName.Parse(d.Name).Database));
    }

    [Fact]
    public async Task The_right_to_make_one_is_PostgreSQLs_and_what_a_copy_cannot_have_is_refused_by_name()
    {
        await using var branch = await BranchAsync("rights");
        await Project.AdministerAsync("rights", "create role builder", "create role maker createdb", "create role keeper");
        foreach (var (with, exitCode, told) in ((Func<DatabaseBranch, DatabaseBranch>, ExitCode, string)[])
        [
            (r => r with { Role = "builder" }, ExitCode.Unsafe, "the role builder may not create databases in shop/rights"),
            (r => r with { Role = "maker" }, ExitCode.Unsafe, "the role maker may not copy shop/rights:shop, which belongs to shop"),
            (r => r with { Role = "nobody" }, ExitCode.NotFound, "role \"nobody\" does not exist"),
            (r => r with { Owner = "nobody" }, ExitCode.NotFound, "role \"nobody\" does not exist"),
            (r => r with { Tablespace = "nowhere" }, ExitCode.NotFound, "tablespace \"nowhere\" does not exist"),
            (r => r with { Encoding = "LATIN1" }, ExitCode.Misuse, "cannot have the encoding LATIN1: the text in it is stored as UTF8"),
            (r => r with { Locale = "xx_XX" }, ExitCode.Misuse, "cannot have the locale xx_XX: its indexes are sorted by "),
            (r => r with { Template = new(Shop.Name("rights"), "missing") }, ExitCode.NotFound, "has no database \"missing\""),
            (r => r with { Name = "pgd_half_x" }, ExitCode.Misuse, "is what half a copy is called"),
            (r => r with { Name = new('x', 64) }, ExitCode.Misuse, "cannot be the name of a database"),
        ])
        {
            var refused = await Assert.ThrowsAsync<PgdException>(() => CopyAsync("rights", "app_test_1", with));
            Assert.True(refused.ExitCode == exitCode && refused.Message.Contains(told, StringComparison.Ordinal), $"{refused.ExitCode} {refused.Message}");
        }

        // The same as the template's is fine, however it is spelled.
        await CopyAsync("rights", "app_golden", r => r with { Encoding = "utf-8", IsTemplate = true, AllowConnections = false, Owner = "keeper" });
        var made = await CopyAsync("rights", "app_test_1", r => r with { Template = new(Shop.Name("rights"), "app_golden"), Role = "maker" });
        Assert.Equal(("maker", "app_golden"), (made.Database.Owner, made.Database.Template));
        Assert.Equal(["app_golden", "app_test_1", "postgres", "shop"], (await Project.Workspace.Databases.ListAsync(Shop.Name("rights"), default)).Select(d => DatabaseName.Parse(d.Name).Database));
        Assert.True(await Project.Workspace.Databases.DeleteAsync(new(Shop.Name("rights"), "app_golden"), ifExists: false, force: false, default));
        var kept = await Assert.ThrowsAsync<PgdException>(() => Project.Workspace.Databases.DeleteAsync(new(Shop.Name("rights"), "shop"), ifExists: false, force: true, default));
        Assert.Equal((ExitCode.Unsafe, "shop/rights:shop was not made by dotnet pgd database branch, and is not deleted by this either"), (kept.ExitCode, kept.Message));
    }
}

/// <summary>btrfs and PostgreSQL 18: shared extents.</summary>
[Trait("Only", "soak")]
public sealed class DatabasesOnBtrfs18(Btrfs18 fixture) : DatabasesInAServer(fixture), IClassFixture<Btrfs18>;

/// <summary>XFS and PostgreSQL 18: shared extents.</summary>
public sealed class DatabasesOnReflink18(Reflink18 fixture) : DatabasesInAServer(fixture), IClassFixture<Reflink18>;

/// <summary>ext4 and PostgreSQL 18: a byte copy without a word.</summary>
public sealed class DatabasesOnCopy18(Copy18 fixture) : DatabasesInAServer(fixture), IClassFixture<Copy18>;

/// <summary>PostgreSQL 15.</summary>
[Trait("Only", "soak")]
public sealed class DatabasesOnReflink15(Reflink15 fixture) : DatabasesInAServer(fixture), IClassFixture<Reflink15>;

/// <summary>PostgreSQL 14, which knows no strategies.</summary>
[Trait("Only", "soak")]
public sealed class DatabasesOnBtrfs14(Btrfs14 fixture) : DatabasesInAServer(fixture), IClassFixture<Btrfs14>;

/// <summary>Containers.</summary>
public sealed class DatabasesInDocker17(ReflinkDocker17 fixture) : DatabasesInAServer(fixture), IClassFixture<ReflinkDocker17>;

/// <summary>ZFS.</summary>
[Trait("Needs", "zfs")]
public sealed class DatabasesOnZfs18(Zfs18 fixture) : DatabaseStrategies(fixture), IClassFixture<Zfs18>;

/// <summary>btrfs, PostgreSQL 14.</summary>
public sealed class Btrfs14() : ShopFixture("btrfs", "btrfs", 14);

/// <summary>ZFS, PostgreSQL 18.</summary>
public sealed class Zfs18() : ShopFixture("zfs", "zfs", 18);

/// <summary>By the tool.</summary>
public sealed class DatabaseCommands : IAsyncLifetime
{
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _root = await ToolRoot.WithProjectAsync("reflink");

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task What_is_killed_leaves_nothing_that_the_next_one_does_not_take_away()
    {
        await _root.MakeAsync("dev");
        foreach (var place in (string[])["database:copied", "database:named"])
        {
            Assert.Equal(137, _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, "database", "branch", "shop/dev:shop", "one", "--is-template").Status);

            var listed = _root.Succeed("database", "list", "shop/dev");
            Assert.Equal(place == "database:named", listed.Contains("shop/dev:one (template)", StringComparison.Ordinal));
            Assert.DoesNotContain("half", listed, StringComparison.Ordinal);
            // By another name, too.
            Assert.Contains("Created shop/dev:two from shop: ", _root.Succeed("database", "branch", "shop/dev:shop", "two"), StringComparison.Ordinal);
            Assert.Equal("0", await _root.SqlAsync(ToolRoot.Branch("dev"), "select count(*) from pg_database where datname like 'pgd%'"));
            Assert.Contains("There is no shop/dev:three", _root.Succeed("database", "delete", "shop/dev:three", "--if-exists"), StringComparison.Ordinal);
            Assert.Contains("Deleted shop/dev:two", _root.Succeed("database", "delete", "shop/dev:two"), StringComparison.Ordinal);
            _root.Succeed("database", "delete", "shop/dev:one", "--if-exists");
        }

        Assert.Contains("Write it as PROJECT/BRANCH:DATABASE", _root.Tool("database", "branch", "shop/dev", "one").Error, StringComparison.Ordinal);
    }
}
