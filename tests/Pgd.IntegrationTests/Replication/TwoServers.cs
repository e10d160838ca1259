using System.Globalization;
using Npgsql;
using Pgd.IntegrationTests.Backups;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>A database "shop" that is worked on, an empty server beside it, and the commands that bring the one to the other.</summary>
internal sealed class TwoServers : IDisposable
{
    private readonly ServerPair _pair;

    private TwoServers(ServerPair pair) => _pair = pair;

    public ScratchServer Source => _pair.Source;

    public ScratchServer Target => _pair.Target;

    public ToolRoot Root => _pair.Root;

    public string[] Addresses => ["--source", Url(Source), "--target", Url(Target)];

    public static async Task<TwoServers> StartAsync(int target = 15, params IReadOnlyList<string> settings)
    {
        var servers = new TwoServers(new(target, settings));
        await servers.Source.AskAsync("create database shop");
        return servers;
    }

    /// <summary>The same with tables of all kinds, each of which can be replicated.</summary>
    public static async Task<TwoServers> FilledAsync(int target = 15, params IReadOnlyList<string> settings)
    {
        var servers = await StartAsync(target, settings);
        servers.Fill(LogicalBackups.Definitions);
        // Also rows without a key, and a unique index in place of one.
        servers.Fill("""
            alter table "Odd schema"."a ""table""; drop" replica identity full; alter table parts_1 replica identity full; alter table parts_2 replica identity full; alter table parent replica identity full; alter table child replica identity full;
            alter table nothing replica identity full; alter table parts disable trigger loud;
            create table coded (code text not null, other text not null, n int, unique (other, code)); alter table coded replica identity using index coded_other_code_key;
            create table emptied (id int primary key, t text);
            create table kinds (id int primary key, a bool, b "char", c name, d smallint[], e real, f float8, g numeric, h numeric[], i time, j timetz, k timestamp, l timestamptz, m interval, n uuid, o json, p jsonb[], q inet, r cidr, s macaddr, t macaddr8, u bit(3), v varbit, w char(5), x varchar(5)[], y bytea[], z date);
            insert into kinds (id) values (0);
            insert into kinds values (1, true, 'x', 'ключ', '[-1:0][2:3]={{1,null},{3,4}}', 'NaN', '-0', 'NaN', '{1.10,-0.000,1e300}', '24:00', '23:59:59.999999+15:59', '4713-01-01 BC', 'infinity', '-1 year 2 mons -3 days 04:05:06.7', '00000000-0000-0000-0000-00000000000a',
                '{"a" :  1, "a":2}', array['{"b": [1.0, "\n\t"]}', null]::jsonb[], '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '101', '', 'ab', array['', E'\\.', null], '{"\\x00ff"}', '-infinity');
            """);
        return servers;
    }

    public static string Url(ScratchServer server, string database = "shop") => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{server.Port}/{database}");

    public void Fill(string sql) => LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", $"--dbname={Url(Source)}", $"--command={sql}");

    public Task<string?> AskSourceAsync(string sql) => _pair.AskSourceAsync("shop", sql);

    public Task<string?> AskTargetAsync(string sql) => _pair.AskTargetAsync("shop", sql);

    /// <summary>A session in the target that has done something in a transaction, which ends with it.</summary>
    public async Task<NpgsqlConnection> HoldTargetAsync(string sql)
    {
        var connection = new NpgsqlConnection(string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={Target.Port};Database=shop;Username=postgres;Pooling=false"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"begin; {sql}", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    /// <summary>Runs a command of replicate in this process, which has to succeed.</summary>
    public Task<string> SucceedAsync(string verb, params string[] arguments) => _pair.SucceedAsync("shop", verb, arguments);

    /// <summary>The same, which has to be refused with a status, and to say all of this.</summary>
    public Task RefusedAsync(int status, string verb, string[] arguments, params string[] told) => _pair.RefusedAsync("shop", (ExitCode)status, verb, arguments, told);

    /// <summary>Both databases as pg_dump shows them are the same.</summary>
    public void Equal()
    {
        var (expected, actual) = (Dumps.OfPostgres(Url(Source)), Dumps.OfPostgres(Url(Target)));
        Assert.True(expected == actual, Dumps.FirstDifference(expected, actual));
    }

    /// <summary>Nothing that was made for replication is there any more.</summary>
    public async Task CleanAsync()
    {
        await CleanSourceAsync();
        Assert.Equal("0/0/0", await AskTargetAsync("select (select count(*) from pg_subscription) || '/' || (select count(*) from pg_replication_origin) || '/' || (select count(*) from pg_namespace where nspname like 'pgd%')"));
    }

    /// <summary>The same of the source.</summary>
    public async Task CleanSourceAsync()
    {
        Assert.Equal("0/0/0", await AskSourceAsync("select (select count(*) from pg_replication_slots) || '/' || (select count(*) from pg_publication) || '/' || (select count(*) from pg_stat_activity where application_name like 'pgd%' and pid <> pg_backend_pid())"));
    }

    public void Dispose() => _pair.Dispose();
}
