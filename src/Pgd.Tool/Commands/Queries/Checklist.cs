using System.Text;

namespace Pgd.Tool.Commands.Queries;

/// <summary>A list on a terminal of which some entries are chosen: moved through with the arrow keys, marked with the space bar, narrowed down by typing. It is gone when it was answered.</summary>
internal sealed class Checklist(IKeys keys, TextWriter output, Screen screen)
{
    private const int Escape = 27, MostShown = 12, Around = 6;
    private IReadOnlyList<Choice> _choices = [];
    private List<int> _visible = [];
    private HashSet<int> _marked = [];
    private string _typed = "";
    private int _at, _first, _drawn;

    /// <summary>Asks.</summary>
    /// <param name="question">What is asked for.</param>
    /// <param name="choices">What there is.</param>
    /// <param name="marked">Those that are chosen before anything is typed.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The places of what was chosen, in their order; null if it was ended with Ctrl-C.</returns>
    public async Task<IReadOnlyList<int>?> AskAsync(string question, IReadOnlyList<Choice> choices, IEnumerable<int> marked, CancellationToken cancellationToken)
    {
        (_choices, _marked, _typed, _first, _drawn) = (choices, [.. marked], "", 0, 0);
        Narrow();
        _at = Math.Max(0, _visible.FindIndex(_marked.Contains));
        while (true)
        {
            Draw(question);
            switch (await keys.NextAsync(cancellationToken))
            {
                case -1 or 3 or 4:
                    Clear();
                    return null;
                case '\r' or '\n':
                    Clear();
                    return [.. _marked.Order()];
                case ' ':
                    Mark();
                    break;
                case 1:
                    MarkAll();
                    break;
                case 14:
                    Move(1);
                    break;
                case 16:
                    Move(-1);
                    break;
                case 127 or 8:
                    Type(_typed.Length > 0 ? _typed[..^1] : "");
                    break;
                case 21:
                    Type("");
                    break;
                case Escape:
                    Sequence();
                    break;
                case > ' ' and < 127 and var key:
                    Type(_typed + (char)key);
                    break;
            }
        }
    }

    private int Room => Math.Clamp(screen.Height - Around, 3, MostShown);

    private void Mark()
    {
        if (_visible.Count > 0 && !_marked.Remove(_visible[_at]))
            _marked.Add(_visible[_at]);
    }

    private void MarkAll()
    {
        if (_visible.TrueForAll(_marked.Contains))
            _marked.ExceptWith(_visible);
        else
            _marked.UnionWith(_visible);
    }

    private void Move(int step) => _at = Math.Clamp(_at + step, 0, Math.Max(0, _visible.Count - 1));

    private void Type(string text)
    {
        _typed = text;
        Narrow();
    }

    private void Narrow()
    {
        _visible = [.. Enumerable.Range(0, _choices.Count).Where(i => _choices[i].Name.Contains(_typed, StringComparison.OrdinalIgnoreCase))];
        (_at, _first) = (0, 0);
    }

    // ESC [ A, ESC O A, ESC [ 5 ~; alone it takes back what was typed.
    private void Sequence()
    {
        if (keys.NextAtOnce() is not ('[' or 'O'))
        {
            Type("");
            return;
        }

        var (last, number) = (keys.NextAtOnce(), "");
        for (; last is (>= '0' and <= '9') or ';'; last = keys.NextAtOnce())
            number += (char)last;
        switch ((char)last, number)
        {
            case ('A', _):
                Move(-1);
                break;
            case ('B', _):
                Move(1);
                break;
            case ('~', "5"):
                Move(-Room);
                break;
            case ('~', "6"):
                Move(Room);
                break;
            case ('H', _) or ('~', "1" or "7"):
                Move(-_choices.Count);
                break;
            case ('F', _) or ('~', "4" or "8"):
                Move(_choices.Count);
                break;
        }
    }

    private void Draw(string question)
    {
        _first = Math.Clamp(_first, Math.Max(0, _at - Room + 1), _at);
        var shown = _visible.Skip(_first).Take(Room).ToList();
        var names = Math.Min(_choices.Max(choice => choice.Name.Length), Math.Max(10, screen.Width - 6 - 3 - _choices.Max(choice => choice.Detail.Length)));
        var details = _choices.Max(choice => choice.Detail.Length);
        var lines = new List<string> { screen.Bold(Fitted(question)) };
        for (var i = 0; i < shown.Count; i++)
        {
            var (choice, isHere, isMarked) = (_choices[shown[i]], _first + i == _at, _marked.Contains(shown[i]));
            var line = Fitted($"{(isHere ? ">" : " ")} {(isMarked ? "[x]" : "[ ]")} {Printable(Shortened(choice.Name, names)).PadRight(names)}  {choice.Detail.PadLeft(details)}");
            lines.Add(isHere ? screen.Bold(line) : isMarked ? screen.Green(line) : line);
        }

        if (shown.Count == 0)
            lines.Add(Fitted("  none is called so"));
        var hidden = _visible.Count - shown.Count;
        lines.Add(screen.Dim(Fitted($"{(hidden > 0 ? $"{_visible.Count} in all · " : "")}{_marked.Count} chosen{(_typed.Length > 0 ? $" · only *{_typed}*" : "")}")));
        lines.Add(screen.Dim(Fitted("↑↓ move · space choose · Ctrl-A all · type to narrow down · enter done")));
        var text = new StringBuilder(Back());
        text.AppendJoin("\r\n", lines).Append("\r\n");
        output.Write(text.ToString());
        _drawn = lines.Count;
    }

    private void Clear()
    {
        output.Write(Back());
        _drawn = 0;
    }

    private string Back() => _drawn == 0 ? "" : $"\r\e[{_drawn}A\e[J";

    // A line that wraps could not be taken back.
    private string Fitted(string text) => text.Length < screen.Width ? text : text[..(screen.Width - 1)];

    private static string Shortened(string name, int length) => name.Length <= length ? name : name[..(length - 1)] + "…";

    // A name may have anything in it, also what a terminal obeys.
    private static string Printable(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));
}

/// <summary>An entry of a list.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Detail">What is to be known of it.</param>
internal sealed record Choice(string Name, string Detail);
