using System.Buffers.Binary;
using System.Numerics;

namespace Pgd.Postgres;

/// <summary>What <c>global/pg_control</c> says. Its first fields have stood at the same place since PostgreSQL 11; of the rest only what can be told by its neighbors is read.</summary>
/// <remarks>Source: src/include/catalog/pg_control.h.</remarks>
/// <param name="SystemIdentifier">The same in every clone.</param>
/// <param name="State">How the cluster was left.</param>
/// <param name="Redo">Where recovery would begin: the position of the last checkpoint's beginning in the write-ahead log.</param>
/// <param name="Timeline">The timeline of the last checkpoint.</param>
internal sealed record ControlData(ulong SystemIdentifier, ClusterState State, ulong Redo, uint Timeline)
{
    public static string FileIn(string dataDirectory) => Path.Combine(dataDirectory, "global", "pg_control");

    /// <summary>The file as it is: every start and every checkpoint changes it.</summary>
    public static byte[] Bytes(string dataDirectory) => File.ReadAllBytes(FileIn(dataDirectory));

    /// <summary>Reads the file; null if it was caught in the middle of a write.</summary>
    public static ControlData? TryRead(string dataDirectory)
    {
        var bytes = Bytes(dataDirectory);
        return bytes.Length >= 512 && HasValidChecksum(bytes)
            ? new(BinaryPrimitives.ReadUInt64LittleEndian(bytes), (ClusterState)BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(16)), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(40)), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(48)))
            : null;
    }

    /// <summary>
    /// What a standby has to have at least as much of as its primary, by the names of the settings; nothing if it cannot be found. The fields' places differ between majors, and their order does not: they are
    /// followed by two that are the same in every cluster, by which they are found.
    /// </summary>
    public static IReadOnlyList<(string Setting, int Least)> LimitsOf(string dataDirectory)
    {
        const double marker = 1234567.0;
        const int alignment = 8;
        var bytes = Bytes(dataDirectory);
        for (var at = 64; at + sizeof(double) <= Math.Min(bytes.Length, 512); at += sizeof(double))
        {
            if (BinaryPrimitives.ReadDoubleLittleEndian(bytes.AsSpan(at)) != marker)
                continue;
            // The alignment may be followed by a gap; before it is one more field, a flag.
            var behind = Int(at - 4) == alignment ? at - 4 : at - 8;
            if (Int(behind) != alignment)
                break;
            return [.. ((string[])["max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction"]).Select((name, i) => (name, Int(behind - 24 + (4 * i))))];
        }

        return [];

        int Int(int offset) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(offset));
    }

    // The checksum (CRC-32C) is the structure's last field, at an offset that differs between majors: the right one is where it fits.
    private static bool HasValidChecksum(byte[] bytes)
    {
        var crc = 0xFFFFFFFFu;
        for (var offset = 0; offset + 4 <= 512; offset += 4)
        {
            if (offset >= 200 && BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset)) == (crc ^ 0xFFFFFFFF))
                return true;
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset)));
        }

        return false;
    }
}

/// <summary>PostgreSQL's own word for how a cluster was left; only these are told apart.</summary>
internal enum ClusterState
{
    StartingUp = 0,
    ShutDown = 1,
    ShutDownInRecovery = 2,
    ShuttingDown = 3,
    InCrashRecovery = 4,
    InArchiveRecovery = 5,
    InProduction = 6,
}
