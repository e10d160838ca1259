using System.Globalization;

namespace Pgd.State;

/// <summary>A branch or a snapshot that somebody needs as it is, for a time: a lease, so that it is not forgotten.</summary>
internal static class Protection
{
    /// <summary>Until when the branch is protected; null if it is not, or no longer.</summary>
    public static DateTimeOffset? Until(BranchRecord branch) => Until(branch.ProtectedUntil);

    /// <summary>The same of what a record says.</summary>
    public static DateTimeOffset? Until(DateTimeOffset? recorded) => recorded is { } until && until > DateTimeOffset.UtcNow ? until : null;

    /// <exception cref="PgdException">It is protected (<see cref="ExitCode.Unsafe"/>).</exception>
    public static void Refuse(BranchRecord branch, string what)
    {
        if (Until(branch) is not null)
            throw new PgdException(ExitCode.Unsafe, $"{branch.FullName} is protected{Words(branch)}, so it is not {what}", $"Lift it: dotnet pgd branch unprotect {branch.FullName}");
    }

    /// <exception cref="PgdException">It is protected (<see cref="ExitCode.Unsafe"/>).</exception>
    public static void Refuse(SnapshotRecord snapshot, string what)
    {
        if (Until(snapshot.ProtectedUntil) is not null)
            throw new PgdException(ExitCode.Unsafe, $"{snapshot.FullName} is protected{Words(snapshot)}, so it is not {what}", $"Lift it: dotnet pgd snapshot unprotect {snapshot.FullName}");
    }

    /// <summary>How long and why, to be put behind "protected".</summary>
    public static string Words(BranchRecord branch) => Words(branch.ProtectedUntil, branch.ProtectedFor);

    public static string Words(SnapshotRecord snapshot) => Words(snapshot.ProtectedUntil, snapshot.ProtectedFor);

    private static string Words(DateTimeOffset? end, string? reason) =>
        (end is { } until && until < DateTimeOffset.MaxValue ? string.Create(CultureInfo.InvariantCulture, $" until {until.UtcDateTime:yyyy-MM-dd HH:mm} UTC") : "")
        + (reason is null ? "" : $" ({reason})");
}
