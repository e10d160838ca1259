using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A job's log as people see it: masks applied from the moment on that they were asked for, commands taken out.</summary>
internal sealed partial class JobLog
{
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];
    private readonly List<JobAnnotation> _annotations = [];
    private readonly HashSet<string> _masks = [];
    private readonly List<(Func<string, bool> Applies, TaskCompletionSource Seen)> _waiting = [];
    private string? _deafUntil;

    /// <summary>The whole text.</summary>
    public string Text
    {
        get
        {
            lock (_lock)
                return string.Join('\n', _lines);
        }
    }

    /// <summary>Errors, warnings and notices, masked.</summary>
    public IReadOnlyList<JobAnnotation> Annotations
    {
        get
        {
            lock (_lock)
                return [.. _annotations];
        }
    }

    /// <summary>What is masked.</summary>
    public IReadOnlyCollection<string> Masks
    {
        get
        {
            lock (_lock)
                return [.. _masks];
        }
    }

    /// <summary>Hides a text from now on, each line of it.</summary>
    public void Mask(string text)
    {
        lock (_lock)
        {
            foreach (var line in text.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0))
                _masks.Add(line);
        }
    }

    /// <summary>Takes a line that a step printed.</summary>
    public void Add(string line)
    {
        lock (_lock)
        {
            if (Obey(line))
                return;
            line = Masked(line);
            PasswordScan.Refuse("a job's log", line);
            _lines.Add(line);
            foreach (var (_, seen) in _waiting.Where(waiting => waiting.Applies(line)))
                seen.TrySetResult();
        }
    }

    /// <summary>Waits for a line.</summary>
    public Task WaitForAsync(Func<string, bool> applies)
    {
        lock (_lock)
        {
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_lines.Any(applies))
                seen.SetResult();
            _waiting.Add((applies, seen));
            return seen.Task;
        }
    }

    // True if the line is not to be shown.
    private bool Obey(string line)
    {
        if (_deafUntil is not null)
        {
            // What a foreign program prints is no command until the agreed word comes.
            if (line.Trim() != $"::{_deafUntil}::")
                return false;
            _deafUntil = null;
            return true;
        }

        if (Command().Match(line) is not { Success: true } command)
            return false;
        var text = Unescape(command.Groups["text"].Value);
        switch (command.Groups["name"].Value)
        {
            case "add-mask":
                Mask(text);
                return true;
            case "stop-commands":
                _deafUntil = text;
                return true;
            case "group" or "endgroup" or "debug":
                return false;
            default:
                _annotations.Add(new(command.Groups["name"].Value, Masked(text)));
                return false;
        }
    }

    // The longest first: a mask may be part of another one.
    private string Masked(string text) => _masks.OrderByDescending(mask => mask.Length).Aggregate(text, (masked, mask) => masked.Replace(mask, "***", StringComparison.Ordinal));

    private static string Unescape(string text) =>
        text.Replace("%0D", "\r", StringComparison.Ordinal).Replace("%0A", "\n", StringComparison.Ordinal).Replace("%25", "%", StringComparison.Ordinal);

    [GeneratedRegex("^\\s*::(?<name>add-mask|stop-commands|group|endgroup|debug|error|warning|notice)( [^:]*)?::(?<text>.*)$")]
    private static partial Regex Command();
}

/// <summary>What the runner shows beside the log.</summary>
/// <param name="Level"><c>error</c>, <c>warning</c> or <c>notice</c>.</param>
/// <param name="Message">The text.</param>
internal sealed record JobAnnotation(string Level, string Message);
