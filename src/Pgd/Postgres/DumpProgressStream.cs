using System.Diagnostics;

namespace Pgd.Postgres;

/// <summary>Tells about once a second how much of a file has been read.</summary>
internal sealed class DumpProgressStream(FileStream file, Action<long, long>? progress) : Stream
{
    private long told = Stopwatch.GetTimestamp();

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position
    {
        get => file.Position;
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Tell(file.Read(buffer, offset, count));

    public override int Read(Span<byte> buffer) => Tell(file.Read(buffer));

    public override async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Tell(await file.ReadAsync(buffer.AsMemory(offset, count), cancellationToken));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Tell(await file.ReadAsync(buffer, cancellationToken));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Tell(int read)
    {
        if (progress is not null && (read == 0 || Stopwatch.GetElapsedTime(told) >= TimeSpan.FromSeconds(1)))
        {
            told = Stopwatch.GetTimestamp();
            progress(file.Position, file.Length);
        }

        return read;
    }
}
