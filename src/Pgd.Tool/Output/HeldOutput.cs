using System.Text;

namespace Pgd.Tool.Output;

/// <summary>Holds what is written until it is known to count; a little in memory, more in a file of its own that goes with it.</summary>
internal sealed class HeldOutput(TextWriter output, bool hold) : TextWriter
{
    private const int InMemory = 1 << 20;
    private readonly StringBuilder _text = new();
    private StreamWriter? _spill;
    private bool _forgotten;

    public override Encoding Encoding => output.Encoding;

    public override void Write(char value)
    {
        if (!hold)
            output.Write(value);
        else
            Write([value]);
    }

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(string? value) => Write(value.AsSpan());

    public override void WriteLine(string? value)
    {
        Write(value.AsSpan());
        Write("\n");
    }

    public override void WriteLine() => Write("\n");

    public override void Write(ReadOnlySpan<char> buffer)
    {
        if (!hold)
        {
            output.Write(buffer);
            return;
        }

        _text.Append(buffer);
        if (_text.Length < InMemory)
            return;
        _spill ??= new(NewFile(), new UTF8Encoding(false));
        foreach (var chunk in _text.GetChunks())
            _spill.Write(chunk.Span);
        _text.Clear();
    }

    /// <summary>What was written does not count.</summary>
    public void Forget() => _forgotten = true;

    protected override void Dispose(bool disposing)
    {
        if (disposing && hold && !_forgotten)
        {
            if (_spill is not null)
            {
                _spill.Flush();
                _spill.BaseStream.Position = 0;
                using var reader = new StreamReader(_spill.BaseStream, new UTF8Encoding(false), false, 1 << 16, leaveOpen: true);
                var buffer = new char[1 << 14];
                for (int read; (read = reader.Read(buffer)) > 0;)
                    output.Write(buffer, 0, read);
            }

            foreach (var chunk in _text.GetChunks())
                output.Write(chunk.Span);
            output.Flush();
            _text.Clear();
            hold = false;
        }

        _spill?.Dispose();
        base.Dispose(disposing);
    }

    private static FileStream NewFile()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), options);
    }
}
