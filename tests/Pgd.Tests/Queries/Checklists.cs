using System.Text;
using Pgd.Tool;
using Pgd.Tool.Commands.Queries;
using Xunit;

namespace Pgd.Tests.Queries;

/// <summary>What keys do in a list of which some are chosen.</summary>
public sealed class Checklists
{
    private const string Up = "\e[A", Down = "\e[B", PageDown = "\e[6~", Home = "\e[H", End = "\e[F";
    private static readonly string[] Fruit = ["apple", "apricot", "banana", "cherry"];
    private readonly StringWriter _screen = new();

    [Theory]
    [InlineData("\r", "banana")]
    [InlineData(" \r", "")]
    [InlineData(Up + " \r", "apricot, banana")]
    [InlineData(Down + " " + Down + Down + " \r", "banana")]
    [InlineData(Home + " " + End + " \r", "apple, banana, cherry")]
    [InlineData(PageDown + " \r", "banana, cherry")]
    [InlineData("ap \r", "apple, banana")]
    [InlineData("AP" + Down + " \r", "apricot, banana")]
    [InlineData("apx\u007f\u0001\r", "apple, apricot, banana")]
    [InlineData("ap\u0015\u0001\r", "apple, apricot, banana, cherry")]
    [InlineData("ap\e", null)]
    [InlineData("\u0001\u0001\r", "")]
    [InlineData("nothing \r", "banana")]
    [InlineData(" \u0003", null)]
    public async Task Keys_move_mark_and_narrow_down(string keys, string? chosen)
    {
        var answered = await AskAsync(keys, new(true, false, 80), Fruit);

        Assert.Equal(chosen, answered is null ? null : string.Join(", ", answered.Select(i => Fruit[i])));
    }

    [Fact]
    public async Task Nothing_is_left_on_the_screen_when_it_was_answered()
    {
        await AskAsync("\r", new(true, false, 80), Fruit);

        Assert.EndsWith("\r\e[7A\e[J", _screen.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_line_is_wider_than_the_screen_and_no_name_is_obeyed()
    {
        await AskAsync("\r", new(true, false, 40), [new string('x', 200), "\e[2Jbad", .. Enumerable.Range(0, 100).Select(i => $"table {i}")]);

        var lines = _screen.ToString().Split("\r\n");
        Assert.All(lines, line => Assert.True(line.Length < 40, line));
        Assert.Contains("?[2Jbad", _screen.ToString(), StringComparison.Ordinal);
        Assert.Equal(15, lines.TakeWhile(line => !line.StartsWith("↑↓", StringComparison.Ordinal)).Count() + 1);
        Assert.Contains("102 in all · 1 chosen", _screen.ToString(), StringComparison.Ordinal);
    }

    private Task<IReadOnlyList<int>?> AskAsync(string keys, Screen screen, IReadOnlyList<string> names) =>
        new Checklist(new Typed(keys), _screen, screen).AskAsync("Which?", [.. names.Select(name => new Choice(name, "1 kB"))], [2], CancellationToken.None);

    private sealed class Typed(string keys) : IKeys
    {
        private readonly Queue<byte> _bytes = new(Encoding.UTF8.GetBytes(keys));

        public ValueTask<int> NextAsync(CancellationToken cancellationToken) => ValueTask.FromResult(NextAtOnce());

        public int NextAtOnce() => _bytes.TryDequeue(out var next) ? next : -1;
    }
}
