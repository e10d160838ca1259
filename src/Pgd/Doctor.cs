namespace Pgd;

/// <summary>Checks of the machine and of everything that we made on it, and repairs of what killed operations left.</summary>
public sealed class Doctor
{
    internal Doctor(Workspace workspace) => _ = workspace;

    /// <summary>Runs every check.</summary>
    public Task<IReadOnlyList<Finding>> CheckAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Removes what killed operations left, and only that. Returns what it did, or with <paramref name="dryRun"/> what it would do.</summary>
    public Task<IReadOnlyList<Repair>> FixAsync(bool dryRun, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Writes a zip for a bug report: versions, findings, records and the ends of logs, with secrets, host names and labels redacted.</summary>
    public Task WriteReportAsync(string file, CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <summary>The answer of one check.</summary>
/// <param name="Check">What was checked, for example "server binaries".</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Text">What was found.</param>
/// <param name="Remedy">What to type, if there is something wrong.</param>
public sealed record Finding(string Check, Severity Severity, string Text, string? Remedy = null);

/// <summary>How bad a finding is.</summary>
public enum Severity
{
    /// <summary>Fine.</summary>
    Ok,

    /// <summary>Works, but should be looked at.</summary>
    Warning,

    /// <summary>Does not work.</summary>
    Problem,
}

/// <summary>One thing that a repair did.</summary>
/// <param name="Kind">server, volume, record, socket or port.</param>
/// <param name="Subject">Which one.</param>
/// <param name="Text">What was or would be done, and why.</param>
/// <param name="Done">False if it could not be done; <paramref name="Text"/> then says why.</param>
public sealed record Repair(string Kind, string Subject, string Text, bool Done);
