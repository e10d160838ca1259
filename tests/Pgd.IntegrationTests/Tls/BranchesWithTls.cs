using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Npgsql;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.Migrations;
using Pgd.Libpq;
using Xunit;

namespace Pgd.IntegrationTests.Tls;

/// <summary>Branches that are reached by TLS alone, as their users reach them: through Npgsql and through libpq.</summary>
public abstract class BranchesWithTls(ShopFixture fixture)
{
    private const string Encrypted = "select ssl::text || ' ' || version from pg_stat_ssl where pid = pg_backend_pid()";

    /// <summary>The project.</summary>
    protected Shop Shop { get; } = fixture.Shop;

    [Fact]
    public async Task A_branch_is_verified_in_full_by_npgsql_and_psql_and_its_url_stays_over_restart_reset_and_rotation()
    {
        var made = await CreateAsync("tls");
        var url = await Shop.ConnectAsync("tls");
        Assert.True(made.Tls);
        Assert.Equal(("verify-full", Path.Combine(Shop.Root, "s", "ca.crt")), (url.Parameters["sslmode"], url.Parameters["sslrootcert"]));
        await AssertReachedAsync();

        await Shop.RestartAsync("tls");
        Assert.Equal(url, await Shop.ConnectAsync("tls"));
        await AssertReachedAsync();
        Assert.True((await Shop.ResetAsync("tls")).Tls);
        Assert.Equal(url, await Shop.ConnectAsync("tls"));
        await AssertReachedAsync();
        await Shop.Workspace.Branches.RotateAsync(Shop.Name("tls"), CancellationToken.None);
        url = await Shop.ConnectAsync("tls");
        await AssertReachedAsync();

        // By the machine's own word for itself as well.
        Assert.Equal("true TLSv1.3", await Sql.AskAsync(url with { Host = "localhost" }, Encrypted));
        Assert.Empty(Shop.TakeWarnings());
        await Shop.DeleteAsync("tls");

        async Task AssertReachedAsync()
        {
            Assert.Equal("true TLSv1.3", await Sql.AskAsync(url, Encrypted));
            Assert.Equal("true TLSv1.3", Psql(url, Encrypted).Output.Trim());
            Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("tls"));
        }
    }

    [Fact]
    public async Task Nobody_gets_in_without_tls_and_a_stranger_is_told_from_the_branch_by_name_and_authority()
    {
        await CreateAsync("door");
        var url = await Shop.ConnectAsync("door");

        var plain = await Assert.ThrowsAsync<PostgresException>(() => Sql.AskAsync(With(url, "sslmode", "disable"), "select 1"));
        Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, plain.SqlState);
        AssertFails(With(url, "sslmode", "disable"), "no encryption");

        var other = NewAuthority();
        await Assert.ThrowsAsync<NpgsqlException>(() => Sql.AskAsync(With(url, "sslrootcert", other), "select 1"));
        AssertFails(With(url, "sslrootcert", other), "certificate verify failed");

        AssertFails(With(url with { Host = "db.example.com" }, "hostaddr", "127.0.0.1"), "does not match host name");
        await Shop.DeleteAsync("door");
    }

    [Fact]
    public async Task The_key_is_its_servers_alone_and_the_authoritys_certificate_everybodys()
    {
        var (first, second) = (await CreateAsync("first"), await CreateAsync("second", from: "first"));

        foreach (var branch in (Branch[])[first, second])
        {
            Assert.Equal(["600", Stat("%u", branch.DataDirectory)], Stat("%a %u", CertificateOf(branch)).Split(' '));
            // Nothing of it in what is cloned.
            Assert.Empty(LabCommand.Try("grep", "--recursive", "--files-with-matches", "PRIVATE KEY", branch.DataDirectory).Output);
        }

        Assert.NotEqual(File.ReadAllText(CertificateOf(first)), File.ReadAllText(CertificateOf(second)));
        Assert.Equal("644", Stat("%a", $"{Shop.Root}/s/ca.crt"));
        Assert.Contains(": OK", LabCommand.Run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "-CAfile", $"{Shop.Root}/s/ca.crt", CertificateOf(first)), StringComparison.Ordinal);
        // An account that may enter nothing of ours.
        LabCommand.Run("runuser", "-u", "nobody", "--", "cat", $"{Shop.Root}/s/ca.crt");
        Assert.NotEqual(0, LabCommand.Try("runuser", "-u", "nobody", "--", "cat", CertificateOf(first)).Status);
        await Shop.DeleteAsync("second");
        await Shop.DeleteAsync("first");

        static string Stat(string format, string path) => LabCommand.Run("stat", "--format", format, path).Trim();
    }

    [Fact]
    public async Task What_the_source_names_for_its_own_tls_neither_reaches_the_branch_nor_keeps_it_from_starting()
    {
        await Shop.CreateAsync("leaving");
        await Shop.StopAsync("leaving");
        var outside = Directory.CreateTempSubdirectory("pgd").FullName;
        LabCommand.Run("chmod", "777", outside);
        await File.AppendAllLinesAsync($"{await Shop.DataAsync("leaving")}/postgresql.conf",
        [
            "ssl = on", $"ssl_cert_file = '{outside}/none.crt'", $"ssl_key_file = '{outside}/none.key'", $"ssl_ca_file = '{outside}/none.ca'", $"ssl_crl_file = '{outside}/none.crl'",
            $"ssl_dh_params_file = '{outside}/none.dh'", $"ssl_passphrase_command = 'touch {outside}/ran'", "ssl_ciphers = 'AES256-SHA'", "ssl_min_protocol_version = 'TLSv1'",
            "ssl_max_protocol_version = 'TLSv1.1'", "ssl_prefer_server_ciphers = off", $"{(Shop.Major >= 18 ? "ssl_groups" : "ssl_ecdh_curve")} = 'nonesuch'",
            .. Shop.Major >= 14 ? [$"ssl_crl_dir = '{outside}/none'"] : (string[])[], .. Shop.Major >= 18 ? ["ssl_tls13_ciphers = 'nonesuch'"] : (string[])[],
        ]);

        await CreateAsync("of-leaving", from: "leaving");

        Assert.Equal("true TLSv1.3", await Shop.AskAsync("of-leaving", Encrypted));
        var url = await Shop.ConnectAsync("of-leaving");
        Assert.Equal("true TLSv1.2", Psql(With(url, "ssl_max_protocol_version", "TLSv1.2"), Encrypted).Output.Trim());
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
        Assert.Equal("0", await Shop.AdministerAsync("of-leaving", $"select count(*) from pg_settings where setting like '{outside}%' or reset_val like '{outside}%'"));
        await Shop.DeleteAsync("of-leaving");
        await Shop.DeleteAsync("leaving");
        Directory.Delete(outside, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_certificate_of_another_authority_or_with_another_name_is_told_and_replaced_at_the_next_start(bool ofTheAuthority)
    {
        var branch = await CreateAsync("replaced");
        var file = CertificateOf(branch);
        var own = await File.ReadAllTextAsync(file);
        var other = NewAuthority();
        // In its place, so that owner and mode stay.
        await File.WriteAllTextAsync(file, ofTheAuthority
            ? await Shop.Workspace.CertificateAuthority.IssueAsync("other", new(["db.example.com"], []), null, CancellationToken.None)
            : await File.ReadAllTextAsync(other) + await File.ReadAllTextAsync(other + ".key"));
        using (var administrator = Postgres.AdminConnection.Open(new(Shop.Workspace.Layout.SocketFolder(branch.Id, 1), branch.Port, "postgres"), "postgres", CancellationToken.None))
            administrator.Execute("select pg_reload_conf()", CancellationToken.None);

        PgdException? refused = null;
        await Eventually.TrueAsync(async () => (refused = await RefusalAsync()) is not null, "the server has another certificate");
        Assert.Equal(ExitCode.Unsafe, refused!.ExitCode);
        Assert.Contains($"has no valid certificate of {branch.Name}", refused.Message, StringComparison.Ordinal);

        await Shop.RestartAsync("replaced");
        Assert.Equal("true TLSv1.3", await Shop.AskAsync("replaced", Encrypted));
        var renewed = await File.ReadAllTextAsync(file);
        Assert.NotEqual(own, renewed);
        // One that is good stays.
        await Shop.RestartAsync("replaced");
        Assert.Equal(renewed, await File.ReadAllTextAsync(file));
        await Shop.DeleteAsync("replaced");

        async Task<PgdException?> RefusalAsync()
        {
            try
            {
                await Shop.ConnectAsync("replaced");
                return null;
            }
            catch (PgdException e)
            {
                return e;
            }
        }
    }

    [Fact]
    public async Task A_lost_certificate_of_the_authority_is_told_and_made_again_at_the_next_start()
    {
        await CreateAsync("kept");
        await CreateAsync("restarted");
        File.Delete($"{Shop.Root}/s/ca.crt");

        var lost = await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("kept"));
        Assert.Equal((ExitCode.Failed, $"the certificate {Shop.Root}/s/ca.crt, which shop/kept is verified by, is missing"), (lost.ExitCode, lost.Message));

        await Shop.RestartAsync("restarted");
        Assert.Equal("true TLSv1.3", await Shop.AskAsync("restarted", Encrypted));
        Assert.Equal("true TLSv1.3", await Shop.AskAsync("kept", Encrypted));
        await Shop.DeleteAsync("kept", "restarted");
    }

    [Fact]
    public async Task A_branch_on_an_address_of_the_machine_is_verified_by_that_address()
    {
        var address = NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address)
            .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a))?.ToString();
        Lab.Require(address is not null, "This machine has no address but the loopback's");

        await CreateAsync("published", with: c => c with { Host = address });
        var url = await Shop.ConnectAsync("published");

        Assert.Equal((address, "true TLSv1.3"), (url.Host, await Sql.AskAsync(url, Encrypted)));
        Assert.Equal("true TLSv1.3", Psql(url, Encrypted).Output.Trim());
        AssertFails(With(url, "sslmode", "disable"), "no encryption");
        await Shop.DeleteAsync("published");
    }

    [Fact]
    public async Task The_tool_makes_shows_and_uses_such_a_branch()
    {
        var environment = new Dictionary<string, string> { ["PGD_ROOT"] = Shop.Root, ["PGD_POSTGRES_BINARIES"] = string.Join(':', Shop.Workspace.Configuration.PostgresBinaries) };
        // A bare sslmode of the caller's must not get in.
        var psql = new Dictionary<string, string>(environment) { ["PGSSLMODE"] = "disable" };

        Assert.Contains("\"tls\": true", Tool(environment, "branch", "create", "shop/tool", "--tls", "--json"), StringComparison.Ordinal);
        Assert.Contains("TLS", Tool(environment, "branch", "get", "shop/tool"), StringComparison.Ordinal);
        Assert.Contains("\"sslMode\": \"verify-full\"", Tool(environment, "branch", "url", "shop/tool", "--json"), StringComparison.Ordinal);
        Assert.Contains($"export PGSSLROOTCERT={Shop.Root}/s/ca.crt\nexport PGUSER=", Tool(environment, "branch", "url", "shop/tool", "--format", "env"), StringComparison.Ordinal);
        Assert.Contains($"&sslmode=verify-full&sslrootcert={Uri.EscapeDataString($"{Shop.Root}/s/ca.crt")}", Tool(environment, "branch", "url", "shop/tool", "--format", "jdbc"), StringComparison.Ordinal);
        Assert.Equal("true TLSv1.3", Tool(psql, "branch", "psql", "shop/tool", "--", "-Atc", Encrypted).Trim());
        Assert.Equal("true TLSv1.3", Tool(psql, "branch", "exec", "shop/tool", "--", "psql", "-Atc", Encrypted).Trim());
        Assert.Contains("was there already", Tool(environment, "branch", "create", "shop/tool", "--ensure"), StringComparison.Ordinal);
        await Shop.DeleteAsync("tool");
    }

    [Fact]
    public async Task Migrations_run_over_tls()
    {
        await CreateAsync("migrated");
        using var runs = new Runs(await Shop.ConnectAsync("migrated"));
        runs.Write("1.sql", "create table seen as select ssl from pg_stat_ssl where pid = pg_backend_pid()");

        var (files, command) = (await runs.AllAddedAsync(), await runs.CommandAsync("psql -v ON_ERROR_STOP=1 -c 'insert into seen select ssl from pg_stat_ssl where pid = pg_backend_pid()'"));

        Assert.True(files.Succeeded && command.Succeeded, string.Join('\n', runs.Output));
        Assert.Equal("true,true", await Shop.AskAsync("migrated", "select string_agg(ssl::text, ',') from seen"));
        await Shop.DeleteAsync("migrated");
    }

    [Fact]
    public async Task It_is_on_by_configuration_and_never_changed_unasked()
    {
        var secured = new Workspace(Shop.Workspace.Configuration with { Tls = true, PortRange = Shop.NewPorts() }, SilentReporter.Instance);
        await Shop.CreateAsync("before");
        Assert.False((await secured.Branches.CreateAsync(new() { Name = Shop.Name("before"), Ensure = true }, CancellationToken.None)).Branch.Tls);
        Assert.Equal("off", await Shop.AskAsync("before", "show ssl"));
        Assert.Empty((await Shop.ConnectAsync("before")).Parameters);

        Assert.True((await secured.Branches.CreateAsync(new() { Name = Shop.Name("after") }, CancellationToken.None)).Branch.Tls);
        var refused = await Shop.RefusedAsync(ExitCode.Exists, () => Shop.CreateAsync("before", with: c => c with { Ensure = true, Tls = true }));
        Assert.Equal("the branch shop/before exists already, without TLS", refused.Message);
        await Shop.DeleteAsync("before", "after");

        // A new project's first branch as well; what is made from it is asked for by itself.
        await secured.Projects.CreateAsync(new() { Name = "safe", PostgresMajor = Shop.Major, Image = Shop.Image }, CancellationToken.None);
        Assert.Equal("true TLSv1.3", await Sql.AskAsync(await secured.Branches.ConnectAsync(BranchName.Parse("safe/main"), null, null, CancellationToken.None), Encrypted));
        await secured.Projects.DeleteAsync("safe", force: true, CancellationToken.None);
    }

    private static string CertificateOf(Branch branch) => Path.Combine(branch.Directory, "server.pem");

    private static ConnectionUrl With(ConnectionUrl url, string keyword, string value) => url with { Parameters = url.Parameters.SetItem(keyword, value) };

    private static string Tool(Dictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        using var run = ToolRun.Start(environment, arguments);
        var result = run.Wait();
        Assert.True(result.Status == 0, result.ToString());
        return result.Output;
    }

    private static string NewAuthority()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("pgd").FullName, "other.crt");
        LabCommand.Run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", file + ".key", "-out", file);
        return file;
    }

    private static (int Status, string Output, string Error) Psql(ConnectionUrl url, string sql) => LabCommand.Try("psql", "--no-psqlrc", "-At", "-d", url.Format(UrlFormat.Libpq), "-c", sql);

    private static void AssertFails(ConnectionUrl url, string because)
    {
        var (status, _, error) = Psql(url, "select 1");
        Assert.Equal(2, status);
        Assert.Contains(because, error, StringComparison.Ordinal);
    }

    private Task<Branch> CreateAsync(string name, string? from = null, Func<BranchCreate, BranchCreate>? with = null) =>
        Shop.CreateAsync(name, from, c => (with ?? (x => x))(c with { Tls = true }));
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchesWithTlsOnBtrfs15(Btrfs15 fixture) : BranchesWithTls(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchesWithTlsOnCopy17(Copy17 fixture) : BranchesWithTls(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchesWithTlsOnReflink18(Reflink18 fixture) : BranchesWithTls(fixture), IClassFixture<Reflink18>;

/// <inheritdoc/>
public sealed class BranchesWithTlsInDocker17(BtrfsDocker17 fixture) : BranchesWithTls(fixture), IClassFixture<BtrfsDocker17>;
