namespace Pgd.State;

/// <summary>Where this process was called from.</summary>
internal static class Invocation
{
    /// <summary>The address of the CI run that this process belongs to; null where the environment names none.</summary>
    public static string? Run =>
        Variable("GITHUB_RUN_ID") is { } id ? $"{Variable("GITHUB_SERVER_URL")}/{Variable("GITHUB_REPOSITORY")}/actions/runs/{id}"
        // GitLab, and Jenkins.
        : Variable("CI_JOB_URL") ?? Variable("BUILD_URL");

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
