using System.Diagnostics;
using System.Globalization;
using System.Xml.Linq;

// What the tests take from the distribution; server binaries of other versions come by build/server-binaries.sh.
string[] testNeeds = ["server", "client", "btrfs", "xfs", "ext4", "mount", "strace", "zstd", "rsync", "node", "git", "docker", "debootstrap", "systemd", "faketime", "mariadb"];

// Runs every test project as the program that it is, so that its output comes as it happens. What needs ZFS runs in a machine that has it,
// unless PGD_TEST_POOL names a pool of this one.
void RunTests(string filter, bool withMachine)
{
    List<string> options = ["-noLogo", "-reporter", "quiet"];
    // With CI set nothing may be skipped.
    if (!string.IsNullOrEmpty(EnvironmentVariable("CI")))
        options.Add("-failSkips");
    if (Console.IsOutputRedirected || !string.IsNullOrEmpty(EnvironmentVariable("NO_COLOR")))
        options.Add("-noColor");
    var poolIsHere = !string.IsNullOrEmpty(EnvironmentVariable("PGD_TEST_POOL"));

    // Servers that start and sync by the hundred wait for memory rather than for a disk, where there is enough of it.
    if (string.IsNullOrEmpty(EnvironmentVariable("TMPDIR")) && System.IO.Directory.Exists("/dev/shm") && new DriveInfo("/dev/shm").AvailableFreeSpace >= 16L << 30 && MayExecute("/dev/shm"))
        Environment.SetEnvironmentVariable("TMPDIR", "/dev/shm");

    const string needsMachine = "Pgd.IntegrationTests", inMachine = needsMachine + ", ZFS";
    var total = new TestCounts(0, 0, 0);
    var lines = new List<string>();
    EnsureDirectoryExists("artifacts/test-results");
    // The quick ones, with the shorter names, first.
    foreach (var project in GetFiles("tests/*/*Tests.csproj").Select(file => file.GetFilenameWithoutExtension().ToString()).OrderBy(name => name.Length))
    {
        // The tool is started by the thousand: compiled ahead it takes three quarters of the time.
        if (project == needsMachine && string.IsNullOrEmpty(EnvironmentVariable("PGD_TEST_TOOL")) && Output("bash", ["build/tool.sh"]) is { Length: > 0 } tool)
            Environment.SetEnvironmentVariable("PGD_TEST_TOOL", $"{tool}/dotnet-pgd.dll");
        RunProject(project, project, [], Selection(filter, poolIsHere ? null : "!="));
    }

    if (withMachine && !poolIsHere && Find(needsMachine, Selection(filter, "=")) is var found and > 0)
    {
        if (Status("bash", ["tests/zfs-vm/build.sh", "--docker"]) == 0)
        {
            RunProject(inMachine, needsMachine, "bash tests/zfs-vm/run.sh --docker --rw artifacts/test-results --".Split(' '), Selection(filter, "="));
        }
        else
        {
            // It has said what is missing.
            Count(inMachine, TimeSpan.Zero, string.IsNullOrEmpty(EnvironmentVariable("CI")) ? new(0, 0, found) : new(0, found, 0));
        }
    }

    Console.WriteLine();
    lines.ForEach(Console.WriteLine);
    Console.WriteLine();
    if (total is (0, 0, 0))
        Fail(1, filter.Length > 0 ? $"No test has \"{filter}\" in its name." : "There are no tests.");
    Console.WriteLine(total);
    if (total.Failed > 0)
        Fail(1, null);

    void RunProject(string title, string project, string[] runner, string[] selection)
    {
        Console.WriteLine($"{title} …");
        var results = $"artifacts/test-results/{title.Replace(", ", ".")}.xml";
        System.IO.File.Delete(results);
        var watch = Stopwatch.StartNew();
        string[] command = [.. runner, Program(project), .. options, .. selection, "-xml", results];
        var status = Status(command[0], command[1..]);
        Count(title, watch.Elapsed, TestCounts.Read(results, status));
    }

    void Count(string title, TimeSpan time, TestCounts counts)
    {
        total = new(total.Passed + counts.Passed, total.Failed + counts.Failed, total.Skipped + counts.Skipped);
        lines.Add($"{title,-26} {time.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture),7} s   {counts}");
    }

    int Find(string project, string[] selection) =>
        Output(Program(project), [.. selection, "-noColor", "-list", "tests/json"]) is { Length: > 0 } names ? System.Text.Json.JsonDocument.Parse(names).RootElement.GetArrayLength() : 0;

    string Program(string project) => $"artifacts/bin/{project}/{configuration.ToLowerInvariant()}/{project}";
}

// What xUnit is told to run: what the filter means, and of that what needs ZFS (=), what does not (!=), or both.
string[] Selection(string filter, string needsZfs)
{
    if (!filter.StartsWith('/'))
        return [.. filter.Length > 0 ? new[] { "-method", $"*{filter}*" } : [], .. needsZfs is null ? Array.Empty<string>() : [needsZfs == "=" ? "-trait" : "-trait-", "Needs=zfs"], .. LeftToSoak()];
    if (needsZfs is null)
        return ["-filter", filter];
    var trait = $"Needs{needsZfs}zfs";
    // Traits are a part of their own, the last one.
    var at = filter.IndexOf("/[", StringComparison.Ordinal);
    return ["-filter", at < 0 ? $"{filter}/[{trait}]" : $"{filter[..at]}/[({filter[(at + 2)..^1]})&({trait})]"];
}

// An emulated machine is slow: what takes longest there is left to ./build.sh soak.
string[] LeftToSoak() => string.IsNullOrEmpty(EnvironmentVariable("PGD_SOAK")) ? ["-trait-", "Only=soak"] : [];

// Tests run programs that they put into their folders; many containers mount shared memory without that right.
bool MayExecute(string folder)
{
    var program = System.IO.Path.Combine(folder, $"pgd-probe-{Environment.ProcessId}");
    System.IO.File.WriteAllText(program, "#!/bin/sh\n");
    System.IO.File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    try
    {
        Process.Start(program)!.WaitForExit();
        return true;
    }
    catch (System.ComponentModel.Win32Exception)
    {
        return false;
    }
    finally
    {
        System.IO.File.Delete(program);
    }
}

record TestCounts(int Passed, int Failed, int Skipped)
{
    public static TestCounts Read(string file, int status)
    {
        if (!System.IO.File.Exists(file))
            // It died before it could write anything.
            return new(0, 1, 0);
        var assemblies = XDocument.Load(file).Root!.Elements("assembly").ToList();
        int Sum(string name) => assemblies.Sum(assembly => (int?)assembly.Attribute(name) ?? 0);
        // An error is one outside of a test, such as a fixture that could not be taken down.
        var failed = Sum("failed") + Sum("errors");
        return new(Sum("passed"), failed == 0 && status != 0 ? 1 : failed, Sum("skipped"));
    }

    public override string ToString() => $"{Passed} passed, {Failed} failed, {Skipped} skipped";
}
