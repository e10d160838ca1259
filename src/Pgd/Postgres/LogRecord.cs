using System.Buffers.Binary;

namespace Pgd.Postgres;

/// <summary>A record of the write-ahead log.</summary>
/// <param name="Position">Where it begins.</param>
/// <param name="End">Where the next one may begin.</param>
/// <param name="Manager">Which part of the server wrote it.</param>
/// <param name="Info">What it is, in that part's own words, without the lower four bits.</param>
/// <param name="Transaction">The transaction that it belongs to; 0 if to none.</param>
/// <param name="Body">What follows its header; null where that was gone over.</param>
/// <remarks>Source: src/include/access/xlogrecord.h; the same from PostgreSQL 13 to 18.</remarks>
internal readonly record struct LogRecord(ulong Position, ulong End, byte Manager, byte Info, uint Transaction, byte[]? Body)
{
    /// <summary>A restore point, in the words of the log itself.</summary>
    public const byte RestorePointInfo = 0x70;

    private const byte RmgrXlog = 0, DataShort = 255, DataLong = 254, Origin = 253, TopTransaction = 252;
    private const int TimeLength = 8;

    /// <summary>The name of a restore point; null if it is none.</summary>
    public string? RestorePoint
    {
        get
        {
            // xl_restore_point { TimestampTz rp_time; char rp_name[64]; }
            if (Manager != RmgrXlog || Info != RestorePointInfo || MainData(Body!) is not { Length: > TimeLength } data)
                return null;
            var name = data[TimeLength..];
            return System.Text.Encoding.UTF8.GetString(name.IndexOf((byte)0) is var end and >= 0 ? name[..end] : name);
        }
    }

    /// <summary>The content proper of a record that changes no page.</summary>
    public static ReadOnlySpan<byte> MainData(ReadOnlySpan<byte> body)
    {
        while (body.Length > 0)
        {
            switch (body[0])
            {
                case DataShort when body.Length >= 2:
                    return body[2..];
                case DataLong when body.Length >= 5:
                    return body[5..];
                case Origin when body.Length >= 3:
                    body = body[3..];
                    break;
                case TopTransaction when body.Length >= 5:
                    body = body[5..];
                    break;
                default:
                    return default;
            }
        }

        return default;
    }
}

/// <summary>The end of a transaction.</summary>
/// <param name="Transaction">Which one.</param>
/// <param name="At">When, by the server's clock.</param>
/// <param name="IsCommit">False if it was rolled back.</param>
/// <remarks>Source: src/include/access/xact.h.</remarks>
internal sealed record TransactionEnd(uint Transaction, DateTimeOffset At, bool IsCommit)
{
    private const byte RmgrTransaction = 1, OperationMask = 0x70, Commit = 0x00, Abort = 0x20, CommitPrepared = 0x30, AbortPrepared = 0x40;
    private const long MicrosecondsToTicks = 10;
    private static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>What a record says of it; null if it is none. For a prepared transaction the number is 0: it is hidden among what else ended with it.</summary>
    public static TransactionEnd? Of(LogRecord record)
    {
        var operation = record.Info & OperationMask;
        if (record.Manager != RmgrTransaction || operation is not (Commit or Abort or CommitPrepared or AbortPrepared) || LogRecord.MainData(record.Body) is not { Length: >= 8 } data)
            return null;
        var microseconds = BinaryPrimitives.ReadInt64LittleEndian(data);
        return new(record.Transaction, Epoch.AddTicks(microseconds * MicrosecondsToTicks), operation is Commit or CommitPrepared);
    }
}
