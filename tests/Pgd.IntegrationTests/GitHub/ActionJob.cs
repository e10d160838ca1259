namespace Pgd.IntegrationTests.GitHub;

/// <summary>What a workflow's job says about the one step that uses the action, and what GitHub tells the runner about the event.</summary>
internal sealed record ActionJob
{
    /// <summary>The event's name, for example <c>pull_request</c>.</summary>
    public required string Event { get; init; }

    /// <summary>The event's payload.</summary>
    public required string Payload { get; init; }

    /// <summary>The repository that the workflow belongs to.</summary>
    public required FakeRepository Repository { get; init; }

    /// <summary>The job's token.</summary>
    public required FakeToken Token { get; init; }

    /// <summary>Where the API is.</summary>
    public required Uri Api { get; init; }

    /// <summary>What <c>with:</c> says.</summary>
    public IReadOnlyDictionary<string, string> With { get; init; } = new Dictionary<string, string>();

    /// <summary>What <c>env:</c> of the job says.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}

/// <summary>What became of a job's action.</summary>
internal sealed record ActionResult
{
    /// <summary>The exit code of the step that failed; 0 if none did.</summary>
    public required int ExitCode { get; init; }

    /// <summary>The action's outputs.</summary>
    public required IReadOnlyDictionary<string, string> Outputs { get; init; }

    /// <summary>The log.</summary>
    public required JobLog Log { get; init; }

    /// <summary>The step summary.</summary>
    public required string Summary { get; init; }

    /// <summary>Steps that would have run another action.</summary>
    public required IReadOnlyList<string> Used { get; init; }

    /// <summary>Folders that the action put before the PATH of later steps.</summary>
    public required IReadOnlyList<string> Path { get; init; }

    /// <summary>Whether something kept a step's output open after its end, which delays every job.</summary>
    public required bool OutputHeldOpen { get; init; }

    /// <summary>Processes that the runner ended after the job.</summary>
    public required IReadOnlyList<string> Orphans { get; init; }
}
