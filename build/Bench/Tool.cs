using System.Diagnostics;

namespace Pgd.Bench;

/// <summary>The published tool, and a stopwatch around whole processes.</summary>
internal sealed class Tool(string folder)
{
    /// <summary>The program that users run.</summary>
    public string Program { get; } = Path.Combine(Path.GetFullPath(folder), "dotnet-pgd");

    /// <summary>The same for `dotnet`, as the line that it is compared with.</summary>
    public string Assembly => Program + ".dll";

    /// <summary>Runs a program to its end: how long that took, and what it printed.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static (double Milliseconds, string Output) Time(string root, string program, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PGD_ROOT"] = root;
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var milliseconds = watch.Elapsed.TotalMilliseconds;
        return process.ExitCode == 0
            ? (milliseconds, output)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with status {process.ExitCode}: {error.Result.Trim()} {output.Trim()}");
    }
}
