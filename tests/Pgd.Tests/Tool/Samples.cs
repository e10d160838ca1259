using Pgd.Schema;
using Pgd.Tests.Schema;
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

    public static Freshness Streaming { get; } = new()
    {
        Project = "prod",
        From = "postgresql://replicator@db.example.com:5432/shop",
        Follow = FollowMode.Physical,
        Status = FollowStatus.Streaming,
        DataAsOf = Now.AddSeconds(-2),
        SourceLsn = "3/A0012300",
        ReceivedLsn = "3/A0012300",
        ReplayedLsn = "3/A0002300",
        LagBytes = 65_536,
        LagSeconds = 2,
    };

    public static Freshness Behind { get; } = Streaming with
    {
        Project = "stage", Status = FollowStatus.FellBehind, Reason = "postgresql://replicator@db.example.com:5432/shop no longer has what would be next: requested WAL segment 0000000100000003000000A0 has already been removed",
        Next = "dotnet pgd project refresh stage", DataAsOf = Now.AddHours(-30), SourceLsn = null, LagBytes = null, LagSeconds = 108_000,
    };

    public static Freshness Copied { get; } = new() { Project = "copy", From = "postgresql://reader@db.example.com:5432/shop", DataAsOf = Now.AddDays(-3), Next = "dotnet pgd project refresh copy" };

    public static IReadOnlyList<Pgd.Replication.EstimatedDatabase> Estimated { get; } =
    [
        new("shop", "shop", Pgd.Replication.CopyPlan.Make)
        {
            Tables = [new("sales.orders", 10L << 30, 3L << 30, null), new("sales.events", 5L << 30, 1L << 30, "(at >= '2026-01-01')"), new("sales.archive", 4L << 30, 0, "false"), new("a", 5, 1, null), new("b", 4, 1, null), new("c", 3, 1, null), new("d", 2, 1, null)],
            Bytes = 15L << 30, IndexBytes = 4L << 30, BytesPerSecond = 120 << 20, SecondsAtLeast = 170, SecondsAtMost = 290,
        },
        new("crm", "crm_copy", Pgd.Replication.CopyPlan.Replace) { Tables = [new("people", 1 << 20, 1 << 19, null)], Bytes = 1 << 20, IndexBytes = 1 << 19, BytesPerSecond = 120 << 20, SecondsAtLeast = 0.4, SecondsAtMost = 2.2 },
        new("old", "old", Pgd.Replication.CopyPlan.Keep),
        new("mine", "mine", Pgd.Replication.CopyPlan.Refuse) { Problems = [new("target", Severity.Problem, "mine is not empty: it has public.notes", "Name an empty database.")] },
    ];

    public static WriteAheadLogInfo Log { get; } = new()
    {
        Branch = BranchName.Parse("prod/main"),
        PointInTime = TimeSpan.FromDays(7),
        Directory = "/var/lib/pgd/wal/prod/main",
        Files = 412,
        Bytes = 3_500_000_000,
        Oldest = new("000000010000000000000010", Now.AddDays(-9)),
        Newest = new("0000000100000000000001AD", Now.AddMinutes(-1)),
        Gaps = [new("000000010000000000000020", "000000010000000000000021", 2, 2), new("000000010000000000000040", "000000010000000000000040", 1, 0)],
        Archiver = new(410, "0000000100000000000001AD", Now.AddMinutes(-1), 3, "000000010000000000000020", Now.AddDays(-8), 2, Now.AddSeconds(-30)),
        Windows =
        [
            new("prod/main@first", "0/10000028", Now.AddDays(-9), "0/20000000", null, false, "000000010000000000000020"),
            new("prod/main@0a1b2c3d4e5f", "0/41000028", Now.AddDays(-7), "1/AD000148", Now.AddMinutes(-2), true, null),
        ],
        Needs = [new("prod/main@first", "000000010000000000000010"), new("prod/main@0a1b2c3d4e5f", "000000010000000000000041")],
    };

    public static WriteAheadLogCleaned Cleaned { get; } = new(BranchName.Parse("prod/main"), false, ["000000010000000000000010", "000000010000000000000011"], 123_456, 3,
        [new("prod/main@first", "000000010000000000000012")], [new("prod/main@zero", "0/10000028", Now.AddDays(-9), "0/12000028", Now.AddDays(-8), false, "000000010000000000000010")]);

    public static Branch Main { get; } = new()
    {
        Name = BranchName.Parse("prod/main"),
        Id = "0a1b2c3d4e5f",
        Status = BranchStatus.Running,
        Host = "127.0.0.1",
        HostName = "runner-a",
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

    public static Pgd.Snapshot Snapshot { get; } = new()
    {
        Name = "prod/main@aabbccddeeff",
        Branch = BranchName.Parse("prod/main"),
        Id = "aabbccddeeff",
        Status = SnapshotStatus.Ready,
        CreatedAt = Now,
        DataAsOf = Now,
        Lsn = "0/1A2B3C4D",
        Generation = 1,
        Scheduled = true,
        UsedBy = [],
        Directory = "/var/lib/pgd/volumes/prod/main/saabbccddeeff",
    };

    public static SnapshotsCleanedUp CleanedUp { get; } = new(false, ["prod/main@001122334455"],
        [new("prod/main@before-release", "the data of prod/dev was made from it"), new("prod/main@667788990011", "last; daily")],
        [new("prod/main@223344556677", "another operation holds the lock of prod/main@223344556677")]);

    public static Diagnosis Diagnosis { get; } = new("0.1.0", "/var/lib/pgd", "default", ["/etc/pgd/config.yaml"], false,
        [new("server", "prod/gone", "stopped a server without a record", true), new("volume", "prod/old", "busy", false)],
        [
            new("server binaries", Severity.Ok, "PostgreSQL 15 and 17"),
            new("free space", Severity.Warning, "3 GiB left in /var/lib/pgd", "Delete branches: dotnet pgd branch list"),
            new("prod/dev", Severity.Problem, "its server does not run", "dotnet pgd start prod/dev"),
        ],
        "/tmp/report.zip");

    public static BranchActivity Busy { get; } = new()
    {
        Branch = Preview with { Status = BranchStatus.Running, IdleSince = null, Space = new() { Used = 5 << 20, Pinned = 0, Written = 5 << 20, Referenced = 900 << 20, Logical = 1800 << 20 } },
        StartedAt = Now.AddMinutes(-80),
        Connections = 3,
        DatabaseBytes = 1500 << 20,
        Snapshots = 2,
    };

    public static ProjectStatus ProjectStatus { get; } = new(
        Project with { Settings = new Dictionary<string, string> { ["work_mem"] = "64MB", ["shared_buffers"] = "1GB" } },
        [new() { Branch = Main, Snapshots = 0, Unknown = "the database system is shutting down" }, Busy, new() { Branch = Expired with { IdleSince = Now.AddHours(-5) }, Snapshots = 0 }]);

    public static SchemaDiff Diff { get; } = SchemaDiff.Of(BranchName.Parse("prod/pr-42"), BranchName.Parse("prod/main"), "shop",
        [SchemaDifferences.Table("public.orders", "id bigint NOT NULL", "amount integer NOT NULL"), SchemaDifferences.Table("public.old", "id bigint")],
        [SchemaDifferences.Table("public.orders", "id bigint NOT NULL", "amount bigint NOT NULL", "note text"), SchemaDifferences.Table("public.notes", "\"größe\" text")]);

    public static Promoted Promoted { get; } = new(Preview.Name, Project with { Name = "staging", Branches = 1 }, Main with { Name = BranchName.Parse("staging/main"), DataAsOf = Now.AddMinutes(-90) },
        [
            new("max_wal_senders", true, "0 → 10"),
            new("archive_mode", false, "stays off in postgresql.auto.conf; archiving: the archive is its source's. postgresql.conf says otherwise"),
            new("foreign servers", false, "as in the branch: shop: billing, with 1 user mapping; a query in a branch reaches them as well"),
        ]);

    public static Status Status { get; } = new("0.1.0", "/var/lib/pgd", "default", [], [Project], [Main, Preview]);

    public static Pgd.Replication.Compared Compared { get; } = new()
    {
        Source = "postgresql://reader@old.example.com:5432/shop",
        Target = "postgresql://owner@new.example.com:5432/shop",
        Strict = false,
        Seconds = 75.25,
        Databases =
        [
            new()
            {
                Name = "shop",
                SourceMajor = 15,
                TargetMajor = 17,
                Tables =
                [
                    new()
                    {
                        Schema = "sales", Name = "orders", Key = ["id"], SourceRows = 1_250_000, TargetRows = 1_249_999, Missing = 2, Extra = 1, Different = 1,
                        Rows =
                        [
                            new(Pgd.Replication.RowDifferenceKind.Different, new Dictionary<string, string?> { ["id"] = "7" }, [new("note", null, ""), new("price", "1.50", "1.5")], 1),
                            new(Pgd.Replication.RowDifferenceKind.Missing, new Dictionary<string, string?> { ["id"] = "9" }, [], 1),
                            new(Pgd.Replication.RowDifferenceKind.Extra, new Dictionary<string, string?> { ["id"] = "-1" }, [], 1),
                        ],
                    },
                    new() { Schema = "sales", Name = "log", SourceRows = 10, TargetRows = 12, Extra = 2, Rows = [new(Pgd.Replication.RowDifferenceKind.Extra, new Dictionary<string, string?> { ["text"] = "twice\t" }, [], 2)] },
                    new() { Schema = "sales", Name = "gone", SourceRows = 5 },
                    new() { Schema = "sales", Name = "stock", Key = ["id"], SourceRows = 800, TargetRows = 800 },
                ],
                Schema = [new(Pgd.Schema.SchemaKind.Table, "sales.orders", Pgd.Schema.SchemaChange.Changed, "CREATE TABLE sales.orders (\n    id integer NOT NULL,\n)", "CREATE TABLE sales.orders (\n    id integer,\n)"), new(Pgd.Schema.SchemaKind.View, "sales.latest", Pgd.Schema.SchemaChange.Removed, "CREATE VIEW", null)],
                Sequences = [new("sales.orders_id_seq", 1_250_008, 1, false)],
                LargeObjects = new(3, [16_405], [], [16_406]),
                MissingRoles = ["clerk"],
                Notes = ["extension pg_trgm has another version, as it comes with PostgreSQL 17."],
            },
            new() { Name = "crm", SourceMajor = 17, TargetMajor = 17, IsFollowing = true, Tables = [new() { Schema = "public", Name = "people", Key = ["id"], SourceRows = 12_000, TargetRows = 12_000 }], Sequences = [new("public.people_id_seq", 12_001, 1, true)], LargeObjects = new(0, [], [], []) },
            new() { Name = "hr", IsMissing = true },
        ],
    };
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
