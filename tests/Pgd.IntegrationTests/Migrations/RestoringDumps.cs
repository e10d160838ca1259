using System.Diagnostics;
using System.IO.Compression;
using Pgd.Libpq;
using Pgd.Postgres;
using Xunit;
using static Pgd.IntegrationTests.Migrations.ScratchServer;

namespace Pgd.IntegrationTests.Migrations;

/// <summary>With a server of its own: pg_dumpall takes all that is there.</summary>
public sealed class RestoringDumps : IClassFixture<ScratchServer>, IAsyncLifetime
{
    private const string Source =
        """
        do $$ begin
          if not exists (select from pg_roles where rolname = 'reader') then
            create role "Own er"; create role reader; create role writer; create role policed; create role defaulted;
          end if;
        end $$;
        create schema s authorization "Own er";
        create table s.t (id int primary key, v text);
        alter table s.t owner to "Own er";
        insert into s.t select i, 'line' || chr(10) || 'CREATE ROLE postgres;' || i from generate_series(1, 1000) i;
        grant select on s.t to reader with grant option;
        grant update (v) on s.t to writer;
        alter default privileges for role "Own er" in schema s grant select on tables to defaulted;
        alter table s.t enable row level security;
        create policy p on s.t for select to policed, reader using (true);
        create function s.f() returns text language plpgsql as $$ begin
        -- ALTER TABLE x OWNER TO nobody;
        return 'GRANT ALL ON x TO nobody;';
        end $$;
        create function s.g() returns int begin atomic select 1; select case when true then 2 end; end;
        """;

    private const string Check = "select count(*) || ' ' || sum(id) || ' ' || md5(string_agg(v, ',' order by id)) || ' ' || (select relowner::regrole || relacl::text from pg_class where oid = 's.t'::regclass) from s.t";

    private readonly ScratchServer server;
    private readonly string folder = Directory.CreateTempSubdirectory("pgx").FullName;
    private DumpClients clients = null!;
    private ConnectionUrl source = null!;

    public RestoringDumps(ScratchServer server) => this.server = server;

    public async ValueTask InitializeAsync()
    {
        source = await server.DatabaseAsync();
        await RunAsync("psql", source, "-qXc", Source);
        clients = await DumpClients.FindAsync(CancellationToken.None);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("plain", "")]
    [InlineData("plain", "gzip")]
    [InlineData("plain", "zstd")]
    [InlineData("custom", "")]
    [InlineData("custom", "gzip")]
    [InlineData("tar", "")]
    [InlineData("directory", "")]
    [InlineData("plain", "", true)]
    [InlineData("custom", "", true)]
    [InlineData("plain", "zstd", true)]
    public async Task A_dump_of_any_format_is_recognized_and_restored_with_owners_and_grants(string format, string compression, bool stream = false)
    {
        var file = await DumpAsync(format, compression);
        await using var input = stream ? File.OpenRead(file) : null;
        using var dump = await DumpFile.OpenAsync(stream ? "-" : file, input, folder + "/spool", clients, CancellationToken.None);

        Assert.Equal(format, dump.Format.ToString().ToLowerInvariant());
        Assert.Equal((Major, Major, false), (dump.ServerMajor, dump.DumpMajor, dump.IsCluster));
        Assert.Equal(["Own er", "defaulted", "policed", "reader", "writer"], dump.Roles.Except(["postgres"]));
        Assert.Empty(dump.Databases);

        var target = await server.DatabaseAsync();
        await dump.RestoreAsync(target, Major, clients, SilentReporter.Instance, CancellationToken.None);

        Assert.Equal(await AskAsync(source, Check), await AskAsync(target, Check));
        dump.Dispose();
        Assert.True(!Directory.Exists(folder + "/spool") || Directory.GetFileSystemEntries(folder + "/spool").Length == 0);
    }

    [Fact]
    public async Task A_dump_of_all_databases_makes_its_roles_and_databases_beside_the_superuser_that_is_there()
    {
        var file = Path.Combine(folder, "all.sql");
        await File.WriteAllTextAsync(file, await RunAsync("pg_dumpall", server.Administrator));
        using var dump = await DumpFile.OpenAsync(file, null, folder, clients, CancellationToken.None);
        Assert.True(dump.IsCluster);
        Assert.Contains(source.Database, dump.Databases);
        Assert.DoesNotContain("reader", dump.Roles);

        await using var fresh = new ScratchServer();
        await fresh.DatabaseAsync("unrelated");
        await dump.RestoreAsync(fresh.Administrator, Major, clients, SilentReporter.Instance, CancellationToken.None);

        Assert.Equal(await AskAsync(source, Check), await AskAsync(fresh.Administrator with { Database = source.Database }, Check));
    }

