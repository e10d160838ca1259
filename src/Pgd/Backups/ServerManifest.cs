using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Pgd.Backups;

/// <summary>What a server says of the files that it sent, with its own digests: from its memory to here, nothing was lost or changed.</summary>
/// <remarks>https://www.postgresql.org/docs/current/backup-manifest-format.html</remarks>
internal sealed class ServerManifest
{
    public const string File = "backup_manifest";

    private const string Algorithm = "CRC32C";
    private readonly Dictionary<string, (long Bytes, string Checksum)> _files = new(StringComparer.Ordinal);

    private ServerManifest(byte[] text, JsonElement manifest)
    {
        Text = text;
        foreach (var file in manifest.GetProperty("Files").EnumerateArray())
        {
            var path = file.TryGetProperty("Path", out var plain) ? plain.GetString()! : Encoding.UTF8.GetString(Convert.FromHexString(file.GetProperty("Encoded-Path").GetString()!));
            if (file.GetProperty("Checksum-Algorithm").GetString() != Algorithm)
                throw new FormatException($"{path} has a checksum of another kind");
            _files[path] = (file.GetProperty("Size").GetInt64(), file.GetProperty("Checksum").GetString()!);
        }

        var ranges = manifest.GetProperty("WAL-Ranges").EnumerateArray().ToList();
        (StartLsn, Lsn) = ranges.Count == 0 ? (null, null) : (ranges[0].GetProperty("Start-LSN").GetString(), ranges[^1].GetProperty("End-LSN").GetString());
    }

    /// <summary>It, as the server wrote it.</summary>
    public byte[] Text { get; }

    /// <summary>From where on its write-ahead log is needed: what is not in it was on the disk.</summary>
    public string? StartLsn { get; }

    /// <summary>Up to where its write-ahead log is needed.</summary>
    public string? Lsn { get; }

    /// <exception cref="PgdException">It is not what the server wrote (<see cref="ExitCode.Failed"/>).</exception>
    public static ServerManifest Read(byte[] manifest)
    {
        try
        {
            using var json = JsonDocument.Parse(manifest);
            // Its last line has the digest of all before.
            var end = manifest.AsSpan().LastIndexOf("\"Manifest-Checksum\""u8);
            return Convert.ToHexStringLower(SHA256.HashData(manifest.AsSpan(0, Math.Max(end, 0)))) == json.RootElement.GetProperty("Manifest-Checksum").GetString() ? new(manifest, json.RootElement) : throw new FormatException("its checksum is wrong");
        }
        catch (Exception e) when (e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException)
        {
            throw new PgdException(ExitCode.Failed, $"the server's {File} cannot be read: {e.Message}", "Take the backup again.", e);
        }
    }

    /// <summary>Compares what came with it.</summary>
    /// <exception cref="PgdException">A file is missing, too many, or not what was sent (<see cref="ExitCode.Failed"/>).</exception>
    public void Prove(IEnumerable<SentFile> files)
    {
        var missing = _files.Keys.Where(path => !BaseBackupFiles.IsLeftOut(path)).ToHashSet(StringComparer.Ordinal);
        foreach (var file in files)
        {
            if (_files.TryGetValue(file.Path, out var sent))
            {
                if (sent != (file.Bytes, file.Checksum))
                    throw Wrong($"{file.Path} is not what it sent");
                missing.Remove(file.Path);
            }
            else if (!file.Path.StartsWith("pg_wal/", StringComparison.Ordinal))
            {
                throw Wrong($"it says nothing of {file.Path}");
            }
        }

        if (missing.Count > 0)
            throw Wrong($"{missing.Order(StringComparer.Ordinal).First()} did not come");
    }

    private static PgdException Wrong(string what) => new(ExitCode.Failed, $"the files are not those that the server says: {what}", "Take the backup again.");
}
