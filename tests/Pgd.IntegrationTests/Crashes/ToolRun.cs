using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Pgd.IntegrationTests;

/// <summary>How a run of the tool ended, and what it said.</summary>
internal sealed record ToolResult(int Status, string Output, string Error)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"status {Status}\n{Output}{Error}");
}

/// <summary>The tool as a process of its own: what matters to locks, signals and sudden death.</summary>
internal sealed class ToolRun : IDisposable
{
    private static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(3);

    // Its own output folder: beside the tests it would find ASP.NET's assemblies missing, which these take from the shared framework.
    // Where programs start slowly, the published one is used, which is compiled ahead.
    public static readonly string Program = Environment.GetEnvironmentVariable("PGD_TEST_TOOL") is { Length: > 0 } tool ? tool : Path.Combine(Checkout.Folder, "artifacts", "bin", "Pgd.Tool", Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')), "dotnet-pgd.dll");
    private readonly Process _process;
    private readonly bool _tells;
    private readonly Task<string> _output, _error;

    private ToolRun(Process process, bool tells)
    {
        (_process, _tells) = (process, tells);
        // Both at once: a program that fills the other pipe would wait for ever.
        _output = process.StandardOutput.ReadToEndAsync();
        _error = process.StandardError.ReadToEndAsync();
    }

    public int Id => _process.Id;

    public bool HasEnded => _process.HasExited;

    /// <summary>Starts the tool with nothing in its environment but what is given, so that no configuration of this machine is found.</summary>
    public static ToolRun Start(IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> arguments, IReadOnlyList<string>? through = null)
    {
        IReadOnlyList<string> line = [.. through ?? [], "dotnet", Program, .. arguments];
        var start = new ProcessStartInfo(line[0], line.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        start.Environment.Clear();
        foreach (var name in (string[])["PATH", "DOTNET_ROOT", "DOCKER_HOST"])
            start.Environment[name] = Environment.GetEnvironmentVariable(name);
        start.Environment["HOME"] = "/nonexistent";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        // Some commands are there to tell a password, or to run what may.
        return new(Process.Start(start)!, arguments.Any(argument => argument is "url" or "exec" or "psql"));
    }

    public void Signal(int signal) => _ = Send(_process.Id, signal);

    public ToolResult Wait()
    {
        if (!_process.WaitForExit(LongestRun))
        {
            _process.Kill();
            throw new TimeoutException($"The tool has been running for {LongestRun.TotalMinutes} minutes; it said: {_error.GetAwaiter().GetResult()}");
        }

        // GitHub's runner can mask only what it is told.
        var said = string.Join('\n', _error.GetAwaiter().GetResult().Split('\n').Where(line => !line.StartsWith("::add-mask::", StringComparison.Ordinal)));
        PasswordScan.Refuse("what the tool says", said + (_tells ? "" : _output.GetAwaiter().GetResult()));
        return new(_process.ExitCode, _output.GetAwaiter().GetResult(), _error.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Send(int process, int signal);
}
