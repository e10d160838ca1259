using System.Globalization;
using System.Text.Json;
using Pgd.IntegrationTests;

namespace Pgd.Bench;

/// <summary>Measures pgd against the plain commands that do the least that could be called the same, one after the other in one run.</summary>
internal sealed partial class Benchmark(Tool tool, int scale, int rounds) : IDisposable
{
    /// <summary>What follows a storage's name where servers run in containers.</summary>
    public const string InDocker = "+docker";

    private const int ListedBranches = 100;
    private const string FloorContainer = "pgd-bench-floor";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private readonly FileSystemLab _fileSystems = new();
    private readonly DockerLab _docker = new();
    private readonly List<Row> _rows = [];
    private readonly List<string> _roots = [];
    private string? _processes;

    public void Run(IReadOnlyList<string> all)
    {
        try
        {
            foreach (var one in all)
            {
                System.Action measure = one switch { "recovery" => MeasureRecovery, "rehearsal" => MeasureRehearsal, "list" => MeasureList, "testing" => MeasureTestDatabases, "backup" => MeasureBackups, "verify" => MeasureComparisons, "copy-database" => MeasureCopies, _ => () => MeasureCreate(one) };
                measure();
            }
        }
        finally
        {
            foreach (var root in _roots)
                Tool.Time(root, tool.Program, "project", "delete", "bench", "--force");
        }

        Print();
        var file = Path.Combine(Checkout.Folder, "artifacts", "bench.json");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, JsonSerializer.Serialize(new { scale, rounds, processors = Environment.ProcessorCount, rows = _rows.Select(row => row.ToJson()) }, Indented));
        Console.WriteLine("\nartifacts/bench.json has every measurement.");
    }

    public void Dispose()
    {
        // Its containers use what is on the file systems.
        _docker.Dispose();
        _fileSystems.Dispose();
    }

    private void MeasureCreate(string storage)
    {
        // What the two ratios promise: a copy of all bytes leaves little room for anything else.
        (string, double?, string) chosen = storage switch
        {
            "btrfs" + InDocker => ("btrfs", 1.3, "checkpoint; btrfs subvolume snapshot; docker run; select 1"),
            "zfs" + InDocker => ("zfs", null, "checkpoint; zfs snapshot; zfs clone; docker run; select 1"),
            "zfs" => ("zfs", null, "checkpoint; zfs snapshot; zfs clone; pg_ctl start; select 1"),
            "btrfs" => ("btrfs", 1.3, "checkpoint; btrfs subvolume snapshot; pg_ctl start; select 1"),
            "reflink" => ("xfs", 1.3, "checkpoint; cp -a --reflink=always; pg_ctl start; select 1"),
            _ => ("ext4", 1.2, "checkpoint; cp -a; pg_ctl start; select 1"),
        };
        var (fileSystem, target, floor) = chosen;
        var image = storage.EndsWith(InDocker, StringComparison.Ordinal) ? _docker.Image(17) : null;
        var root = NewProject(fileSystem, storage.Replace(InDocker, "", StringComparison.Ordinal), scale, image);
        var main = new SourceServer(root);
        var (floors, steps, creates, resets, deletes) = (new Series(), new Dictionary<string, Series>(), new Series(), new Series(), new Series());
        var folder = NewFolder(fileSystem);
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"{storage}: round {round} of {rounds}");
            var clone = $"{folder}/clone";
            var (time, output) = Tool.Time(root, Path.Combine(Checkout.Folder, "build/Bench/floor.sh"),
                storage, image ?? main.Binaries, main.Data, main.SocketFolder, main.Port, clone, "20999");
            floors.Add(time);
            foreach (var fields in output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')))
                Step($"floor {fields[0]}", double.Parse(fields[1], CultureInfo.InvariantCulture) / 1000);
            if (image is null)
                LabCommand.Run("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", $"{main.Binaries}/pg_ctl", "stop", "-s", "-m", "immediate", "-D", IsOnZfs(storage) ? $"{clone}/data" : clone);
            else
                LabCommand.Run("docker", "rm", "--force", "--volumes", FloorContainer);
            if (IsOnZfs(storage))
                LabCommand.Run("zfs", "destroy", "-R", $"{LabCommand.Run("findmnt", "--noheadings", "--output", "SOURCE", "--target", main.Data).Trim()}@floor");
            LabCommand.Run("rm", "-rf", clone);
            Settle(folder);

            var begin = DateTimeOffset.UtcNow;
            creates.Add(Tool.Time(root, tool.Program, "branch", "create", "bench/b").Milliseconds);
            var end = DateTimeOffset.UtcNow;
            var (started, ready) = ServerLog.Read(root);
            Step("starting .NET, checkpoint, copy", (started - begin).TotalMilliseconds);
            Step("its server, until it is ready", (ready - started).TotalMilliseconds);
            Step("passwords, door, proof", (end - ready).TotalMilliseconds);
            Settle(folder);
            resets.Add(Tool.Time(root, tool.Program, "branch", "reset", "bench/b").Milliseconds);
            deletes.Add(Tool.Time(root, tool.Program, "branch", "delete", "bench/b").Milliseconds);
            Settle(folder);
        }

        var size = main.DatabaseSize();
        _rows.Add(new($"{storage}, {size}", floor, floors, null, null));
        foreach (var (step, series) in steps.Where(step => step.Key.StartsWith("floor ", StringComparison.Ordinal)))
            _rows.Add(new("", $"  of which {step["floor ".Length..]}", series, null, null));
        _rows.Add(new("", "dotnet pgd branch create", creates, $"{Number(creates.Median / floors.Median, "F2")}×", target is { } most ? new($"≤ {Number(most, "F1")}×", creates.Median / floors.Median <= most) : null));
        foreach (var (step, series) in steps.Where(step => !step.Key.StartsWith("floor ", StringComparison.Ordinal)))
            _rows.Add(new("", $"  of which {step}", series, null, null));
        var again = resets.Median / creates.Median;
        _rows.Add(new("", "dotnet pgd branch reset", resets, $"{Number(again, "F2")}×", new("≤ 1.2× create", again <= 1.2)));
        _rows.Add(new("", "dotnet pgd branch delete", deletes, null, null));
        if (IsOnZfs(storage))
            MeasureProcesses(root);

        void Step(string name, double milliseconds)
        {
            if (!steps.TryGetValue(name, out var series))
                steps[name] = series = new();
            series.Add(milliseconds);
        }
    }

    private static bool IsOnZfs(string storage) => storage.StartsWith("zfs", StringComparison.Ordinal);

    // Where time cannot be compared, what costs it can: each program that is started.
    private void MeasureProcesses(string root)
    {
        var trace = Path.GetTempFileName();
        Tool.Time(root, "strace", "--follow-forks", "--trace=execve", "--output", trace, tool.Program, "branch", "create", "bench/b");
        var programs = File.ReadLines(trace).Where(line => line.Contains("execve(", StringComparison.Ordinal) && line.EndsWith(" = 0", StringComparison.Ordinal))
            .Select(line => Path.GetFileName(line.Split('"')[1])).Where(name => name is not ("dotnet-pgd" or "dotnet" or "sh" or "setsid" or "postgres")).ToList();
        Tool.Time(root, tool.Program, "branch", "delete", "bench/b");
        File.Delete(trace);
        _processes = $"dotnet pgd branch create started {programs.Count} programs beside the server: {string.Join(", ", programs.CountBy(p => p).Select(p => $"{p.Value} × {p.Key}"))}.";
    }

    // The same moment twice: from a base backup as everybody does it, and from a snapshot.
    private void MeasureRecovery()
    {
        var root = NewProject("btrfs", "btrfs", scale);
        var main = new SourceServer(root);
        var folder = NewFolder("btrfs");
        Sql(main, "alter system set wal_keep_size = '4GB'", "select pg_reload_conf()", "checkpoint");
        var (backup, archive) = ($"{folder}/backup", $"{folder}/archive");
        // A server of ours lets nobody replicate from it: what pg_basebackup does is done by hand.
        Tool.Time(root, Path.Combine(Checkout.Folder, "build/Bench/base-backup.sh"), main.Data, main.SocketFolder, main.Port, backup);
        Tool.Time(root, tool.Program, "snapshot", "create", "bench/main", "--label", "base");
        Progress("recovery: a load to replay");
        Tool.Time(root, tool.Program, "branch", "exec", "bench/main", "--", "pgbench", "--client", "2", "--jobs", "2", "--transactions", "5000", "--no-vacuum");
        var target = Sql(main, "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").Trim();
        Tool.Time(root, tool.Program, "branch", "exec", "bench/main", "--", "pgbench", "--client", "2", "--jobs", "2", "--transactions", "500", "--no-vacuum");
        Sql(main, "select pg_switch_wal()");
        LabCommand.Run("cp", "--archive", $"{main.Data}/pg_wal", archive);
        LabCommand.Run("chown", "--recursive", "postgres:", backup, archive);

        var (floors, steps, creates, clones) = (new Series(), new Dictionary<string, Series>(), new Series(), new Series());
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"recovery: round {round} of {rounds}");
            var clone = $"{folder}/clone";
            var (time, output) = Tool.Time(root, Path.Combine(Checkout.Folder, "build/Bench/recovery-floor.sh"), main.Binaries, backup, archive, target, clone, "20999");
            floors.Add(time);
            foreach (var fields in output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')))
            {
                if (!steps.TryGetValue(fields[0], out var series))
                    steps[fields[0]] = series = new();
                series.Add(double.Parse(fields[1], CultureInfo.InvariantCulture) / 1000);
            }

            LabCommand.Run("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", $"{main.Binaries}/pg_ctl", "stop", "-s", "-m", "immediate", "-D", clone);
            LabCommand.Run("rm", "-rf", clone);
            Settle(folder);
            creates.Add(Tool.Time(root, tool.Program, "branch", "create", "bench/b", "--at", target).Milliseconds);
            // The mark is written when the cloning begins, and then the server starts.
            clones.Add((ServerLog.Read(root).Started - File.GetLastWriteTimeUtc(Path.Combine(root, "volumes", "bench", "b", "g1", "volume.json"))).TotalMilliseconds);
            Tool.Time(root, tool.Program, "branch", "delete", "bench/b");
            Settle(folder);
        }

        var log = LabCommand.Run("du", "--apparent-size", "--block-size=M", "--summarize", archive).Split('M')[0];
        _rows.Add(new($"a moment, {main.DatabaseSize()}", $"cp of a base backup; replay of {log} MB of log at most; select 1", floors, null, null));
        foreach (var (step, series) in steps)
            _rows.Add(new("", $"  of which {step}", series, null, null));
        _rows.Add(new("", "dotnet pgd branch create --at", creates, $"{Number(creates.Median / floors.Median, "F2")}×", null));
        _rows.Add(new("", "  of which cloning, until its server starts", clones, null, new("≤ 300 ms", clones.Median <= 300)));

        static string Sql(SourceServer server, params string[] statements) => string.Concat(statements.Select(statement => LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
            "--host", server.SocketFolder, "--port", server.Port, "--username", "postgres", "--dbname", "postgres", "--command", statement)));
    }

    // The same migration, watched and not, each on a new branch: rows are written one by one and all at once, a table and an index are written anew.
    private void MeasureRehearsal()
    {
        var root = NewProject("btrfs", "btrfs", scale);
        var file = Path.Combine(NewFolder("btrfs"), "migration.sql");
        File.WriteAllText(file, $"""
            alter table pgbench_accounts add column note text;
            update pgbench_accounts set note = 'x' where aid % 10 = 0;
            create index on pgbench_accounts (note);
            alter table pgbench_accounts alter column aid type bigint;
            {string.Concat(Enumerable.Range(1, 2000).Select(i => $"insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, {i}, 1, now());\n"))}
            """);
        var psql = new[] { "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file };
        var (plain, watched) = (new Series(), new Series());
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"rehearsal: round {round} of {rounds}");
            foreach (var isWatched in round % 2 == 0 ? new[] { true, false } : [false, true])
            {
                Tool.Time(root, tool.Program, "branch", "create", "bench/b");
                if (isWatched)
                    watched.Add(JsonDocument.Parse(Tool.Time(root, tool.Program, ["migrate", "run", "bench/b", "--json", "--", .. psql]).Output).RootElement.GetProperty("run").GetProperty("duration").GetDouble());
                else
                    plain.Add(double.Parse(Tool.Time(root, tool.Program, ["branch", "exec", "bench/b", "--", "bash", "-c", "s=$(date +%s%N); \"$@\" >/dev/null; e=$(date +%s%N); echo $(((e - s) / 1000))", "bash", .. psql]).Output, CultureInfo.InvariantCulture) / 1000);
                Tool.Time(root, tool.Program, "branch", "delete", "bench/b");
                Settle(root);
            }
        }

        var cost = watched.Median / plain.Median;
        _rows.Add(new("a migration", "psql", plain, null, null));
        _rows.Add(new("", "the same, watched by dotnet pgd migrate run", watched, $"{Number(cost, "F2")}×", new("≤ 1.05×", cost <= 1.05)));
    }

    private void MeasureList()
    {
        var (first, root) = (NewProject("btrfs", "btrfs", 1), NewProject("btrfs", "btrfs", 1));
        for (var branch = 1; branch < ListedBranches; branch++)
        {
            Progress($"list: branch {branch} of {ListedBranches}");
            Tool.Time(root, tool.Program, "branch", "create", $"bench/b{branch}");
        }

        var (firsts, lasts) = (new Series(), new Series());
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"the first branch and the hundredth: round {round} of {rounds}");
            foreach (var (project, series) in new[] { (first, firsts), (root, lasts) })
            {
                series.Add(Tool.Time(project, tool.Program, "branch", "create", "bench/b").Milliseconds);
                Tool.Time(project, tool.Program, "branch", "delete", "bench/b");
                Settle(project);
            }
        }

        var growth = lasts.Median / firsts.Median;
        _rows.Add(new("a project's branches", "dotnet pgd branch create, the first", firsts, null, null));
        _rows.Add(new("", $"dotnet pgd branch create, number {ListedBranches}", lasts, $"{Number(growth, "F2")}×", new("≤ 1.2×", growth <= 1.2)));
        // With main there are as many again.
        var (hellos, lists) = (new Series(), new Series());
        for (var round = 0; round <= rounds * 2; round++)
        {
            hellos.Add(Tool.Time(root, "dotnet", typeof(Benchmark).Assembly.Location, "--hello").Milliseconds);
            var (time, output) = Tool.Time(root, "dotnet", tool.Assembly, "branch", "list");
            lists.Add(time);
            var listed = output.Split('\n').Count(line => line.StartsWith("bench/", StringComparison.Ordinal) && line.Contains("running", StringComparison.Ordinal));
            if (listed != ListedBranches)
                throw new InvalidOperationException($"The list shows {listed} running branches, not {ListedBranches}.");
        }

        var more = lists.Median - hellos.Median;
        _rows.Add(new($"list, {ListedBranches} branches", "dotnet printing a line", hellos, null, null));
        _rows.Add(new("", "dotnet pgd branch list", lists, $"+{Number(more, "F0")} ms", new("≤ +150 ms", more <= 150)));
    }

    private string NewProject(string fileSystem, string storage, int pgbenchScale, string? image = null, int? major = null)
    {
        var root = NewFolder(fileSystem);
        Progress($"{storage}: a database of scale {pgbenchScale}");
        Tool.Time(root, tool.Program, ["project", "create", "bench", "--storage", storage, "--port-range", "23000-23999", .. image is null ? Array.Empty<string>() : ["--image", image], .. major is null ? Array.Empty<string>() : ["--pg-version", major.Value.ToString(CultureInfo.InvariantCulture)]]);
        _roots.Add(root);
        Tool.Time(root, tool.Program, "branch", "exec", "bench/main", "--", "pgbench", "--initialize", "--quiet", "--scale", pgbenchScale.ToString(CultureInfo.InvariantCulture));
        return root;
    }

    private string NewFolder(string fileSystem)
    {
        if (fileSystem != "zfs")
            return _fileSystems.Shared(fileSystem).NewRoot();
        Lab.Require(Environment.GetEnvironmentVariable("PGD_TEST_POOL") is { Length: > 0 }, "PGD_TEST_POOL names no ZFS pool that may be used");
        Environment.SetEnvironmentVariable("PGD_ZFS_POOL", Environment.GetEnvironmentVariable("PGD_TEST_POOL"));
        var folder = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        return folder;
    }

    // What the last measurement left to be written must not slow down the next one.
    private static void Settle(string folder) => LabCommand.Run("sync", "--file-system", folder);

    private static void Progress(string text)
    {
        if (!Console.IsErrorRedirected)
            Console.Error.Write($"\r\e[K{text}");
    }

    private void Print()
    {
        Progress("");
        Console.WriteLine();
        Console.WriteLine($"{"",-24}{"",-64}{"median",10}{"±",8}{"ratio",10}   target");
        foreach (var row in _rows)
        {
            var verdict = row.Target is { } target ? $"   {target.Text} {(target.Met ? "met" : "missed")}" : "";
            Console.WriteLine($"{row.Group,-24}{row.Text,-64}{Number(row.Series.Median, "F0"),7} ms{Number(row.Series.Spread, "F0"),8}{row.Ratio,10}{verdict}".TrimEnd());
        }

        if (_processes is not null)
            Console.WriteLine($"\n{_processes}");
        Console.WriteLine($"\nMedians of {rounds}, alternating. The floor is not safe: it takes no lock, undoes nothing, and its copies are only correct while nobody writes.");
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private sealed record Target(string Text, bool Met);

    private sealed record Row(string Group, string Text, Series Series, string? Ratio, Target? Target)
    {
        public object ToJson() => new { group = Group, what = Text.Trim(), medianMilliseconds = Series.Median, spread = Series.Spread, ratio = Ratio, target = Target?.Text, met = Target?.Met, all = Series.Values };
    }
}
