using System.Diagnostics;
using Npgsql;
using Pgd.IntegrationTests;
using Pgd.Testing;

namespace Pgd.Bench;

/// <summary>A database for each of many test classes, against what is usually done for that.</summary>
internal sealed partial class Benchmark
{
    private const int TestClasses = 200, AtOnce = 8, NewestMajor = 18;

    // The usual ways take seconds each.
    private const int UsualRounds = 5;

    private void MeasureTestDatabases()
    {
        Environment.SetEnvironmentVariable("PGD_POSTGRES_BINARIES", LabCommand.Run("bash", Path.Combine(Checkout.Folder, "build/server-binaries.sh"), $"{NewestMajor}").Trim());
        var root = NewProject("xfs", "reflink", scale, major: NewestMajor);
        Measure(root).GetAwaiter().GetResult();
        Environment.SetEnvironmentVariable("PGD_POSTGRES_BINARIES", null);
    }

    private async Task Measure(string root)
    {
        var size = new SourceServer(root).DatabaseSize();
        var settings = new PgdDatabaseSettings { Project = "bench", Root = root, WorkingDirectory = root, MigrationFiles = null };
        var clock = Stopwatch.StartNew();
        // The server is there from here on, as it is for the second test class of any run.
        await using var first = await PgdDatabase.CreateAsync(settings);
        var begin = clock.Elapsed.TotalMilliseconds;
        var cloned = new Series();
        var (clones, copies, logged, restored, atOnce, whole) = (new Series(), new Series(), new Series(), new Series(), new Series(), new Series());

        // Of the same content; the dump programs of this machine may be older than the server.
        var dump = Path.Combine(NewFolder("xfs"), "dump");
        var server = new NpgsqlConnectionStringBuilder(first.ConnectionString);
        var administrator = AdministratorOf(root, server.Port);
        Dump(dump);
        for (var round = 0; round <= UsualRounds; round++)
        {
            Progress($"test databases: the usual ways, round {round} of {UsualRounds}");
            copies.Add(await TimeAsync(administrator, "set file_copy_method = copy; create database usual template bench strategy file_copy"));
            await TimeAsync(administrator, "drop database usual");
            cloned.Add(await TimeAsync(administrator, "set file_copy_method = clone; create database usual template bench strategy file_copy"));
            await TimeAsync(administrator, "drop database usual");
            logged.Add(await TimeAsync(administrator, "create database usual template bench strategy wal_log"));
            await TimeAsync(administrator, "drop database usual");
            clock.Restart();
            await TimeAsync(administrator, "create database usual template template0");
            LabCommand.Run("pg_restore", "--no-owner", "--jobs", "2", "--dbname", $"{administrator.Url}/usual", dump);
            restored.Add(clock.Elapsed.TotalMilliseconds);
            await TimeAsync(administrator, "drop database usual");
        }

        for (var number = 0; number < TestClasses; number++)
        {
            if (number % 20 == 0)
                Progress($"test databases: {number} of {TestClasses}, one after another");
            clones.Add(await UseAsync(settings));
        }

        Progress($"test databases: {TestClasses}, {AtOnce} at once");
        clock.Restart();
        await Parallel.ForEachAsync(Enumerable.Range(0, TestClasses), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (_, _) => await UseAsync(settings));
        atOnce.Add(clock.Elapsed.TotalMilliseconds / TestClasses);
        for (var round = 0; round < UsualRounds; round++)
            whole.Add(await UseAsync(settings with { Isolation = PgdIsolation.Branch }));

        var (byDump, byCopy) = (clones.Median / restored.Median, cloned.Median / copies.Median);
        _rows.Add(new($"test databases, {size}", "create database; pg_restore --jobs 2", restored, null, null));
        _rows.Add(new("", "create database … template … strategy file_copy", copies, null, null));
        _rows.Add(new("", "create database … template … strategy wal_log", logged, null, null));
        _rows.Add(new("", $"PgdDatabase, made, asked, gone: {TestClasses} one after another", clones, $"{Number(byDump, "F3")}×", new("≤ 0.1× the dump", byDump <= 0.1)));
        _rows.Add(new("", "the same by shared extents, alone", cloned, $"{Number(byCopy, "F3")}×", new("≤ 0.2× the byte copy", byCopy <= 0.2)));
        _rows.Add(new("", $"  {TestClasses}, {AtOnce} at once, each", atOnce, $"{Number(atOnce.Median / clones.Median, "F2")}×", null));
        _rows.Add(new("", "  a server for each (PgdIsolation.Branch)", whole, null, null));
        _rows.Add(new("", "  the first of a process", Only(begin), null, null));

        void Dump(string to)
        {
            // The same rows in a server that the programs know.
            var old = NewProject("xfs", "reflink", scale, major: int.Parse(LabCommand.Run("pg_dump", "--version").Split(' ', '.')[2]));
            var source = new SourceServer(old);
            LabCommand.Run("pg_dump", "--format", "custom", "--compress", "0", "--file", to, "--host", source.SocketFolder, "--port", source.Port, "--username", "postgres", "--dbname", "bench");
            Tool.Time(old, tool.Program, "project", "delete", "bench", "--force");
            _roots.Remove(old);
        }
    }

    private static Series Only(double value)
    {
        var series = new Series();
        series.Add(value);
        return series;
    }

    private static async Task<double> UseAsync(PgdDatabaseSettings settings)
    {
        var clock = Stopwatch.StartNew();
        await using (var database = await PgdDatabase.CreateAsync(settings))
        {
            await using var command = database.DataSource.CreateCommand("select count(*) from pgbench_branches");
            await command.ExecuteScalarAsync();
        }

        return clock.Elapsed.TotalMilliseconds;
    }

    private static Administrator AdministratorOf(string root, int port)
    {
        var socket = LabProcess.All().Select(process => process.CommandLine).Where(line => line.Contains($" port={port}", StringComparison.Ordinal)).Select(line => line.Split(' ').Single(word => word.StartsWith("unix_socket_directories=", StringComparison.Ordinal)).Split('=')[1]).First();
        return new(socket, port);
    }

    private static async Task<double> TimeAsync(Administrator administrator, string statements)
    {
        var clock = Stopwatch.StartNew();
        await using var connection = new NpgsqlConnection($"Host={administrator.Socket};Port={administrator.Port};Username=postgres;Database=postgres;Pooling=false;Command Timeout=600");
        await connection.OpenAsync();
        foreach (var statement in statements.Split("; "))
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }

        return clock.Elapsed.TotalMilliseconds;
    }

    /// <summary>The way into a server that passwords do not keep anybody of this machine's administration from.</summary>
    private sealed record Administrator(string Socket, int Port)
    {
        public string Url => $"postgresql://postgres@{Uri.EscapeDataString(Socket)}:{Port}";
    }
}
