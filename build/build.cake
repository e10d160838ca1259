#load "docs.cake"
#load "tests.cake"

// The targets of ./build.sh; what needs more than a few lines is in a file of its own.

// Cake starts in the script's folder.
Context.Environment.WorkingDirectory = MakeAbsolute(Directory(".."));
var caller = EnvironmentVariable("PGD_CALLER_FOLDER") ?? Environment.CurrentDirectory;
var configuration = "Release";

Task("build").Does(() => Build());

Task("test").Does(() => Test());

Task("soak").Does(() =>
{
    Environment.SetEnvironmentVariable("PGD_SOAK", "1");
    Test();
});

Task("pack").Does(() =>
{
    Options();
    foreach (var project in new[] { "Pgd", "Pgd.Action", "Pgd.Tool", "Pgd.Cake" })
        Quietly($"Packing {project}", "dotnet", ["pack", $"src/{project}", "--configuration", configuration, "--output", "artifacts/packages", "-nologo"]);
    foreach (var package in GetFiles("artifacts/packages/*.nupkg"))
        Console.WriteLine($"artifacts/packages/{package.GetFilename()}");
});

Task("demo").Does(() =>
{
    Options("scale", "storage", "runtime", "image", "pool", "root", "keep", "yes");
    Bash("build/demo.sh", [.. Value("scale"), .. Value("storage"), .. Value("runtime"), .. Value("image"), .. Value("pool"), .. Folder("root"), .. Flag("keep"), .. Flag("yes")]);
});

// Cake would end with a table of its own, also below the one line that a build server reads.
Teardown(context =>
{
    if (context.Successful)
        Environment.Exit(0);
});

Task("docs").Does(() =>
{
    Options("update");
    if (HasArgument("update"))
    {
        UpdateTroubleshooting();
        UpdateReadme();
    }

    CheckLinks();
});

Task("bench").Does(() =>
{
    Options("scale", "rounds", "only", "yes");
    Bash("build/packages.sh", [.. Flag("yes"), "server", "client", "pgbench", "btrfs", "xfs", "ext4", "mount", "docker", "debootstrap", "zstd", "pgbackrest", "pgcopydb"]);
    Quietly("Building", "dotnet", ["build", "build/Bench", "--configuration", configuration, "-nologo"]);
    string[] bench = ["build/bench.sh", Argument("scale", "100"), Argument("rounds", "9"), .. HasArgument("only") ? new[] { Argument<string>("only") } : []];
    // ZFS needs a machine that has it.
    if (Argument("only", "").StartsWith("zfs") && string.IsNullOrEmpty(EnvironmentVariable("PGD_TEST_POOL")))
        Bash("tests/zfs-vm/run.sh", ["--docker", "--disk", "16G", "--rw", "artifacts", "--", "bash", .. bench]);
    else
        Bash(bench[0], bench[1..]);
});

var target = Argument<string>("target");
if (Tasks.All(task => task.Name != target))
    Fail(2, $"There is no target \"{target}\". ./build.sh --help lists them.");
RunTarget(target);

void Test()
{
    Options("filter", "yes", "no-vm");
    var withMachine = !HasArgument("no-vm");
    // At a desk, what stays missing skips tests, which then say so.
    if (Status("bash", ["build/packages.sh", .. Flag("yes"), .. testNeeds, .. withMachine ? new[] { "zfs-vm" } : []]) is var status and not 0 && !string.IsNullOrEmpty(EnvironmentVariable("CI")))
        Fail(status, null);
    if (Output("bash", ["build/node.sh"]) is { Length: > 0 } node)
        Environment.SetEnvironmentVariable("PATH", $"{node}:{EnvironmentVariable("PATH")}");
    CheckLinks();
    Build();
    RunTests(Argument("filter", ""), withMachine);
}

void Build() => Quietly("Building", "dotnet", ["build", "Pgd.sln", "--configuration", configuration, "-nologo", "-consoleLoggerParameters:NoSummary"]);

void Bash(string script, IEnumerable<string> arguments) => Run("bash", [script, .. arguments]);

void Run(string program, IEnumerable<string> arguments)
{
    if (Status(program, arguments) is var status and not 0)
        Fail(status, null);
}

// What it printed matters only if it failed.
void Quietly(string what, string program, IEnumerable<string> arguments)
{
    Console.Write($"{what} … ");
    var watch = System.Diagnostics.Stopwatch.StartNew();
    var start = new System.Diagnostics.ProcessStartInfo("bash", ["-c", "exec \"$@\" 2>&1", "bash", program, .. arguments]) { RedirectStandardOutput = true };
    using var process = System.Diagnostics.Process.Start(start);
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    Console.WriteLine(FormattableString.Invariant($"{watch.Elapsed.TotalSeconds:F1} s"));
    if (process.ExitCode == 0)
        return;
    Console.WriteLine(output.Trim());
    Fail(process.ExitCode, null);
}

// What a program printed; nothing where it failed, which it has then said itself.
string Output(string program, IEnumerable<string> arguments)
{
    using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardOutput = true });
    var output = process.StandardOutput.ReadToEnd().Trim();
    process.WaitForExit();
    return process.ExitCode == 0 ? output : "";
}

int Status(string program, IEnumerable<string> arguments)
{
    using var process = System.Diagnostics.Process.Start(program, arguments);
    process.WaitForExit();
    return process.ExitCode;
}

// The program that failed has said why: Cake's own report below that would only push it off the screen.
void Fail(int status, string message)
{
    if (message is not null)
        Console.Error.WriteLine(message);
    Environment.Exit(status);
}

// A misspelled option must not silently do nothing.
void Options(params string[] known)
{
    foreach (var name in Context.Arguments.GetArguments().Keys.Except(["target", "verbosity", .. known]))
        Fail(2, $"{Argument<string>("target")} has no option --{name}. ./build.sh --help lists them.");
}

string[] Flag(string name) => HasArgument(name) ? [$"--{name}"] : [];

string[] Value(string name) => HasArgument(name) ? [$"--{name}", Argument<string>(name)] : [];

string[] Folder(string name) => HasArgument(name) ? [$"--{name}", System.IO.Path.GetFullPath(Argument<string>(name), caller)] : [];
