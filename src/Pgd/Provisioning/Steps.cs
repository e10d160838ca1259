namespace Pgd.Provisioning;

/// <summary>Runs steps in order, and tells what became of each.</summary>
internal static class Steps
{
    private const string NextTime = "What is done stays done. Correct this, and run the same command again.";

    /// <summary>Does what is not done yet, or in a dry run only says it.</summary>
    /// <param name="steps">The steps.</param>
    /// <param name="dryRun">Whether nothing is done.</param>
    /// <param name="reporter">Is told of each step that begins.</param>
    /// <param name="note">Called before a step is done, so that whatever a killed run made can be taken away again.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static async Task<IReadOnlyList<SetupStep>> DoAsync(IReadOnlyList<Step> steps, bool dryRun, IReporter reporter, Action<Step> note, CancellationToken cancellationToken)
    {
        var results = new List<SetupStep>();
        foreach (var step in steps)
        {
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (await step.IsDone(cancellationToken).ConfigureAwait(false))
                {
                    results.Add(new(step.Subject, step.Text, SetupOutcome.Unchanged));
                    continue;
                }

                if (dryRun)
                {
                    results.Add(new(step.Subject, step.Text, SetupOutcome.Planned));
                    continue;
                }

                reporter.Step($"{step.Subject}: {step.Text}");
                note(step);
                await step.Do(cancellationToken).ConfigureAwait(false);
                results.Add(new(step.Subject, step.Text, SetupOutcome.Done));
            }
            catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
            {
                var done = results.Where(r => r.Outcome == SetupOutcome.Done).Select(r => r.Subject).ToList();
                throw new PgdException(done.Count > 0 ? ExitCode.Partial : (e as PgdException)?.ExitCode ?? ExitCode.Failed,
                    $"{step.Subject}: {step.Text}: {e.Message}{(done.Count > 0 ? $"; done before that: {string.Join(", ", done)}" : "")}; not done yet: {string.Join(", ", steps.Skip(results.Count).Select(s => s.Subject))}",
                    (e as PgdException)?.Hint is { } hint ? $"{hint} {NextTime}" : NextTime, e);
            }
        }

        return results;
    }
}
