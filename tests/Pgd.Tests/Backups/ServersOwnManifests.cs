using System.Security.Cryptography;
using System.Text;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>What came over the replication protocol is compared with what the server says that it sent.</summary>
public sealed class ServersOwnManifests
{
    private static readonly string One = Digest("one"), Two = Digest("two");

    [Fact]
    public void Files_that_are_all_there_and_as_they_were_sent_are_proved()
    {
        var manifest = ServerManifest.Read(Written());

        manifest.Prove([File("base/1/1", 3, One), File("odd/ÿ", 3, Two), File("pg_wal/000000010000000000000001", 9, One)]);

        Assert.Equal("0/2000100", manifest.Lsn);
    }

    [Theory]
    [InlineData(3, "two", true, "base/1/1 is not what it sent")]
    [InlineData(4, "one", true, "base/1/1 is not what it sent")]
    [InlineData(3, "one", false, "odd/ÿ did not come")]
    public void A_file_that_is_another_one_or_did_not_come_is_no_backup(long bytes, string content, bool all, string expected)
    {
        var files = new List<SentFile> { File("base/1/1", bytes, Digest(content)) };
        if (all)
            files.Add(File("odd/ÿ", 3, Two));

        Assert.Contains(expected, Assert.Throws<PgdException>(() => ServerManifest.Read(Written()).Prove(files)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_which_it_says_nothing_and_a_manifest_that_was_changed_are_no_backup()
    {
        var manifest = ServerManifest.Read(Written());
        Assert.Contains("it says nothing of base/1/2", Assert.Throws<PgdException>(() => manifest.Prove([File("base/1/1", 3, One), File("odd/ÿ", 3, Two), File("base/1/2", 3, One)])).Message, StringComparison.Ordinal);

        var changed = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Written()).Replace("\"Size\": 3", "\"Size\": 4", StringComparison.Ordinal));
        Assert.Contains("its checksum is wrong", Assert.Throws<PgdException>(() => ServerManifest.Read(changed)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Throws<PgdException>(() => ServerManifest.Read(Written()[..40])).Message, StringComparison.Ordinal);
    }

    private static SentFile File(string path, long bytes, string crc) => new(path, bytes, crc);

    // As PostgreSQL writes it, line by line; names that are not plain are in hexadecimal.
    private static byte[] Written()
    {
        var text = $$"""
            { "PostgreSQL-Backup-Manifest-Version": 1,
            "Files": [
            { "Path": "base/1/1", "Size": 3, "Last-Modified": "2026-11-29 10:00:00 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "{{One}}" },
            { "Encoded-Path": "{{Convert.ToHexStringLower(Encoding.UTF8.GetBytes("odd/ÿ"))}}", "Size": 3, "Last-Modified": "2026-11-29 10:00:00 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "{{Two}}" }
            ],
            "WAL-Ranges": [
            { "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" }
            ],

            """;
        return Encoding.UTF8.GetBytes($"{text}\"Manifest-Checksum\": \"{Digest(text)}\"}}\n");
    }

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
