using Pgd.Action.Events;
using Pgd.Action.Inputs;
using Pgd.Action.Runner;

namespace Pgd.Action;

/// <summary>Everything that a story is told, for front ends that have it from elsewhere than GitHub's variables.</summary>
public sealed record StorySetup
{
    public required StoryInputs Inputs { get; init; }

    /// <summary>The repository and, unless it is a sweep, the pull request.</summary>
    public required TriggeringEvent Event { get; init; }

    public RunnerEnvironment Runner { get; init; } = new();

    /// <summary>The code host; null when there is no token to ask it with. Then nobody checks that the pull request is open, and nobody comments.</summary>
    public IPullRequests? PullRequests { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
