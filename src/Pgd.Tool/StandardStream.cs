using System.Runtime.InteropServices;

namespace Pgd.Tool;

/// <summary>
/// Standard output or error, written with write(2). The console's own streams first initialize the terminal (which costs time and leaves its keypad
/// in another mode, for psql after us as well), and ignore a reader that is gone: <c>logs --follow | head</c> would never end.
/// </summary>
internal sealed partial class StandardStream(int descriptor, bool readerMatters) : Stream
{
    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const int BrokenPipe = 32;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = write(descriptor, buffer, (nuint)buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    break;
                case TryAgain:
                    // Somebody made the terminal non-blocking; it is rare, and has no better remedy than the console's own streams have.
                    Thread.Sleep(1);
                    break;
                case BrokenPipe when readerMatters:
                    throw new ReaderGone();
                case var error when readerMatters:
                    throw new PgdException(ExitCode.Failed, $"standard output cannot be written: {Marshal.GetPInvokeErrorMessage(error)}");
                default:
                    // Progress that nobody can read must not end the work that it is about.
                    return;
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint write(int descriptor, ReadOnlySpan<byte> buffer, nuint count);
}

/// <summary>Nobody reads our standard output any more.</summary>
internal sealed class ReaderGone() : IOException("standard output is closed")
{
    /// <summary>What a shell reports for a program that SIGPIPE ended.</summary>
    public const int ExitStatus = 141;
}
