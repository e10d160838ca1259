using Pgd.Tool.Output;

namespace Pgd.Tests.Tool;

/// <summary>Records as the engine returns them.</summary>
internal static class Samples
{
    public static DateTimeOffset Now { get; } = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static Project Project { get; } = new()
    {
        Name = "prod",
        Storage = "btrfs",
        Runtime = "native",
        PostgresMajor = 17,
        Ports = new(21000, 21999),
        CreatedAt = Now.AddDays(-40),
        Branches = 3,
    };

    public static Branch Main { get; } = new()
    {
        Name = BranchName.Parse("prod/main"),
        Id = "0a1b2c3d4e5f",
        Status = BranchStatus.Running,
        Host = "127.0.0.1",
        Port = 21000,
        Generation = 1,
        Storage = "btrfs",
        Runtime = "native",
        PostgresMajor = 17,
        CreatedAt = Now.AddDays(-40),
        Labels = new Dictionary<string, string>(),
        Directory = "/var/lib/pgd/volumes/prod/main/g1",
        DataDirectory = "/var/lib/pgd/volumes/prod/main/g1/data",
    };

    public static Branch Preview { get; } = Main with
    {
        Name = BranchName.Parse("prod/pr-42"),
        Id = "112233445566",
        Parent = BranchName.Parse("prod/main"),
        Status = BranchStatus.Stopped,
        Port = 21001,
        Generation = 2,
        CreatedAt = Now.AddMinutes(-95),
        DataAsOf = Now.AddMinutes(-90),
        DataLsn = "0/1A2B3C4D",
        ExpiresAt = Now.AddDays(7),
        PullRequest = new() { RepositoryId = 7, Repository = "acme/shop", Number = 42, HeadSha = "c0ffee", RunUrl = "https://ci.example/runs/1" },
        Labels = new Dictionary<string, string> { ["team"] = "größe & co", ["owner"] = "ada" },
        Directory = "/var/lib/pgd/volumes/prod/pr-42/g1",
        DataDirectory = "/var/lib/pgd/volumes/prod/pr-42/g1/data",
    };

    public static Branch Expired { get; } = Main with
    {
        Name = BranchName.Parse("prod/a-very-long-name-that-still-has-to-fit-somewhere"),
        Parent = BranchName.Parse("prod/pr-42"),
        Status = BranchStatus.Creating,
        Port = 21002,
        CreatedAt = Now.AddSeconds(-3),
        ExpiresAt = Now.AddSeconds(-1),
    };

    public static Diagnosis Diagnosis { get; } = new("0.1.0", "/var/lib/pgd", "default", ["/etc/pgd/config.yaml"], false,
        [new("server", "prod/gone", "stopped a server without a record", true), new("volume", "prod/old", "busy", false)],
        [
            new("server binaries", Severity.Ok, "PostgreSQL 15 and 17"),
            new("free space", Severity.Warning, "3 GiB left in /var/lib/pgd", "Delete branches: dotnet pgd branch list"),
            new("prod/dev", Severity.Problem, "its server does not run", "dotnet pgd start prod/dev"),
        ],
        "/tmp/report.zip");

    public static Promoted Promoted { get; } = new(Preview.Name, Project with { Name = "staging", Branches = 1 }, Main with { Name = BranchName.Parse("staging/main"), DataAsOf = Now.AddMinutes(-90) },
        [
            new("max_wal_senders", true, "0 → 10"),
            new("archive_mode", false, "stays off in postgresql.auto.conf; archiving: the archive is its source's. postgresql.conf says otherwise"),
            new("foreign servers", false, "as in the branch: shop: billing, with 1 user mapping; a query in a branch reaches them as well"),
        ]);

    public static Status Status { get; } = new("0.1.0", "/var/lib/pgd", "default", [], [Project], [Main, Preview]);
}

/// <summary>A clock that stands still until it is moved, and whose timers fire when it is.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly List<Timer> _timers = [];
    private DateTimeOffset _now = Samples.Now;

    public override DateTimeOffset GetUtcNow() => _now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state, _now + dueTime, period);
        _timers.Add(timer);
        return timer;
    }

    public void Advance(TimeSpan time)
    {
        var end = _now + time;
        while (_timers.Where(timer => timer.Due <= end).MinBy(timer => timer.Due) is { } next)
        {
            _now = next.Due;
            next.Fire();
        }

        _now = end;
    }

    private sealed class Timer(ManualClock clock, TimerCallback callback, object? state, DateTimeOffset due, TimeSpan period) : ITimer
    {
        public DateTimeOffset Due { get; private set; } = due;

        public void Fire()
        {
            Due += period;
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose() => clock._timers.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
