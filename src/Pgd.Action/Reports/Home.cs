namespace Pgd.Action.Reports;

/// <summary>A machine, and the branch of the pull request that lives on it.</summary>
internal sealed record Home(string HostName, string Branch);
