using System.Security.Cryptography;

namespace Pgd.Action.Runner;

/// <summary>The step's outputs, written to the file of <c>GITHUB_OUTPUT</c>.</summary>
internal sealed class StepOutputs(string? file)
{
    /// <summary>Sets outputs; null ones are left out.</summary>
    public async Task WriteAsync(IEnumerable<(string Name, string? Value)> outputs, CancellationToken cancellationToken)
    {
        if (file is null)
            return;
        var lines = outputs.Where(o => o.Value is not null).Select(o => Entry(o.Name, o.Value!));
        await File.AppendAllTextAsync(file, string.Concat(lines), cancellationToken);
    }

    // A delimiter that nobody can guess: a value with line breaks in it must not become outputs of its own.
    private static string Entry(string name, string value)
    {
        var delimiter = "pgd_" + RandomNumberGenerator.GetHexString(32, lowercase: true);
        return $"{name}<<{delimiter}\n{value}\n{delimiter}\n";
    }
}
