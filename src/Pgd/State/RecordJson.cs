using System.Globalization;
using System.Text.Json;
using Pgd.Storage;

namespace Pgd.State;

/// <summary>
/// Records as JSON, field by field. A serializer would do it in three lines, but its code is generic over our types: it cannot be compiled ahead,
/// and compiling it at every start took longer than most commands. What lacks a field is damaged, and not a record with an empty one.
/// </summary>
internal static class RecordJson
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    public static byte[] Write(BranchRecord record) => Write(json =>
    {
        json.WriteNumber("format", record.Format);
        json.WriteString("id", record.Id);
        json.WriteString("project", record.Project);
        json.WriteString("name", record.Name);
        WriteText(json, "parent", record.Parent);
        WritePhase(json, record.Phase);
        json.WriteNumber("generation", record.Generation);
        if (record.PendingGeneration is { } pending)
            json.WriteNumber("pendingGeneration", pending);
        json.WriteNumber("port", record.Port);
        json.WriteString("host", record.Host);
        WriteText(json, "hostName", record.HostName);
        WriteFlag(json, "tls", record.Tls);
        json.WriteNumber("rotation", record.Rotation);
        WriteFlag(json, "isRotating", record.IsRotating);
        json.WriteBoolean("shouldRun", record.ShouldRun);
        WriteFlag(json, "isAdopted", record.IsAdopted);
        json.WriteString("createdAt", record.CreatedAt);
        WriteTime(json, "expiresAt", record.ExpiresAt);
        WriteTime(json, "protectedUntil", record.ProtectedUntil);
        WriteText(json, "protectedFor", record.ProtectedFor);
        if (record.Idle is { } idle)
        {
            json.WriteStartObject("idle");
            json.WriteString("since", idle.Since);
            json.WriteNumber("sessions", idle.Sessions);
            json.WriteEndObject();
        }

        WriteTime(json, "dataAsOf", record.DataAsOf);
        WriteText(json, "dataLsn", record.DataLsn);
        WriteText(json, "snapshot", record.Snapshot);
        if (record.Target is { } target)
        {
            json.WriteStartObject("target");
            json.WriteString(target.Kind, target.Value);
            json.WriteEndObject();
        }

        WriteTime(json, "lastTransactionAt", record.LastTransactionAt);
        WriteTexts(json, "severed", record.Severed);
        WriteTexts(json, "roles", record.Roles);
        WriteFlag(json, "isGolden", record.IsGolden);
        WriteText(json, "lease", record.Lease);
        WriteFlag(json, "isVolatile", record.IsVolatile);
        if (record.PullRequest is { } pull)
        {
            json.WriteStartObject("pullRequest");
            json.WriteNumber("repositoryId", pull.RepositoryId);
            json.WriteString("repository", pull.Repository);
            json.WriteNumber("number", pull.Number);
            WriteText(json, "headSha", pull.HeadSha);
            WriteText(json, "runUrl", pull.RunUrl);
            WriteTime(json, "openAt", pull.OpenAt);
            json.WriteEndObject();
        }

        json.WriteStartObject("labels");
        foreach (var (name, value) in record.Labels)
            json.WriteString(name, value);
        json.WriteEndObject();
        WriteText(json, "anonymizationDigest", record.AnonymizationDigest);
        WriteText(json, "passwordsOf", record.PasswordsOf);
        WriteText(json, "renamingTo", record.RenamingTo);
        WriteText(json, "renamedFrom", record.RenamedFrom);
        Write(json, record.Applied);
    });

    public static BranchRecord ReadBranch(JsonElement json) => new()
    {
        Format = Number(json, "format"),
        Id = Text(json, "id"),
        Project = Text(json, "project"),
        Name = Text(json, "name"),
        Parent = OptionalText(json, "parent"),
        Phase = Phase(json),
        Generation = Number(json, "generation"),
        PendingGeneration = Has(json, "pendingGeneration", out _) ? Number(json, "pendingGeneration") : null,
        Port = Number(json, "port"),
        Host = Text(json, "host"),
        HostName = OptionalText(json, "hostName"),
        Tls = Flag(json, "tls"),
        Rotation = Number(json, "rotation"),
        IsRotating = Flag(json, "isRotating"),
        ShouldRun = Boolean(json, "shouldRun"),
        IsAdopted = Flag(json, "isAdopted"),
        CreatedAt = OptionalTime(json, "createdAt") ?? throw Missing("createdAt"),
        ExpiresAt = OptionalTime(json, "expiresAt"),
        ProtectedUntil = OptionalTime(json, "protectedUntil"),
        ProtectedFor = OptionalText(json, "protectedFor"),
        Idle = Has(json, "idle", out var idle)
            ? new(OptionalTime(idle, "since") ?? throw Missing("since"), Need(idle, "sessions", JsonValueKind.Number).TryGetInt64(out var sessions) ? sessions : throw Missing("sessions"))
            : null,
        DataAsOf = OptionalTime(json, "dataAsOf"),
        DataLsn = OptionalText(json, "dataLsn"),
        Snapshot = OptionalText(json, "snapshot"),
        Target = Has(json, "target", out var target) ? RecoveryTarget.Kinds.Where(kind => Has(target, kind, out _)).Select(kind => RecoveryTarget.Of(kind, Text(target, kind))).FirstOrDefault() ?? throw Missing("target") : null,
        LastTransactionAt = OptionalTime(json, "lastTransactionAt"),
        Severed = OptionalTexts(json, "severed"),
        Roles = OptionalTexts(json, "roles"),
        IsGolden = Flag(json, "isGolden"),
        Lease = OptionalText(json, "lease"),
        IsVolatile = Flag(json, "isVolatile"),
        PullRequest = Has(json, "pullRequest", out var pull)
            ? new()
            {
                RepositoryId = Need(pull, "repositoryId", JsonValueKind.Number).TryGetInt64(out var id) ? id : throw Missing("repositoryId"),
                Repository = Text(pull, "repository"),
                Number = Number(pull, "number"),
                HeadSha = OptionalText(pull, "headSha"),
                RunUrl = OptionalText(pull, "runUrl"),
                OpenAt = OptionalTime(pull, "openAt"),
            }
            : null,
        Labels = Labels(Need(json, "labels", JsonValueKind.Object)),
        AnonymizationDigest = OptionalText(json, "anonymizationDigest"),
        PasswordsOf = OptionalText(json, "passwordsOf"),
        RenamingTo = OptionalText(json, "renamingTo"),
        RenamedFrom = OptionalText(json, "renamedFrom"),
        Applied = Applied(Need(json, "applied", JsonValueKind.Array)),
    };

    public static byte[] Write(SnapshotRecord record) => Write(json =>
    {
        json.WriteNumber("format", record.Format);
        json.WriteString("id", record.Id);
        json.WriteString("project", record.Project);
        json.WriteString("branch", record.Branch);
        json.WriteString("branchId", record.BranchId);
        json.WriteNumber("generation", record.Generation);
        WriteText(json, "label", record.Label);
        WritePhase(json, record.Phase);
        json.WriteString("createdAt", record.CreatedAt);
        WriteTime(json, "dataAsOf", record.DataAsOf);
        WriteTime(json, "completeAt", record.CompleteAt);
        WriteText(json, "lsn", record.Lsn);
        WriteFlag(json, "isRecovering", record.IsRecovering);
        json.WriteNumber("slots", record.Slots);
        WriteFlag(json, "isAdopted", record.IsAdopted);
        WriteFlag(json, "isScheduled", record.IsScheduled);
        WriteFlag(json, "isUntilUnused", record.IsUntilUnused);
        WriteText(json, "lease", record.Lease);
        WriteFlag(json, "isAnonymized", record.IsAnonymized);
        WriteText(json, "anonymizationDigest", record.AnonymizationDigest);
        WriteTime(json, "protectedUntil", record.ProtectedUntil);
        WriteText(json, "protectedFor", record.ProtectedFor);
        Write(json, record.Applied);
    });

    public static SnapshotRecord ReadSnapshot(JsonElement json) => new()
    {
        Format = Number(json, "format"),
        Id = Text(json, "id"),
        Project = Text(json, "project"),
        Branch = Text(json, "branch"),
        BranchId = Text(json, "branchId"),
        Generation = Number(json, "generation"),
        Label = OptionalText(json, "label"),
        Phase = Phase(json),
        CreatedAt = OptionalTime(json, "createdAt") ?? throw Missing("createdAt"),
        DataAsOf = OptionalTime(json, "dataAsOf"),
        CompleteAt = OptionalTime(json, "completeAt"),
        Lsn = OptionalText(json, "lsn"),
        IsRecovering = Flag(json, "isRecovering"),
        Slots = Number(json, "slots"),
        IsAdopted = Flag(json, "isAdopted"),
        IsScheduled = Flag(json, "isScheduled"),
        IsUntilUnused = Flag(json, "isUntilUnused"),
        Lease = OptionalText(json, "lease"),
        IsAnonymized = Flag(json, "isAnonymized"),
        AnonymizationDigest = OptionalText(json, "anonymizationDigest"),
        ProtectedUntil = OptionalTime(json, "protectedUntil"),
        ProtectedFor = OptionalText(json, "protectedFor"),
        Applied = Applied(Need(json, "applied", JsonValueKind.Array)),
    };

    public static byte[] Write(ProjectRecord record) => Write(json =>
    {
        json.WriteNumber("format", record.Format);
        json.WriteString("name", record.Name);
        json.WriteString("storage", record.Storage);
        json.WriteString("runtime", record.Runtime);
        json.WriteNumber("postgresMajor", record.PostgresMajor);
        if (record.Image is { } image)
        {
            json.WriteStartObject("image");
            json.WriteString("reference", image.Reference);
            json.WriteString("id", image.Id);
            json.WriteString("libc", image.Libc);
            json.WriteNumber("userId", image.UserId);
            json.WriteNumber("groupId", image.GroupId);
            WriteText(json, "libraries", image.Libraries);
            json.WriteEndObject();
        }

        WriteText(json, "subnet", record.Subnet);
        json.WriteString("superuser", record.Superuser);
        json.WriteNumber("firstPort", record.FirstPort);
        json.WriteNumber("lastPort", record.LastPort);
        json.WriteString("createdAt", record.CreatedAt);
        if (record.PointInTime is { } pointInTime)
            json.WriteString("pointInTime", pointInTime.ToString("c", CultureInfo.InvariantCulture));
        WriteText(json, "source", record.Source);
        WriteFlag(json, "isFollower", record.IsFollower);
        WriteText(json, "subscription", record.Subscription);
        WriteFlag(json, "isPointInTimeOff", record.IsPointInTimeOff);
        WriteFlag(json, "isSwitchingArchive", record.IsSwitchingArchive);
        WriteTime(json, "inspectedAt", record.InspectedAt);
        WriteText(json, "renamingTo", record.RenamingTo);
        WriteText(json, "renamedFrom", record.RenamedFrom);
    });

    public static ProjectRecord ReadProject(JsonElement json) => new()
    {
        Format = Number(json, "format"),
        Name = Text(json, "name"),
        Storage = Text(json, "storage"),
        Runtime = Text(json, "runtime"),
        PostgresMajor = Number(json, "postgresMajor"),
        Image = Has(json, "image", out var image)
            ? new(Text(image, "reference"), Text(image, "id"), Text(image, "libc"), (uint)Number(image, "userId"), (uint)Number(image, "groupId"), OptionalText(image, "libraries"))
            : null,
        Subnet = OptionalText(json, "subnet"),
        Superuser = Text(json, "superuser"),
        FirstPort = Number(json, "firstPort"),
        LastPort = Number(json, "lastPort"),
        CreatedAt = OptionalTime(json, "createdAt") ?? throw Missing("createdAt"),
        PointInTime = OptionalText(json, "pointInTime") is { } text ? TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out var span) ? span : throw Missing("pointInTime") : null,
        Source = OptionalText(json, "source"),
        IsFollower = Flag(json, "isFollower"),
        Subscription = OptionalText(json, "subscription"),
        IsPointInTimeOff = Flag(json, "isPointInTimeOff"),
        IsSwitchingArchive = Flag(json, "isSwitchingArchive"),
        InspectedAt = OptionalTime(json, "inspectedAt"),
        RenamingTo = OptionalText(json, "renamingTo"),
        RenamedFrom = OptionalText(json, "renamedFrom"),
    };

    public static byte[] Write(Volume volume) => Write(json =>
    {
        json.WriteString("project", volume.Key.Project);
        json.WriteString("branch", volume.Key.Branch);
        json.WriteString("branchId", volume.Key.BranchId);
        json.WriteNumber("generation", volume.Key.Generation);
        WriteFlag(json, "isSnapshot", volume.Key.IsSnapshot);
        if (volume.Mounts.Count == 0 && !volume.IsAdopted)
            return;
        json.WriteString("data", volume.Data);
        json.WriteBoolean("isAdopted", volume.IsAdopted);
        json.WriteStartArray("mounts");
        foreach (var mount in volume.Mounts)
        {
            json.WriteStartObject();
            json.WriteString("dataset", mount.Dataset);
            json.WriteString("folder", mount.Folder);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("origins");
        foreach (var origin in volume.Origins)
            json.WriteStringValue(origin);
        json.WriteEndArray();
    });

    public static Volume ReadVolume(JsonElement json, string folder)
    {
        var key = new VolumeKey(Text(json, "project"), Text(json, "branch"), Text(json, "branchId"), Number(json, "generation")) { IsSnapshot = Flag(json, "isSnapshot") };
        var volume = new Volume(key, folder);
        return !Has(json, "data", out _) ? volume : volume with
        {
            Data = Text(json, "data"),
            IsAdopted = Boolean(json, "isAdopted"),
            Mounts = [.. Need(json, "mounts", JsonValueKind.Array).EnumerateArray().Select(m => new DatasetMount(Text(m, "dataset"), Text(m, "folder")))],
            Origins = [.. Need(json, "origins", JsonValueKind.Array).EnumerateArray().Select(o => o.GetString() ?? throw Missing("origins"))],
        };
    }

    private static byte[] Write(Action<Utf8JsonWriter> fields)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Indented))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<AppliedMigration> applied)
    {
        json.WriteStartArray("applied");
        foreach (var file in applied)
        {
            json.WriteStartObject();
            json.WriteString("path", file.Path);
            json.WriteString("sha256", file.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WritePhase(Utf8JsonWriter json, BranchPhase phase) =>
        json.WriteString("phase", phase switch { BranchPhase.Creating => "Creating", BranchPhase.Deleting => "Deleting", _ => "Ready" });

    private static BranchPhase Phase(JsonElement json) => Text(json, "phase") switch
    {
        "Creating" => BranchPhase.Creating,
        "Ready" => BranchPhase.Ready,
        "Deleting" => BranchPhase.Deleting,
        var other => throw new JsonException($"\"phase\" is \"{other}\""),
    };

    // What is so for few is not there for the others.
    private static void WriteFlag(Utf8JsonWriter json, string name, bool value)
    {
        if (value)
            json.WriteBoolean(name, true);
    }

    private static bool Flag(JsonElement json, string name) => Has(json, name, out _) && Boolean(json, name);

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0)
            return;
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? value)
    {
        if (value is { } time)
            json.WriteString(name, time);
    }

    private static Dictionary<string, string> Labels(JsonElement json)
    {
        var labels = new Dictionary<string, string>();
        foreach (var label in json.EnumerateObject())
            labels[label.Name] = label.Value.ValueKind == JsonValueKind.String ? label.Value.GetString()! : throw Missing(label.Name);
        return labels;
    }

    private static List<AppliedMigration> Applied(JsonElement json)
    {
        var applied = new List<AppliedMigration>();
        foreach (var file in json.EnumerateArray())
            applied.Add(new(Text(file, "path"), Text(file, "sha256")));
        return applied;
    }

    private static string Text(JsonElement json, string name) => OptionalText(json, name) ?? throw Missing(name);

    private static IReadOnlyList<string> OptionalTexts(JsonElement json, string name) =>
        Has(json, name, out _) ? [.. Need(json, name, JsonValueKind.Array).EnumerateArray().Select(s => s.ValueKind == JsonValueKind.String ? s.GetString()! : throw Missing(name))] : [];

    private static string? OptionalText(JsonElement json, string name) =>
        !Has(json, name, out var value) ? null : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Missing(name);

    private static int Number(JsonElement json, string name) =>
        Need(json, name, JsonValueKind.Number).TryGetInt32(out var number) ? number : throw Missing(name);

    private static DateTimeOffset? OptionalTime(JsonElement json, string name) =>
        !Has(json, name, out var value) ? null
        : value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time) ? time
        : throw Missing(name);

    private static bool Boolean(JsonElement json, string name) =>
        Has(json, name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Missing(name);

    private static JsonElement Need(JsonElement json, string name, JsonValueKind kind) =>
        Has(json, name, out var value) && value.ValueKind == kind ? value : throw Missing(name);

    private static bool Has(JsonElement json, string name, out JsonElement value)
    {
        value = default;
        return json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    private static JsonException Missing(string name) => new($"\"{name}\" is missing, or is not what it should be");
}