    [Fact]
    public async Task A_failing_restore_says_what_the_program_said_and_a_plain_one_leaves_nothing()
    {
        var file = Path.Combine(folder, "bad.sql");
        await File.WriteAllTextAsync(file, "create table a (id int);\nselect nope;\n");
        var target = await server.DatabaseAsync();
        using var dump = await DumpFile.OpenAsync(file, null, folder, clients, CancellationToken.None);

        var error = await Assert.ThrowsAsync<PgdException>(() => dump.RestoreAsync(target, Major, clients, SilentReporter.Instance, CancellationToken.None));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.Contains("column \"nope\" does not exist", error.Message, StringComparison.Ordinal);
        Assert.Equal("0", await AskAsync(target, "select count(*) from pg_class where relname = 'a'"));
    }

    [Fact]
    public async Task A_large_dump_that_fails_early_does_not_hang()
    {
        var file = Path.Combine(folder, "bad.sql");
        await File.WriteAllTextAsync(file, "select nope;\n" + string.Concat(Enumerable.Repeat("select 1;\n", 500_000)));
        using var dump = await DumpFile.OpenAsync(file, null, folder, clients, CancellationToken.None);

        await Assert.ThrowsAsync<PgdException>(() => dump.RestoreAsync(source, Major, clients, SilentReporter.Instance, CancellationToken.None));
    }

    [Theory]
    [InlineData("plain", "")]
    [InlineData("plain", "gzip")]
    [InlineData("plain", "zstd")]
    [InlineData("custom", "")]
    public async Task A_damaged_dump_is_refused_or_fails_but_never_passes(string format, string compression)
    {
        var file = await DumpAsync(format, compression);
        var bytes = await File.ReadAllBytesAsync(file);
        await File.WriteAllBytesAsync(file, bytes[..(bytes.Length / 2)]);
        var target = await server.DatabaseAsync();

        await Assert.ThrowsAsync<PgdException>(async () =>
        {
            using var dump = await DumpFile.OpenAsync(file, null, folder, clients, CancellationToken.None);
            await dump.RestoreAsync(target, Major, clients, SilentReporter.Instance, CancellationToken.None);
        });
    }

    [Fact]
    public async Task A_dump_of_a_newer_server_or_a_newer_pg_dump_is_refused()
    {
        var file = Path.Combine(folder, "new.sql");
        await File.WriteAllTextAsync(file, "-- Dumped from database version 99.1\n-- Dumped by pg_dump version 99.2\n\nSELECT 1;\n");
        using var dump = await DumpFile.OpenAsync(file, null, folder, clients, CancellationToken.None);

        var server = await Assert.ThrowsAsync<PgdException>(() => dump.RestoreAsync(source, Major, clients, SilentReporter.Instance, CancellationToken.None));
        var client = await Assert.ThrowsAsync<PgdException>(() => dump.RestoreAsync(source, 99, clients, SilentReporter.Instance, CancellationToken.None));

        Assert.Equal((ExitCode.Misuse, "Use --pg-version 99."), (server.ExitCode, server.Hint));
        Assert.Equal(ExitCode.MachineLacks, client.ExitCode);
        Assert.Contains("postgresql-client-99", client.Hint, StringComparison.Ordinal);
    }

    private async Task<string> DumpAsync(string format, string compression)
    {
        var file = Path.Combine(folder, "dump");
        await RunAsync("pg_dump", source, "--format=" + format, "--file=" + file);
        if (compression == "zstd")
        {
            await Process.Start("zstd", ["-q", "--rm", file, "-o", file + ".zst"]).WaitForExitAsync();
            File.Move(file + ".zst", file);
        }
        else if (compression == "gzip")
        {
            var content = await File.ReadAllBytesAsync(file);
            await using var gzip = new GZipStream(File.Create(file), CompressionLevel.Fastest);
            await gzip.WriteAsync(content);
        }

        return file;
    }
}
