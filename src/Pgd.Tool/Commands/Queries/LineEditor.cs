using System.Globalization;
using System.Text;

namespace Pgd.Tool.Commands.Queries;

/// <summary>A line that was typed, or why there is none.</summary>
internal readonly record struct TypedLine(string Line, bool IsCancelled, bool HasEnded);

/// <summary>What could stand in place of the text from <paramref name="Start"/> to the cursor.</summary>
internal sealed record Offers(int Start, IReadOnlyList<string> Candidates);

/// <summary>Edits one line on a terminal. What does not fit its width is scrolled, so that a line on the screen stays one.</summary>
internal sealed class LineEditor(IKeys keys, TextWriter screen, int width, IReadOnlyList<string> history, Func<string, int, CancellationToken, Task<Offers>> complete)
{
    private const int Escape = 27, MostListed = 60;
    private readonly StringBuilder _text = new();
    private int _cursor, _recalled;
    private string _prompt = "", _unfinished = "";

    public async Task<TypedLine> ReadAsync(string prompt, CancellationToken cancellationToken)
    {
        _prompt = prompt;
        _text.Clear();
        (_cursor, _recalled, _unfinished) = (0, history.Count, "");
        Draw();
        while (true)
        {
            var key = await keys.NextAsync(cancellationToken);
            switch (key)
            {
                case -1:
                case 4 when _text.Length == 0:
                    screen.Write("\n");
                    return new("", false, true);
                case 3:
                    screen.Write("^C\n");
                    return new("", true, false);
                case '\r' or '\n':
                    _cursor = _text.Length;
                    Draw();
                    screen.Write("\n");
                    return new(_text.ToString(), false, false);
                case '\t':
                    await CompleteAsync(cancellationToken);
                    break;
                case Escape:
                    Sequence();
                    break;
                case 127 or 8:
                    Remove(Before(_cursor), _cursor);
                    break;
                case 4:
                    Remove(_cursor, After(_cursor));
                    break;
                case 1:
                    _cursor = 0;
                    break;
                case 5:
                    _cursor = _text.Length;
                    break;
                case 2:
                    _cursor = Before(_cursor);
                    break;
                case 6:
                    _cursor = After(_cursor);
                    break;
                case 16:
                    Recall(-1);
                    break;
                case 14:
                    Recall(1);
                    break;
                case 11:
                    Remove(_cursor, _text.Length);
                    break;
                case 21:
                    Remove(0, _cursor);
                    break;
                case 23:
                    Remove(BeginningOfWord(), _cursor);
                    break;
                case 12:
                    screen.Write("\e[H\e[2J");
                    break;
                case >= 32:
                    await InsertAsync(key, cancellationToken);
                    break;
            }

            Draw();
        }
    }

    private async Task InsertAsync(int first, CancellationToken cancellationToken)
    {
        var bytes = new byte[4];
        bytes[0] = (byte)first;
        var length = first switch { < 0x80 => 1, >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC0 => 2, _ => 0 };
        for (var i = 1; i < length; i++)
            bytes[i] = (byte)await keys.NextAsync(cancellationToken);
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        _text.Insert(_cursor, text);
        _cursor += text.Length;
    }

    // ESC [ A, ESC O A, ESC [ 3 ~, ESC [ 1 ; 5 C
    private void Sequence()
    {
        if (keys.NextAtOnce() is not ('[' or 'O'))
            return;
        var number = "";
        int last;
        while ((last = keys.NextAtOnce()) is (>= '0' and <= '9') or ';')
            number += (char)last;
        switch ((char)last, number)
        {
            case ('A', _):
                Recall(-1);
                break;
            case ('B', _):
                Recall(1);
                break;
            case ('C', _):
                _cursor = After(_cursor);
                break;
            case ('D', _):
                _cursor = Before(_cursor);
                break;
            case ('H', _) or ('~', "1" or "7"):
                _cursor = 0;
                break;
            case ('F', _) or ('~', "4" or "8"):
                _cursor = _text.Length;
                break;
            case ('~', "3"):
                Remove(_cursor, After(_cursor));
                break;
        }
    }

    private void Recall(int step)
    {
        var wanted = _recalled + step;
        if (wanted < 0 || wanted > history.Count)
            return;
        if (_recalled == history.Count)
            _unfinished = _text.ToString();
        _recalled = wanted;
        _text.Clear().Append(wanted == history.Count ? _unfinished : history[wanted]);
        _cursor = _text.Length;
    }

    private async Task CompleteAsync(CancellationToken cancellationToken)
    {
        var found = await complete(_text.ToString(), _cursor, cancellationToken);
        if (found.Candidates.Count == 0)
            return;
        var common = found.Candidates.Aggregate(Common);
        var only = found.Candidates.Count == 1;
        if (only || common.Length > _cursor - found.Start)
        {
            Remove(found.Start, _cursor);
            var text = only ? common + " " : common;
            _text.Insert(_cursor, text);
            _cursor += text.Length;
        }
        else
        {
            screen.Write("\n" + string.Join("  ", found.Candidates.Take(MostListed)) + (found.Candidates.Count > MostListed ? "  …" : "") + "\n");
        }
    }

    private static string Common(string one, string other)
    {
        var length = 0;
        while (length < one.Length && length < other.Length && one[length] == other[length])
            length++;
        return one[..length];
    }

    private void Remove(int from, int to)
    {
        _text.Remove(from, to - from);
        _cursor = from;
    }

    private int Before(int at) => at == 0 ? 0 : at > 1 && char.IsLowSurrogate(_text[at - 1]) ? at - 2 : at - 1;

    private int After(int at) => at >= _text.Length ? at : char.IsHighSurrogate(_text[at]) && at + 1 < _text.Length ? at + 2 : at + 1;

    private int BeginningOfWord()
    {
        var at = _cursor;
        while (at > 0 && _text[at - 1] == ' ')
            at--;
        while (at > 0 && _text[at - 1] != ' ')
            at--;
        return at;
    }

    private void Draw()
    {
        var room = Math.Max(10, width - _prompt.Length - 1);
        var from = Math.Max(0, _cursor - room + 1);
        if (from > 0 && char.IsLowSurrogate(_text[from]))
            from++;
        var shown = _text.ToString(from, Math.Min(room, _text.Length - from));
        screen.Write(string.Create(CultureInfo.InvariantCulture, $"\r{_prompt}{shown}\e[K\r\e[{_prompt.Length + _cursor - from}C"));
    }
}
