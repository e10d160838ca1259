using System.Text;
using System.Text.Json;
using Pgd.State;
using Pgd.Storage;
using Xunit;

namespace Pgd.Tests.State;

public sealed class Records
{
    private static readonly BranchRecord Whole = new()
    {
        Id = "0123456789ab",
        Project = "shop",
        Name = "pr-42",
        Parent = "main",
        Phase = BranchPhase.Ready,
        Generation = 3,
        PendingGeneration = 4,
        Port = 21001,
        Host = "127.0.0.1",
        HostName = "runner-a",
        Tls = true,
        Rotation = 2,
        IsRotating = true,
        ShouldRun = false,
        IsAdopted = true,
        CreatedAt = new(2026, 11, 21, 12, 30, 0, 123, TimeSpan.FromHours(1)),
        ExpiresAt = new(2026, 11, 28, 12, 30, 0, TimeSpan.Zero),
        ProtectedUntil = new(2026, 3, 9, 0, 0, 0, TimeSpan.Zero),
        ProtectedFor = "Ada needs it",
        Idle = new(new(2026, 11, 21, 13, 0, 0, TimeSpan.Zero), 5_000_000_000),
        DataAsOf = new(2026, 11, 21, 11, 29, 59, TimeSpan.Zero),
        DataLsn = "0/1A2B3C4D",
        Snapshot = "main@ba9876543210",
        Target = RecoveryTarget.AtTime(new(2026, 11, 21, 11, 29, 59, TimeSpan.Zero)),
        LastTransactionAt = new(2026, 11, 21, 11, 29, 58, TimeSpan.Zero),
        PullRequest = new() { RepositoryId = 5_000_000_000, Repository = "octo/shop", Number = 42, HeadSha = "ec26c3e", RunUrl = "https://github.example/runs/7", OpenAt = new DateTimeOffset(2026, 11, 21, 12, 29, 0, TimeSpan.Zero).AddTicks(1) },
        Labels = new Dictionary<string, string> { ["owner"] = "ada", ["a \"quoted\" one"] = "ü" },
        Severed = ["archiving", "2 replication slots"],
        Roles = ["app", "report_*"],
        IsGolden = true,
        IsVolatile = true,
        Lease = "44d557893fb7",
        AnonymizationDigest = "abcd",
        PasswordsOf = "store",
        RenamingTo = "shop/dev",
        RenamedFrom = "shop/old",
        Applied = [new("db/1.sql", "aa"), new("db/2.sql", "bb")],
    };

    private static readonly BranchRecord Bare = new() { Id = "0123456789ab", Project = "shop", Name = "main", Phase = BranchPhase.Creating, Generation = 1, Port = 21000, Host = "::1", CreatedAt = DateTimeOffset.UnixEpoch };

    [Fact]
    public void A_branchs_record_is_read_as_it_was_written()
    {
        foreach (var record in new[] { Whole, Bare, Bare with { Phase = BranchPhase.Deleting } })
        {
            var read = RecordJson.ReadBranch(Parse(RecordJson.Write(record)));

            // Lists and dictionaries are equal only if they are the same object.
            Assert.Equal(record.Labels, read.Labels);
            Assert.Equal(record.Applied, read.Applied);
            Assert.Equal(record.Severed, read.Severed);
            Assert.Equal(record.Roles, read.Roles);
            Assert.Equal(record, read with { Labels = record.Labels, Applied = record.Applied, Severed = record.Severed, Roles = record.Roles });
        }
    }

    [Fact]
    public void Every_property_of_a_record_is_kept()
    {
        // One that was forgotten here would be lost at the next write.
        Assert.Equal(Names<BranchRecord>("FullName", "ParentName"), Fields(RecordJson.Write(Whole)));
        Assert.Equal(Names<SnapshotRecord>("BranchName", "Key", "FullName", "VolumeKey"), Fields(RecordJson.Write(Snapshot)));
        Assert.Equal(Names<ProjectRecord>(), Fields(RecordJson.Write(Project)));
        Assert.Equal(Names<VolumeKey>("Leaf", "IsSnapshot"), Fields(RecordJson.Write(Volume)));
        Assert.Equal(Names<VolumeKey>("Leaf"), Fields(RecordJson.Write(Volume with { Key = Snapshot.VolumeKey })));
        Assert.Equal(Names<VolumeKey>("Leaf", "IsSnapshot").Concat(["data", "isAdopted", "mounts", "origins"]).Order(), Fields(RecordJson.Write(OnZfs)));
    }

    [Fact]
    public void A_snapshots_record_and_each_kind_of_target_are_read_as_they_were_written()
    {
        var read = RecordJson.ReadSnapshot(Parse(RecordJson.Write(Snapshot)));
        Assert.Equal(Snapshot.Applied, read.Applied);
        Assert.Equal(Snapshot, read with { Applied = Snapshot.Applied });
        foreach (var target in new[] { RecoveryTarget.AtTime(DateTimeOffset.UtcNow), RecoveryTarget.AtLsn("1/FFFFFFF8"), RecoveryTarget.AtTransaction("745"), RecoveryTarget.AtRestorePoint("before \"it\"") })
            Assert.Equal(target, RecordJson.ReadBranch(Parse(RecordJson.Write(Whole with { Target = target }))).Target);
    }

