using Npgsql;
using Pgd.IntegrationTests.Branches;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Quarantine;

/// <summary>Who gets in, and when: the source's passwords never do, and no one does before the anonymization is done.</summary>
public abstract class CredentialsSuite(ShopFixture fixture) : IDisposable
{
    // Waits, over the administrator's socket, until someone holds the advisory lock 4711.
    private const string WaitForTheTest = """
        do $$ begin
            while not exists (select from pg_locks where locktype = 'advisory' and objid = 4711) loop perform pg_sleep(0.01); end loop;
        end $$;
        """;

    private readonly Shop _shop = fixture.Shop;
    private readonly string _scripts = Directory.CreateTempSubdirectory("pgd-scripts-").FullName;

    /// <inheritdoc/>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Directory.Delete(_scripts, recursive: true);
    }

    [Fact]
    public async Task The_sources_passwords_are_void_in_a_branch_and_the_branchs_own_work()
    {
        await _shop.AdministerAsync("main", "create role app login password 'of-the-source'", "create role \"O'Neill \"\"x\"\"\" login password 'of-the-source'", "create role dormant password 'of-the-source'", "grant all on orders to app, \"O'Neill \"\"x\"\"\"");
        var main = await _shop.ConnectAsync("main");
        await _shop.CreateAsync("rotated", with: b => b with { Roles = ["app", "O'N*"] });

        foreach (var role in (string[])["shop", "postgres", "app", "O'Neill \"x\""])
        {
            var url = await _shop.ConnectAsync("rotated", "shop", role);
            Assert.Equal("1000", await Sql.AskAsync(url, "select count(*) from orders where id > 0"));
            Assert.NotEqual(main.Password, url.Password);
            foreach (var password in (string?[])[main.Password, "of-the-source", (await _shop.ConnectAsync("rotated", "shop", role == "app" ? "shop" : "app")).Password, "", null])
                await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.AskAsync(url with { Password = password }, "select 1"));
        }

        // Neither do those come back that no one could use when the branch was made.
        await _shop.AdministerAsync("rotated", "alter role dormant login");
        var dormant = await Assert.ThrowsAsync<PostgresException>(async () => await Sql.AskAsync((await _shop.ConnectAsync("rotated")) with { User = "dormant", Password = "of-the-source" }, "select 1"));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, dormant.SqlState);
        // The source's are as they were.
        Assert.Equal("app", await Sql.AskAsync(main with { User = "app", Password = "of-the-source" }, "select current_user"));
        await _shop.DeleteAsync("rotated");
        await _shop.AdministerAsync("main", "drop owned by app, \"O'Neill \"\"x\"\"\"", "drop role app, dormant, \"O'Neill \"\"x\"\"\"");
    }

    [Fact]
    public async Task A_role_of_the_source_logs_in_only_where_the_branch_was_told_to_keep_it()
    {
        await _shop.AdministerAsync("main", "create role app login password 'of-the-source'", "create role report_a login", "create role report_b login", "grant select on orders to app, report_a, report_b");
        await _shop.CreateAsync("alone");
        var shop = await _shop.ConnectAsync("alone");
        var url = (await _shop.ConnectAsync("alone")) with { User = "app", Password = _shop.Workspace.HostKey.Password(_shop.Workspace.State.RequireBranch(Shop.Name("alone")), "app") };
        foreach (var password in (string?[])[url.Password, "of-the-source"])
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.AskAsync(url with { Password = password }, "select 1"));
        var refused = await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.ConnectAsync("alone", "shop", "app"));
        Assert.Equal("It has: postgres, shop. A branch keeps others of its source's when it is made with --role NAME, or roles: in pgd.yml.", refused.Hint);
        // What it owns and may do is still there, for those that may become it.
        Assert.Equal("t", await _shop.AdministerAsync("alone", "select has_table_privilege('app', 'orders', 'select')::text::char"));

        var unknown = await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.CreateAsync("unknown", with: b => b with { Roles = ["app", "reprot_*"] }));
        Assert.Equal(("shop/main has no role \"reprot_*\" that can log in", "It has: app, postgres, report_a, report_b, shop"), (unknown.Message, unknown.Hint));
        Assert.Null(_shop.Workspace.State.FindBranch(Shop.Name("unknown")));

        // What was chosen stays over a reset, and is chosen anew by one.
        await _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("alone"), Roles = ["report_*"] }, CancellationToken.None);
        Assert.Equal(["report_*"], (await _shop.ResetAsync("alone")).Roles);
        Assert.Equal("report_b", await Sql.AskAsync(await _shop.ConnectAsync("alone", "shop", "report_b"), "select current_user from orders limit 1"));
        await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.ConnectAsync("alone", "shop", "app"));
        Assert.Equal(shop, await _shop.ConnectAsync("alone"));

        // A role that somebody makes in the branch is the branch's, and a rotation leaves it so.
        await _shop.AdministerAsync("alone", "create role own login");
        await _shop.Workspace.Branches.RotateAsync(Shop.Name("alone"), CancellationToken.None);
        Assert.Equal("own", await Sql.AskAsync(await _shop.ConnectAsync("alone", "shop", "own"), "select current_user"));
        await _shop.DeleteAsync("alone");
        await _shop.AdministerAsync("main", "drop owned by app, report_a, report_b", "drop role app, report_a, report_b");
    }

    [Fact]
    public async Task No_password_reaches_a_servers_log_or_command_line()
    {
        await _shop.AdministerAsync("main", "create role reader login", "alter system set log_statement = 'all'", "alter system set log_min_duration_statement = 0", "alter system set log_connections = on", "select pg_reload_conf()");
        await _shop.CreateAsync("logged", with: b => b with { Roles = ["reader"] });
        await _shop.ResetAsync("logged");
        await _shop.RestartAsync("logged");
        var log = await _shop.LogAsync("logged") + await _shop.LogAsync("main") + (await _shop.ServerAsync("logged")).CommandLine;
        Assert.Contains("show cluster_name", log, StringComparison.Ordinal);
        Assert.DoesNotContain((await _shop.ConnectAsync("logged", "shop", "reader")).Password!, log, StringComparison.Ordinal);
        foreach (var role in (string[])["shop", "postgres"])
        {
            Assert.DoesNotContain((await _shop.ConnectAsync("logged", "shop", role)).Password!, log, StringComparison.Ordinal);
            Assert.DoesNotContain((await _shop.ConnectAsync("main", "shop", role)).Password!, log, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("SCRAM-SHA-256$", log, StringComparison.Ordinal);
        await _shop.DeleteAsync("logged");
        await _shop.AdministerAsync("main", "drop role reader", "alter system reset all", "select pg_reload_conf()");
    }

    [Fact]
    public async Task No_one_gets_in_before_the_anonymization_is_done()
    {
        var main = await _shop.ConnectAsync("main");
        var superuser = await _shop.ConnectAsync("main", "shop", "postgres");
        var creating = _shop.CreateAsync("door", with: c => c with { Anonymization = Script(WaitForTheTest, "update orders set amount = 0") });
        await AssertClosedAsync("door", creating, main, superuser);

        await creating;

        Assert.Equal(0, await _shop.SumAsync("door"));
        Assert.NotEqual(0, await _shop.SumAsync("main"));
        await _shop.DeleteAsync("door");
    }

    [Fact]
    public async Task During_a_reset_the_old_data_serves_until_the_new_is_anonymized()
    {
        await _shop.CreateAsync("served", with: c => c with { Anonymization = Script("update orders set amount = -1") });
        var url = await _shop.ConnectAsync("served");
        var resetting = _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("served"), Anonymization = Script(WaitForTheTest, "update orders set amount = 1") }, CancellationToken.None);
        using (var inside = await AdministratorAsync("served", generation: 2, resetting))
        {
            Assert.Equal("-1", await Sql.AskAsync(url, "select min(amount) from orders"));
            Assert.Equal("", inside.Scalar("show listen_addresses", CancellationToken.None));
            await inside.ExecuteAsync("select pg_advisory_lock(4711)", CancellationToken.None);
            await resetting;
        }

        Assert.Equal("1", await Sql.AskAsync(url, "select min(amount) from orders"));
        await _shop.DeleteAsync("served");
    }

    [Fact]
    public async Task A_failing_anonymization_leaves_no_branch_and_a_reset_branch_as_it_was()
    {
        var before = _shop.Take();
        var failing = Script("update orders set amount = 0", "select 1 / 0");

        var error = await _shop.RefusedAsync(ExitCode.Failed, () => _shop.CreateAsync("failed", with: c => c with { Anonymization = failing }));
        Assert.Contains("division by zero (SQLSTATE 22012)", error.Message, StringComparison.Ordinal);
        Assert.Contains(failing.Files[1], error.Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.CreateAsync("failed", with: c => c with { Anonymization = new() { Files = ["/nowhere/anonymize.sql"] } }));
        Assert.Null(_shop.Workspace.State.FindBranch(Shop.Name("failed")));
        Assert.Empty(_shop.Since(before));

        var made = await _shop.CreateAsync("kept");
        var url = await _shop.ConnectAsync("kept");
        await _shop.AddAsync("kept", 77);
        var sum = await _shop.SumAsync("kept");
        var running = _shop.Take();
        await Assert.ThrowsAsync<PgdException>(() => _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("kept"), Anonymization = failing }, CancellationToken.None));
        Assert.Empty(_shop.Since(running));
        Assert.Equal((url, sum, made.Generation), (await _shop.ConnectAsync("kept"), await _shop.SumAsync("kept"), (await _shop.GetAsync("kept")).Generation));
        await _shop.DeleteAsync("kept");
        Assert.Empty(_shop.TakeWarnings());
    }

    [Fact]
    public async Task A_branch_that_was_anonymized_does_not_get_data_that_was_not()
    {
        await _shop.CreateAsync("masked", with: c => c with { Anonymization = Script("update orders set amount = 0") });
        var refused = await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.ResetAsync("masked"));
        Assert.Equal("shop/masked was anonymized, and its new data would not be", refused.Message);
        Assert.Equal(0, await _shop.SumAsync("masked"));
        Assert.True((await _shop.GetAsync("masked")).Anonymized);
        await _shop.DeleteAsync("masked");
    }

    [Fact]
    public async Task A_cancelled_anonymization_leaves_nothing()
    {
        var before = _shop.Take();
        using var cancelled = new CancellationTokenSource();
        var creating = _shop.Workspace.Branches.CreateAsync(new() { Name = Shop.Name("cancelled"), Anonymization = Script(WaitForTheTest) }, cancelled.Token);
        using (await AdministratorAsync("cancelled", generation: 1, creating))
            await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => creating);

        Assert.Empty(_shop.Since(before));
        Assert.Empty(_shop.TakeWarnings());
    }

    [Fact]
    public async Task A_computed_verifier_is_what_the_server_itself_would_have_stored()
    {
        const string password = "abc234defg";
        await _shop.AdministerAsync("main", $"create role judge login password '{ScramVerifier.Of(password)}'");
        var url = (await _shop.ConnectAsync("main")) with { User = "judge", Password = password };

        Assert.Equal("judge", await Sql.AskAsync(url, "select current_user"));
        await Assert.ThrowsAsync<PostgresException>(() => Sql.AskAsync(url with { Password = password + "x" }, "select 1"));

        // The server's salt and password through our computation give the server's verifier.
        await _shop.AdministerAsync("main", $"alter role judge password '{password}'");
        var stored = (await _shop.AdministerAsync("main", "select rolpassword from pg_authid where rolname = 'judge'"))!;
        Assert.Equal(stored, ScramVerifier.Of(password, Convert.FromBase64String(stored.Split('$')[1].Split(':')[1])));
        await _shop.AdministerAsync("main", "drop role judge");
    }

    [Fact]
    public async Task The_control_file_of_this_version_is_read_and_a_torn_one_is_seen()
    {
        var data = await _shop.DataAsync("main");
        var control = ControlData.TryRead(data)!;
        Assert.Equal(await _shop.AdministerAsync("main", "select system_identifier::text from pg_control_system()"), control.SystemIdentifier.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(ClusterState.InProduction, control.State);

        Directory.CreateDirectory($"{_scripts}/global");
        var content = await File.ReadAllBytesAsync(ControlData.FileIn(data));
        foreach (var at in (int[])[0, 16, 100, 250])
        {
            var torn = content.ToArray();
            torn[at] ^= 1;
            await File.WriteAllBytesAsync(ControlData.FileIn(_scripts), torn);
            Assert.Null(ControlData.TryRead(_scripts));
        }

        await File.WriteAllBytesAsync(ControlData.FileIn(_scripts), content[..300]);
        Assert.Null(ControlData.TryRead(_scripts));
    }

    private async Task AssertClosedAsync(string branch, Task creating, params Libpq.ConnectionUrl[] urls)
    {
        using var inside = await AdministratorAsync(branch, generation: 1, creating);
        // The passwords are rotated by now: the door must be closed for the new ones as well as for the source's.
        var record = _shop.Workspace.State.FindBranch(Shop.Name(branch))!;
        foreach (var url in urls)
        {
            foreach (var password in (string[])[url.Password!, _shop.Workspace.HostKey.Password(record, url.User)])
            {
                var refused = await Assert.ThrowsAsync<PostgresException>(() => Sql.AskAsync(url with { Port = record.Port, Password = password }, "select 1"));
                Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, refused.SqlState);
                Assert.Contains("pg_hba.conf rejects connection", refused.Message, StringComparison.Ordinal);
            }
        }

        await inside.ExecuteAsync("select pg_advisory_lock(4711)", CancellationToken.None);
        await creating;
    }

    // The administrator's own way in, as soon as the script runs: with the passwords rotated and the door still closed.
    private async Task<AdminConnection> AdministratorAsync(string branch, int generation, Task operation)
    {
        AdminConnection? inside = null;
        await Eventually.TrueAsync(async () =>
        {
            if (operation.IsFaulted)
                await operation;
            if (_shop.Workspace.State.FindBranch(Shop.Name(branch)) is not { } record)
                return false;
            try
            {
                inside ??= AdminConnection.Open(new(_shop.Workspace.Layout.SocketFolder(record.Id, generation), record.Port, "postgres"), "shop", CancellationToken.None);
                return inside.Scalar("select count(*)::text from pg_stat_activity where query like '%4711%' and pid <> pg_backend_pid()", CancellationToken.None) == "1";
            }
            catch (NpgsqlException) when (inside is null)
            {
                return false;
            }
        }, "the script runs");
        return inside!;
    }

    private Anonymization Script(params IReadOnlyList<string> scripts)
    {
        var files = new List<string>();
        foreach (var script in scripts)
        {
            files.Add($"{_scripts}/{Guid.NewGuid():N}.sql");
            File.WriteAllText(files[^1], script);
        }

        return new() { Files = files };
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class CredentialsOnBtrfs15(Btrfs15 fixture) : CredentialsSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class CredentialsOnCopy17(Copy17 fixture) : CredentialsSuite(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
public sealed class CredentialsOnReflink18(Reflink18 fixture) : CredentialsSuite(fixture), IClassFixture<Reflink18>;
