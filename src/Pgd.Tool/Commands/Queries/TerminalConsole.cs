using Pgd.Queries;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Queries;

/// <summary>The console of a person: prompt, line editing, history, questions.</summary>
internal sealed class TerminalConsole(Run run, QuerySession session, QuerySource source, string name, bool write)
{
    private readonly ConsoleEntries _entries = new(run, session, source, "input", counts: false);
    private readonly ConsoleHistory _history = ConsoleHistory.Of(run.Session.Environment);
    private IReadOnlyList<CatalogTable>? _catalog;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var keys = new Keyboard();
        var editor = new LineEditor(keys, run.Session.Output, run.Session.OutputScreen.Width, _history.Lines, CompleteAsync);
        run.Session.Output.WriteLine(run.Session.OutputScreen.Dim($"{source}  \\? for help, \\q or Ctrl-D ends"));
        var typed = new List<string>();
        while (true)
        {
            var read = await editor.ReadAsync(_entries.IsOpen ? $"{name}-> " : $"{name}=> ", cancellationToken);
            if (read.HasEnded)
                return;
            if (read.IsCancelled)
            {
                _entries.Rest();
                typed.Clear();
                continue;
            }

            typed.Add(read.Line);
            if (_entries.Add(read.Line) is not { } entry)
            {
                if (!_entries.IsOpen)
                    typed.Clear();
                continue;
            }

            _history.Add(typed);
            typed.Clear();
            if (!await DoAsync(entry, editor, keys, cancellationToken))
                return;
        }
    }

    private async Task<bool> DoAsync(Script entry, LineEditor editor, Keyboard keys, CancellationToken cancellationToken)
    {
        var goesOn = true;
        try
        {
            await Asking.ToWriteAsync(write, async refused =>
            {
                run.Session.Error.WriteLine(run.Session.ErrorScreen.Yellow(refused.Message));
                return Asking.IsYes((await editor.ReadAsync("Nothing of it was done. Do it? [y/N] ", cancellationToken)).Line);
            }, async may =>
            {
                using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                using (keys.OnInterrupt(source.Cancel))
                    goesOn = await _entries.DoAsync(entry, may, source.Token);
                if (may)
                    _catalog = null;
            });
        }
        catch (PgdException e)
        {
            Show(e.Message, e.Hint);
            if (!session.IsOpen)
                throw;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Show("interrupted", null);
        }

        return goesOn;
    }

    private void Show(string message, string? hint)
    {
        run.Session.Error.WriteLine($"{run.Session.ErrorScreen.Red("error:")} {message}");
        if (hint is not null)
            run.Session.Error.WriteLine($"{run.Session.ErrorScreen.Dim("hint:")} {hint}");
    }

    private async Task<Offers> CompleteAsync(string text, int cursor, CancellationToken cancellationToken)
    {
        try
        {
            _catalog ??= await session.CatalogAsync(cancellationToken);
        }
        catch (PgdException)
        {
            // Without it there are still the commands and SQL's own words.
            _catalog = [];
        }

        return Suggestions.For(text, cursor, _catalog, source is MariaDbSource ? '`' : '"');
    }
}
