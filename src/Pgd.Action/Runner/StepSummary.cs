namespace Pgd.Action.Runner;

/// <summary>The page that GitHub shows for the run.</summary>
internal sealed class StepSummary(string? file)
{
    /// <summary>The most that GitHub takes, in bytes of UTF-8; a longer one is not shown at all.</summary>
    public const int Limit = 1024 * 1024;

    public bool Exists => file is not null;

    public async Task AppendAsync(string markdown, CancellationToken cancellationToken)
    {
        if (file is not null)
            await File.AppendAllTextAsync(file, markdown + "\n", cancellationToken);
    }
}
