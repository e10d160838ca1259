using System.CommandLine;
using Pgd.Libpq;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;

namespace Pgd.Tool.Commands.Replication;

/// <summary>Asks a person what is to be replicated: the databases, the tables that are left out, and whether that is what was meant.</summary>
internal sealed class ReplicationDialog : IDisposable
{
    private readonly Run _run;
    private readonly Keyboard _keys = new();

    private ReplicationDialog(Run run) => _run = run;

    private TextWriter Output => _run.Session.Error;

    private Screen Screen => _run.Session.ErrorScreen;

    /// <summary>Begins to ask.</summary>
    /// <exception cref="PgdException">Nobody can be asked (<see cref="ExitCode.Misuse"/>).</exception>
    public static ReplicationDialog Open(Run run) => run.Session.CanAsk && !run.IsJson && run.Session.ErrorScreen.IsTerminal ? new(run)
        : throw new PgdException(ExitCode.Misuse, "--interactive asks on a terminal, and here nobody can be asked", "Leave it out, and say what is meant: --include-databases, --exclude-tables");

    /// <summary>Has databases chosen, and the tables of each that are left out; then shows that, with the command line that says the same.</summary>
    /// <param name="servers">The options that were given.</param>
    /// <param name="command">The words of the command, from <c>replicate</c> on.</param>
    /// <param name="unasked">The option with which the command itself asks nothing; null if it does not anyway.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">Nothing was chosen (<see cref="ExitCode.Interrupted"/>, <see cref="ExitCode.Failed"/>), or the source does not answer.</exception>
    public async Task<ReplicationFilter> ChooseAsync(ReplicationServers servers, string command, Option<bool>? unasked, CancellationToken cancellationToken)
    {
        var (source, filter) = (servers.Source(_run), servers.Filter(_run));
        var there = await SourceInventory.DatabasesAsync(source, cancellationToken);
        var databases = await AskAsync("Databases to replicate", [.. there.Select(database => new Choice(database.Name, database.Bytes is { } bytes ? Measured.Size(bytes) : ""))], there.Select((database, i) => (database.Name, i)).Where(one => one.Name == source.Database).Select(one => one.i), cancellationToken);
        if (databases.Count == 0)
            throw new PgdException(ExitCode.Failed, "no database was chosen, and nothing was done");
        var (meant, without) = (new List<string>(), new List<string>());
        foreach (var database in databases.Select(i => there[i]))
        {
            meant.Add(ReplicationFilter.NameOf(database.Name));
            var tables = await SourceInventory.TablesAsync(source with { Database = database.Name }, cancellationToken);
            var left = tables.Count == 0 ? [] : await AskAsync($"Tables of {database.Name} to leave out (none: press enter)", [.. tables.Select(table => new Choice($"{table.Schema}.{table.Name}", Measured.Size(table.Bytes)))], [], cancellationToken);
            if (left.Count == tables.Count && tables.Count > 0)
                throw new PgdException(ExitCode.Failed, $"all tables of {database.Name} were left out, and nothing was done", "Leave out the database.");
            without.AddRange(left.Select(i => $"{meant[^1]}.{ReplicationFilter.NameOf(tables[i].Schema)}.{ReplicationFilter.NameOf(tables[i].Name)}"));
            Output.WriteLine($"{Screen.Bold(database.Name)}{(database.Bytes is { } size ? $"  {Measured.Size(size)}" : "")}, {Count(tables.Count - left.Count, "table")}");
            foreach (var table in left.Select(i => tables[i]))
                Output.WriteLine($"  without {table.Schema}.{table.Name}  {Measured.Size(table.Bytes)}");
        }

        filter = filter with { IncludeDatabases = meant, ExcludeTables = without };
        Output.WriteLine();
        Output.WriteLine(Screen.Dim("The same without questions (passwords are left out):"));
        Output.WriteLine(servers.CommandLine(_run, command, filter, unasked));
        Output.WriteLine();
        return filter;
    }

    /// <summary>Asks whether to go on.</summary>
    public async Task<bool> ConfirmAsync(CancellationToken cancellationToken)
    {
        var editor = new LineEditor(_keys, Output, Screen.Width, [], static (_, _, _) => Task.FromResult(new Offers(0, [])));
        return Asking.IsYes((await editor.ReadAsync("Proceed? [y/N] ", cancellationToken)).Line);
    }

    /// <summary>Gives the terminal back.</summary>
    public void Dispose() => _keys.Dispose();

    private async Task<IReadOnlyList<int>> AskAsync(string question, IReadOnlyList<Choice> choices, IEnumerable<int> marked, CancellationToken cancellationToken) =>
        await new Checklist(_keys, Output, Screen).AskAsync(question, choices, marked, cancellationToken) ?? throw new PgdException(ExitCode.Interrupted, "the questions were broken off, and nothing was done");

    private static string Count(int number, string what) => $"{number} {what}{(number == 1 ? "" : "s")}";
}
