using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>
/// Prism in front of a server, with GitHub's own API description: a request or an answer that GitHub could not have seen or given
/// becomes an error, and is remembered.
/// </summary>
internal sealed partial class Prism : IAsyncDisposable
{
    private static readonly Lazy<string> Description = new(Trim);
    private readonly Process _process;
    private readonly List<string> _log = [];
    private readonly Dictionary<string, TaskCompletionSource> _markers = [];
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private Prism(Process process)
    {
        _process = process;
        _reading = ReadAsync();
    }

    /// <summary>Where it listens.</summary>
    public Uri Address => _listening.Task.Result;

    /// <summary>What it objected to since it started.</summary>
    public async Task<IReadOnlyList<string>> ViolationsAsync()
    {
        // It answers first and writes its log then; when a later request is in the log, so is everything before it.
        var marker = $"/until-{Guid.NewGuid():N}";
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_log)
            _markers[marker] = seen;
        using var client = new HttpClient { BaseAddress = Address };
        using var _ = await client.GetAsync(marker);
        await seen.Task.WaitAsync(TimeSpan.FromSeconds(30));
        lock (_log)
            return [.. _log.Where(line => line.Contains("prism/errors#", StringComparison.Ordinal) && !line.Contains("/until-", StringComparison.Ordinal))];
    }

    /// <summary>Starts it and waits until it listens.</summary>
    public static async Task<Prism> StartAsync(Uri upstream)
    {
        var prism = new Prism(NodePackages.Start("prism.mjs", Description.Value, upstream.ToString().TrimEnd('/')));
        await prism._listening.Task.WaitAsync(TimeSpan.FromMinutes(10));
        return prism;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            lock (_log)
            {
                _log.Add(line);
                foreach (var (_, seen) in _markers.Where(marker => line.Contains(marker.Key, StringComparison.Ordinal)))
                    seen.TrySetResult();
            }

            if (Listening().Match(line) is { Success: true } match)
                _listening.TrySetResult(new(match.Groups[1].Value));
        }

        _listening.TrySetException(new InvalidOperationException($"Prism ended: {string.Join('\n', _log)}"));
    }

    private static string Trim()
    {
        var trimmed = NodePackages.File(".pgd-api.json");
        LabCommand.Run("node", Path.Combine(NodePackages.Folder, "trim-openapi.mjs"), trimmed);
        return trimmed;
    }

    [GeneratedRegex("is listening on (http://[0-9.:]+)")]
    private static partial Regex Listening();
}
