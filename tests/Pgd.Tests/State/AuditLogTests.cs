using System.Text.Json;
using Pgd.State;
using Xunit;

namespace Pgd.Tests.State;

/// <summary>Who did what is written down, one line for each operation.</summary>
public sealed class AuditLogTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("pgd-audit-").FullName;
    private readonly List<string> _warnings = [];

    /// <summary>With the folder that the first operation makes.</summary>
    public AuditLogTests() => Directory.CreateDirectory(Path.Combine(_root, "state"));

    private string LogFile => Path.Combine(_root, "state", "audit.log");

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>A success, for whom and how long.</summary>
    [Fact]
    public async Task An_operation_that_was_done_is_told_with_its_subject_and_its_pull_request()
    {
        Assert.Equal(7, await Log().RecordAsync("branch create", "prod/pr-7", new() { RepositoryId = 1, Repository = "octo/shop", Number = 7 }, () => Task.FromResult(7)));

        var line = Assert.Single(Lines());
        Assert.Equal(("branch create", "prod/pr-7", "octo/shop#7", 0, Environment.UserName), (Text(line, "operation"), Text(line, "subject"), Text(line, "pullRequest"), line.GetProperty("exitCode").GetInt32(), Text(line, "user")));
        Assert.False(line.TryGetProperty("error", out _));
        Assert.InRange(line.GetProperty("at").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, new FileInfo(LogFile).UnixFileMode);
    }

    /// <summary>A failure, in our own words and no one else's.</summary>
    [Fact]
    public async Task An_operation_that_failed_is_told_with_its_status_and_no_words_of_a_server()
    {
        var ours = new PgdException(ExitCode.NoRoom, "there is no room\nLOG:  password=hunter2", "Make some.");
        await Assert.ThrowsAsync<PgdException>(() => Log().RecordAsync<int>("branch create", "prod/a\u001b[31m\n", null, () => throw ours));
        await Assert.ThrowsAsync<InvalidOperationException>(() => Log().RecordAsync<int>("branch reset", "prod/b", null, () => throw new InvalidOperationException("password=hunter2")));
        await Assert.ThrowsAsync<TaskCanceledException>(() => Log().RecordAsync<int>("branch delete", "prod/c", null, () => throw new TaskCanceledException()));

        Assert.Equal([(6, "there is no room"), (1, "InvalidOperationException"), (130, "TaskCanceledException")], Lines().Select(l => (l.GetProperty("exitCode").GetInt32(), Text(l, "error"))));
        var raw = File.ReadAllText(LogFile);
        Assert.DoesNotContain("hunter2", raw, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', raw);
    }

    /// <summary>However many write at once.</summary>
    [Fact]
    public async Task Lines_of_many_writers_stay_whole_and_a_large_file_is_set_aside()
    {
        await File.WriteAllTextAsync(LogFile, new string('x', (int)AuditLog.LargestFile - 1000) + "\n");
        await File.WriteAllTextAsync(LogFile + ".4", "the oldest");

        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (number, _) => await Log().RecordAsync("branch list", $"prod/{number}", null, () => Task.FromResult(number)));

        var aside = File.ReadLines(LogFile + ".1").Skip(1).Select(l => Text(JsonDocument.Parse(l).RootElement, "subject"));
        Assert.Equal(200, aside.Concat(Lines().Select(l => Text(l, "subject"))).Distinct().Count());
        Assert.NotEmpty(aside);
        Assert.Equal("the oldest", await File.ReadAllTextAsync(LogFile + ".4"));
        Assert.False(File.Exists(LogFile + ".2"));
        Assert.Empty(_warnings);
    }

    /// <summary>It is a record, and no condition.</summary>
    [Fact]
    public async Task What_cannot_be_written_down_is_done_all_the_same()
    {
        Directory.CreateDirectory(LogFile);

        Assert.Equal(7, await Log().RecordAsync("branch create", "prod/dev", null, () => Task.FromResult(7)));

        Assert.StartsWith($"the operation is not in {LogFile}: ", Assert.Single(_warnings), StringComparison.Ordinal);
        Directory.Delete(_root, recursive: true);
        // Where there is no root nothing is made.
        Assert.Equal(8, await Log().RecordAsync("branch create", "prod/dev", null, () => Task.FromResult(8)));
        Assert.False(Directory.Exists(_root));
        Directory.CreateDirectory(_root);
    }

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString()!;

    private AuditLog Log() => new(new(_root), new Warnings(_warnings));

    // Without a lock: a child that another test is just starting may have the log open for a moment.
    private List<JsonElement> Lines()
    {
        using var reader = new StreamReader(new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
    }

    private sealed class Warnings(List<string> heard) : IReporter
    {
        public void Step(string text)
        {
        }

        public void Progress(string what, long done, long total)
        {
        }

        public void Warn(string text)
        {
            lock (heard)
                heard.Add(text);
        }
    }
}
