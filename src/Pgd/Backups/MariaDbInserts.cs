using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Pgd.Backups;

/// <summary>
/// Rows of MariaDB as statements. Texts in UTF-8 are written as texts, so that people can read them; all other bytes as their digits, a text with the name of its character set, so that nothing on the way can
/// change them.
/// </summary>
internal sealed class MariaDbInserts
{
    private const int StatementBytes = 1 << 20;
    private static readonly SearchValues<byte> Special = SearchValues.Create("\\'\0\n\r\u001a"u8);

    private readonly MariaDbTable _table;
    private readonly Stream _target;
    private readonly List<MariaDbColumn> _nullable;
    private readonly byte[] _head;
    private readonly ArrayBufferWriter<byte> _statement = new();

    public MariaDbInserts(MariaDbTable table, Stream target)
    {
        (_table, _target, _nullable) = (table, target, [.. table.Columns.Where(column => column.IsNullable)]);
        _head = Encoding.UTF8.GetBytes($"INSERT INTO {MariaDbMoment.Quoted(table.Name)} ({string.Join(", ", table.Columns.Select(column => MariaDbMoment.Quoted(column.Name)))}) VALUES\n");
    }

    /// <summary>What is selected: first which values are NULL, as that looks like a text, and then the values.</summary>
    public string Select => string.Join(", ", (IEnumerable<string>)[$"concat({string.Join(", ", _nullable.Select(column => $"isnull({MariaDbMoment.Quoted(column.Name)})").DefaultIfEmpty("''"))})", .. _table.Columns.Select(column => column.Value)]);

    public long Bytes { get; private set; }

    public long Rows { get; private set; }

    public async ValueTask AddAsync(IReadOnlyList<ReadOnlyMemory<byte>> row, CancellationToken cancellationToken)
    {
        Write(_statement.WrittenCount == 0 ? _head : ",\n"u8);
        Add(row);
        Rows++;
        if (_statement.WrittenCount >= StatementBytes)
            await EndAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the statement.</summary>
    public async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        if (_statement.WrittenCount == 0)
            return;
        Write(";\n"u8);
        await _target.WriteAsync(_statement.WrittenMemory, cancellationToken).ConfigureAwait(false);
        Bytes += _statement.WrittenCount;
        _statement.ResetWrittenCount();
    }

    private void Add(IReadOnlyList<ReadOnlyMemory<byte>> row)
    {
        var nulls = row[0].Span;
        var n = 0;
        Write("("u8);
        for (var i = 0; i < _table.Columns.Count; i++)
        {
            var column = _table.Columns[i];
            var value = row[i + 1].Span;
            if (i > 0)
                Write(","u8);
            if (column.IsNullable && nulls[n++] == '1')
                Write("NULL"u8);
            else if (column.IsNumber)
                Write(value);
            else if (value.Length == 0)
                Write("''"u8);
            else if (column.IsBinary)
                Digits(value);
            else if (column.Charset is "" or "utf8mb4" or "utf8mb3" or "utf8" or "ascii" && Utf8.IsValid(value))
                Text(value);
            else
                Coded(column.Charset, value);
        }

        Write(")"u8);
    }

    private void Coded(string charset, ReadOnlySpan<byte> value)
    {
        Write("_"u8);
        Write(Encoding.ASCII.GetBytes(charset));
        Write(" "u8);
        Digits(value);
    }

    private void Digits(ReadOnlySpan<byte> value)
    {
        Write("0x"u8);
        var digits = _statement.GetSpan(2 * value.Length);
        Convert.TryToHexString(value, digits, out var written);
        _statement.Advance(written);
    }

    private void Text(ReadOnlySpan<byte> value)
    {
        Write("'"u8);
        while (value.IndexOfAny(Special) is var at and >= 0)
        {
            Write(value[..at]);
            Write(value[at] switch { (byte)'\\' => "\\\\"u8, (byte)'\'' => "\\'"u8, 0 => "\\0"u8, (byte)'\n' => "\\n"u8, (byte)'\r' => "\\r"u8, _ => "\\Z"u8 });
            value = value[(at + 1)..];
        }

        Write(value);
        Write("'"u8);
    }

    private void Write(ReadOnlySpan<byte> bytes) => _statement.Write(bytes);
}
