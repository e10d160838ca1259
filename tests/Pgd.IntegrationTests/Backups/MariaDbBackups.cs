using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Pgd.IntegrationTests.SqlCommands;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Backups of MariaDB, through its own programs.</summary>
public sealed class MariaDbBackups : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private MariaDbServer _server = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _server = await MariaDbServer.StartAsync();
        _server.Ask("create table customers (id int primary key auto_increment, name varchar(50) not null, `odd ``name` varbinary(20), at timestamp(6) null, g int generated always as (char_length(name)) stored);"
            + "insert into customers (name, `odd ``name`, at) values ('é😀\\\\n''\"', x'00ff0a', '2026-03-29 02:30:00'), ('', null, null), ('NULL', '', '1999-12-31 23:59:59.999999');"
            + "create table orders (id int primary key, customer int, foreign key (customer) references customers (id)); insert into orders select seq, 1 + seq % 3 from seq_1_to_5000;"
            + "create view totals as select customer, count(*) n from orders group by 1;"
            + "create trigger loud before insert on orders for each row set new.customer = coalesce(new.customer, 1);"
            + "create procedure hello() select 'x;y';");
        await SucceedAsync("init");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_database_comes_back_equal_and_some_of_its_tables_alone()
    {
        var before = Dump("shop");
        _server.Ask("create user 'backup' identified by 'p \"w\\\\''%'; grant all on *.* to 'backup'");
        var result = await RunAsync(new() { ["MYSQL_PWD"] = "p \"w\\'%" }, "create", "--source", $"mariadb://backup@127.0.0.1:{_server.Port}/shop", "--json");
        Assert.True(result.Status == 0, result.ToString());
        Assert.Equal(("mariadb", 2), ($"{JsonNode.Parse(result.Output)!["engine"]}", (int)JsonNode.Parse(result.Output)!["tables"]!));
        _server.Ask("delete from orders; create database copy");

        Assert.Contains("is whole (content)", await SucceedAsync("verify", "latest"), StringComparison.Ordinal);
        await SucceedAsync("restore", "latest", "--to-url", Source("copy"));
        Assert.Equal(before, Dump("copy"));
        var again = await RunAsync([], "restore", "latest", "--to-url", Source("copy"));
        Assert.True(again.Status == 5 && again.Error.Contains("already", StringComparison.Ordinal), again.ToString());
        var branch = await RunAsync([], "restore", "latest", "--to-branch", "shop/x");
        Assert.True(branch.Status == 2 && branch.Error.Contains("--to-url mariadb://", StringComparison.Ordinal), branch.ToString());

        await SucceedAsync("create", "--source", Source("shop"), "--table", "cust*");
        _server.Ask("create database part");
        await SucceedAsync("restore", "latest", "--to-url", Source("part"));
        Assert.Equal("customers", _server.Ask("show tables", "part").Trim());
    }

    [Fact]
    public async Task What_has_no_moment_is_refused_and_what_fails_is_no_backup()
    {
        _server.Ask("create table old (id int) engine=MyISAM");
        var refused = await RunAsync([], "create", "--source", Source("shop"));
        Assert.True(refused.Status == 7 && refused.Error.Contains("the table old", StringComparison.Ordinal) && refused.Error.Contains("--exclude-table old", StringComparison.Ordinal), refused.ToString());
        await SucceedAsync("create", "--source", Source("shop"), "--exclude-table", "old");

        // A view of what is gone: the program fails in the middle.
        _server.Ask("drop table old; create table gone (id int); create view broken as select * from gone; drop table gone");
        var failed = await RunAsync([], "create", "--source", Source("shop"));
        Assert.True(failed.Status == 1 && failed.Error.Contains("broken", StringComparison.Ordinal), failed.ToString());
        Assert.Equal(["complete"], JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray().Select(b => $"{b!["status"]}"));
    }

    [Fact]
    public async Task An_exported_database_is_restored_by_its_own_program_and_its_definitions_alone_as_well()
    {
        _server.Ask("create procedure locking() comment 'UNLOCK TABLES;' select '\nLOCK TABLES `x` WRITE;\n'; create table big (b longblob); insert into big values (repeat('x', 3000000)), ('a\\nUNLOCK TABLES;\\n')");
        var before = Dump("shop");
        await SucceedAsync("create", "--source", Source("shop"));
        var folder = $"{JsonNode.Parse(await SucceedAsync("export", "latest", "--to", Path.Combine(_folder.Path, "dumps"), "--json"))!["folder"]}";
        Assert.Equal(("mysql", 3), ($"{JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "metadata.json")))!["database_type"]}", JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "metadata.json")))!["tables"]!.AsObject().Count));

        _server.Ask("create database copy; create database empty");
        LabCommand.Run("bash", "-c", $"set -o pipefail; zstd -dc {folder}/shop_*.sql.zst | mariadb --no-defaults --socket={_server.Socket} --user=root copy");
        Assert.Equal(before, Dump("copy"));
        LabCommand.Run("bash", "-c", $"mariadb --no-defaults --socket={_server.Socket} --user=root empty <{folder}/schema.sql");
        Assert.Equal("0", _server.Ask("select (select count(*) from orders) + (select count(*) from big) + (select count(*) from customers)", "empty").Trim());
        Assert.Equal("hello\nlocking\nloud\ntotals", _server.Ask("select routine_name from information_schema.routines where routine_schema = 'empty' union select trigger_name from information_schema.triggers where trigger_schema = 'empty' union select table_name from information_schema.views where table_schema = 'empty' order by 1", "empty").Trim());
    }

    private string Source(string database) => $"mariadb://root@localhost/{database}?socket={_server.Socket}";

    private string Dump(string database) => Regex.Replace(LabCommand.Run("mariadb-dump", "--no-defaults", $"--socket={_server.Socket}", "--user=root", "--routines", "--skip-comments", "--hex-blob", database), "`(shop|copy)`\\.", "");

    private async Task<ToolResult> RunAsync(Dictionary<string, string> environment, params IReadOnlyList<string> arguments)
    {
        using StringWriter output = new(), error = new();
        environment["PGD_BACKUP_REPOSITORY"] = Path.Combine(_folder.Path, "repository");
        environment["PGD_ROOT"] = Path.Combine(_folder.Path, "root");
        environment["HOME"] = "/nonexistent";
        var status = await Pgd.Tool.Entry.RunAsync(["backup", .. arguments], new() { Output = output, Error = error, Environment = environment });
        Assert.DoesNotContain("p \"w", output.ToString() + error, StringComparison.Ordinal);
        return new(status, output.ToString(), error.ToString());
    }

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync([], arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
