using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace Pgd.Tool.Commands.Queries;

/// <summary>Where keys come from, byte by byte.</summary>
internal interface IKeys
{
    /// <summary>The next byte; -1 when there will be none.</summary>
    ValueTask<int> NextAsync(CancellationToken cancellationToken);

    /// <summary>The next byte if it comes at once, as that of a key's sequence does; otherwise -1.</summary>
    int NextAtOnce();
}

/// <summary>
/// A terminal whose keys come as they are pressed. It is read all the time, so that Ctrl-C reaches what runs: as a signal it would end the whole tool.
/// </summary>
internal sealed partial class Keyboard : IKeys, IDisposable
{
    private const int InterruptKey = 3, Now = 0, Size = 256, LocalFlags = 12, MinimumOfBytes = 17 + 6, TimeOfBytes = 17 + 5;
    private const uint CarriageReturnToLineFeed = 0x100, StopKeys = 0x400, Signals = 0x1, Lines = 0x2, Echo = 0x8, Extensions = 0x8000;
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(25);
    private readonly Channel<byte> _bytes = Channel.CreateUnbounded<byte>();
    private readonly byte[] _before = new byte[Size];
    private System.Action? _interrupt;

    public Keyboard()
    {
        if (tcgetattr(0, _before) == 0)
        {
            var raw = (byte[])_before.Clone();
            MemoryMarshal.Cast<byte, uint>(raw.AsSpan())[0] &= ~(CarriageReturnToLineFeed | StopKeys);
            MemoryMarshal.Cast<byte, uint>(raw.AsSpan())[LocalFlags / 4] &= ~(Signals | Lines | Echo | Extensions);
            (raw[MinimumOfBytes], raw[TimeOfBytes]) = (1, 0);
            _ = tcsetattr(0, Now, raw);
        }

        new Thread(Read) { IsBackground = true }.Start();
    }

    /// <summary>Has Ctrl-C do this until it is disposed of.</summary>
    public IDisposable OnInterrupt(System.Action action)
    {
        _interrupt = action;
        return new Reset(this);
    }

    public async ValueTask<int> NextAsync(CancellationToken cancellationToken) =>
        await _bytes.Reader.WaitToReadAsync(cancellationToken) && _bytes.Reader.TryRead(out var next) ? next : -1;

    public int NextAtOnce()
    {
        // The bytes of a key come one after another from the thread that reads, and over a network now and then in two packets.
        for (var waited = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(waited) < Together; Thread.Sleep(1))
        {
            if (_bytes.Reader.TryRead(out var next))
                return next;
        }

        return -1;
    }

    public void Dispose() => _ = tcsetattr(0, Now, _before);

    private void Read()
    {
        // The console's own stream would first arrange the terminal as it likes it.
        using var input = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
        var buffer = new byte[256];
        try
        {
            for (int read; (read = input.Read(buffer)) > 0;)
            {
                foreach (var next in buffer.AsSpan(0, read))
                {
                    if (next == InterruptKey && _interrupt is { } interrupt)
                        interrupt();
                    else
                        _bytes.Writer.TryWrite(next);
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The terminal is gone, which is its end.
        }

        _bytes.Writer.TryComplete();
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int tcgetattr(int descriptor, [Out] byte[] termios);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int tcsetattr(int descriptor, int when, byte[] termios);

    private sealed class Reset(Keyboard keyboard) : IDisposable
    {
        public void Dispose() => keyboard._interrupt = null;
    }
}
