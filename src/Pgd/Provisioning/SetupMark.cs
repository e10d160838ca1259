using System.Text.Json;
using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>What setup leaves in a root that it made: whose it is, and what was made for it, so that as much can be taken away again.</summary>
internal sealed record SetupMark
{
    public const int CurrentFormat = 1;

    /// <summary>The account that the root's servers and files belong to.</summary>
    public required string User { get; init; }

    /// <summary>The dataset above all volumes; null without ZFS.</summary>
    public string? Base { get; init; }

    /// <summary>The file of a pool that setup made.</summary>
    public string? PoolFile { get; init; }

    /// <summary>When the timer takes snapshots; null without one.</summary>
    public string? Schedule { get; init; }

    /// <summary>The steps that changed something, by their keys: the rest was there before, and stays.</summary>
    public IReadOnlyList<string> Made { get; init; } = [];

    public static string FileIn(string root) => Path.Combine(root, "setup.json");

    /// <summary>The mark of a root; null where it is private. Only root's word counts: anybody can write a file into a folder of his own.</summary>
    public static SetupMark? Read(string root)
    {
        var file = FileIn(root);
        try
        {
            if (!OperatingSystem.IsLinux() || !File.Exists(file) || Libc.Status(file) is not { Owner: 0, IsRegular: true })
                return null;
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            var json = document.RootElement;
            if (json.GetProperty("format").GetInt32() > CurrentFormat)
                throw new PgdException(ExitCode.MachineLacks, $"{file} was written by a newer version of pgd", "Update this tool: dotnet tool update Pgd.Tool");
            return new()
            {
                User = json.GetProperty("user").GetString()!,
                Base = json.GetProperty("base").GetString(),
                PoolFile = json.GetProperty("poolFile").GetString(),
                Schedule = json.TryGetProperty("schedule", out var schedule) ? schedule.GetString() : null,
                Made = [.. json.GetProperty("made").EnumerateArray().Select(made => made.GetString()!)],
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new PgdException(ExitCode.Failed, $"{file} is damaged: {e.Message}", "Write it anew: sudo dotnet-pgd setup", e);
        }
    }

    public void Write(string root)
    {
        var file = FileIn(root);
        using (var stream = new FileStream(file + ".new", FileMode.Create, FileAccess.Write))
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteNumber("format", CurrentFormat);
            json.WriteString("user", User);
            json.WriteString("base", Base);
            json.WriteString("poolFile", PoolFile);
            json.WriteString("schedule", Schedule);
            json.WriteStartArray("made");
            foreach (var made in Made)
                json.WriteStringValue(made);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        File.SetUnixFileMode(file + ".new", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        File.Move(file + ".new", file, overwrite: true);
    }
}
