using Pgd.Processes;

namespace Pgd.Provisioning;

/// <summary>Programs of the system, also where only root's PATH looks for them.</summary>
internal static class SystemPrograms
{
    private static readonly IReadOnlyDictionary<string, string?> English = new Dictionary<string, string?> { ["LC_ALL"] = "C" };

    public static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Concat(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]).Where(folder => folder[0] == '/').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        (await Shell.RunAsync(CommandOf(program, arguments), cancellationToken).ConfigureAwait(false)).Output;

    public static Task<CommandResult> TryAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        Shell.TryRunAsync(CommandOf(program, arguments), cancellationToken);

    private static Command CommandOf(string program, IReadOnlyList<string> arguments) =>
        new(Find(program) ?? throw new PgdException(ExitCode.MachineLacks, $"the program {program} is not on this machine"), arguments) { Environment = English, WorkingDirectory = "/" };
}
