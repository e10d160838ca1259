using System.Diagnostics;

namespace Pgd.IntegrationTests;

/// <summary>Runs programs for the lab. The engine has such a class too; its tests must not depend on it.</summary>
internal static class LabCommand
{
    /// <summary>Runs a program to its end and returns what it printed.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it said.</exception>
    public static string Run(string program, params IReadOnlyList<string> arguments)
    {
        var (status, output, error) = Try(program, arguments);
        return status == 0
            ? output
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with status {status}: {error.Trim()} {output.Trim()}".Trim());
    }

    /// <summary>Runs a program to its end.</summary>
    public static (int Status, string Output, string Error) Try(string program, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        // Listings are compared and read by programs.
        start.Environment["LC_ALL"] = "C.UTF-8";
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        // Both streams at once: a program that fills the other pipe would wait for ever.
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    /// <summary>Whether a program of that name is there, also where only root's PATH looks.</summary>
    public static bool Exists(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin"])
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
