using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Pgd.Backups;

/// <summary>What <c>repo.json</c> says: whose repository it is, and how what is in it is encrypted.</summary>
internal sealed record RepositoryHeader(string Id, string Cipher, string Derivation, byte[] Salt, byte[] Check, DateTimeOffset Created)
{
    /// <summary>Where it is.</summary>
    public const string Key = "repo.json";

    /// <summary>No encryption.</summary>
    public const string None = "none";

    private const int Format = 1;
    private const string AesGcm = "aes-256-gcm";

    /// <summary>Whether the objects are encrypted.</summary>
    public bool IsEncrypted => Cipher != None;

    /// <summary>The header of a new repository, and the keys of its objects if they are encrypted.</summary>
    public static (RepositoryHeader Header, ObjectKeys? Keys) New(BackupKey? key, DateTimeOffset now)
    {
        var header = new RepositoryHeader(Guid.NewGuid().ToString("n"), key is null ? None : AesGcm, key?.Derivation ?? None, RandomNumberGenerator.GetBytes(32), [], now);
        var keys = key?.Of(header.Salt);
        return (header with { Check = keys is null ? [] : header.CheckOf(keys) }, keys);
    }

    /// <summary>What only who has the key can know; it tells nothing about the key.</summary>
    public byte[] CheckOf(ObjectKeys keys) => keys.Check(Encoding.UTF8.GetBytes($"pgd repository check|{Id}|{Cipher}|{Derivation}"));

    /// <summary>As it is stored.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("format", Format);
            writer.WriteString("id", Id);
            writer.WriteString("cipher", Cipher);
            writer.WriteString("kdf", Derivation);
            writer.WriteBase64String("salt", Salt);
            writer.WriteBase64String("check", Check);
            writer.WriteString("created", Created.ToString("O", CultureInfo.InvariantCulture));
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads it.</summary>
    /// <exception cref="PgdException">It is damaged, or of a newer version.</exception>
    public static RepositoryHeader FromJson(IBackupStore store, byte[] json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.GetProperty("format").GetInt32() is var format && format > Format)
                throw Newer(store, $"format {format}");
            var header = new RepositoryHeader(root.GetProperty("id").GetString()!, root.GetProperty("cipher").GetString()!, root.GetProperty("kdf").GetString()!,
                root.GetProperty("salt").GetBytesFromBase64(), root.GetProperty("check").GetBytesFromBase64(), root.GetProperty("created").GetDateTimeOffset());
            if (header.Cipher is not (None or AesGcm))
                throw Newer(store, $"the cipher {header.Cipher}");
            if (header.IsEncrypted ? !BackupKey.Knows(header.Derivation) : header.Derivation != None)
                throw Newer(store, $"the key derivation {header.Derivation}");
            return header;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentNullException)
        {
            throw StoreErrors.Damaged(store, Key, "it is not the JSON that was written", e);
        }
    }

    private static PgdException Newer(IBackupStore store, string what) =>
        new(ExitCode.Failed, $"the repository {store.Url} was made by a newer version: this one does not know {what}", "Update: dotnet tool update Pgd.Tool");
}