    [Fact]
    public void A_projects_record_and_a_volumes_mark_are_read_as_they_were_written()
    {
        foreach (var project in new[] { Project, Project with { Image = null, Runtime = "native", PointInTime = null, IsSwitchingArchive = false } })
            Assert.Equal(project, RecordJson.ReadProject(Parse(RecordJson.Write(project))));
        foreach (var volume in new[] { Volume, OnZfs, Volume with { Data = "/tank/prod", IsAdopted = true } })
        {
            var read = RecordJson.ReadVolume(Parse(RecordJson.Write(volume)), volume.Directory);
            Assert.Equal(volume, read);
            Assert.Equal(volume.IsAdopted, read.IsAdopted);
            Assert.Equal(volume.Mounts, read.Mounts);
            Assert.Equal(volume.Origins, read.Origins);
        }
    }

    [Theory]
    [InlineData("\"port\": 21001", "\"port\": \"21001\"")]
    [InlineData("\"port\": 21001", "\"port\": 21001.5")]
    [InlineData("\"id\": \"0123456789ab\"", "\"id\": null")]
    [InlineData("\"phase\": \"Ready\"", "\"phase\": \"Asleep\"")]
    [InlineData("\"shouldRun\": false", "\"shouldRun\": 0")]
    [InlineData("\"time\": ", "\"timely\": ")]
    [InlineData("\"createdAt\": ", "\"createdAt\": \"yesterday\", \"made\": ")]
    [InlineData("\"labels\": {", "\"labels\": [], \"tags\": {")]
    [InlineData("\"sha256\": \"aa\"", "\"sha1\": \"aa\"")]
    [InlineData("\"repositoryId\": 5000000000", "\"repositoryId\": true")]
    public void What_is_missing_or_something_else_is_damage(string good, string bad)
    {
        var json = Encoding.UTF8.GetString(RecordJson.Write(Whole));
        Assert.Contains(good, json, StringComparison.Ordinal);

        Assert.Throws<JsonException>(() => RecordJson.ReadBranch(Parse(Encoding.UTF8.GetBytes(json.Replace(good, bad, StringComparison.Ordinal)))));
    }

    [Fact]
    public void What_is_not_known_is_passed_over()
    {
        var json = Encoding.UTF8.GetString(RecordJson.Write(Bare)).Replace("\"port\"", "\"later\": { \"x\": [1] }, \"port\"", StringComparison.Ordinal);

        Assert.Equal(Bare.Port, RecordJson.ReadBranch(Parse(Encoding.UTF8.GetBytes(json))).Port);
    }

    private static ProjectRecord Project { get; } = new()
    {
        Name = "shop", Storage = "btrfs", Runtime = "docker", PostgresMajor = 17, Image = new("postgres:17-alpine", "sha256:0123", "musl", 70, 71, "/usr/local/lib/postgresql"), Subnet = "172.31.0.0/16", Superuser = "postgres", FirstPort = 21000, LastPort = 21999, CreatedAt = new(2026, 11, 21, 12, 30, 0, TimeSpan.Zero), InspectedAt = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero), Source = "postgresql://replicator@db.example.com:5432/shop?sslmode=verify-full", IsFollower = true, Subscription = "pgd_01234567", PointInTime = new(7, 1, 2, 3), IsPointInTimeOff = true, IsSwitchingArchive = true, RenamingTo = "store", RenamedFrom = "prod/dev",
    };

    private static SnapshotRecord Snapshot { get; } = new()
    {
        Id = "ba9876543210",
        Project = "shop",
        Branch = "main",
        BranchId = "0123456789ab",
        Generation = 2,
        Label = "before-release",
        Phase = BranchPhase.Ready,
        CreatedAt = new(2026, 11, 21, 12, 30, 0, TimeSpan.Zero),
        DataAsOf = new(2026, 11, 21, 12, 29, 59, TimeSpan.Zero),
        CompleteAt = new(2026, 11, 21, 12, 30, 1, TimeSpan.Zero),
        Lsn = "0/3000028",
        IsRecovering = true,
        Slots = 2,
        IsAdopted = true,
        IsScheduled = true,
        IsUntilUnused = true,
        Lease = "44d557893fb7",
        IsAnonymized = true,
        AnonymizationDigest = "abcd",
        ProtectedUntil = new(2026, 3, 9, 0, 0, 0, TimeSpan.Zero),
        ProtectedFor = "audit",
        Applied = [new("db/1.sql", "aa")],
    };

    private static Volume Volume { get; } = new(new("shop", "pr-42", "0123456789ab", 3), "/srv/pgd/volumes/shop/pr-42/g3");

    private static Volume OnZfs { get; } = Volume with
    {
        Data = "/srv/pgd/zfs/shop/pr-42/g3/data",
        Mounts = [new("tank/pgd/shop/pr-42/g3", "/srv/pgd/zfs/shop/pr-42/g3"), new("tank/pgd/shop/pr-42/g3.wal", "/srv/pgd/zfs/shop/pr-42/g3.wal")],
        Origins = ["tank/pgd/shop/main/g1@pgd-0123456789ab-g3"],
    };

    private static IEnumerable<string> Names<T>(params string[] computed) =>
        typeof(T).GetProperties().Select(property => property.Name).Where(name => name != "EqualityContract" && !computed.Contains(name)).Select(name => char.ToLowerInvariant(name[0]) + name[1..]).Order();

    private static IEnumerable<string> Fields(byte[] json) => Parse(json).EnumerateObject().Select(field => field.Name).Order();

    private static JsonElement Parse(byte[] json) => JsonDocument.Parse(json).RootElement;
}
