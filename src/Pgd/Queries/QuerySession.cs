namespace Pgd.Queries;

/// <summary>
/// A session in which scripts run. Unless they may write, the server itself is told to refuse what does: by the transaction's mode, not by what a
/// statement looks like.
/// </summary>
public abstract class QuerySession : IAsyncDisposable
{
    internal const string AddWrite = "Nothing of it was done. If it should be, add --write";

    private const int Shown = 80;

    /// <summary>Whether the server is still there, as far as is known.</summary>
    public abstract bool IsOpen { get; }

    /// <summary>Connects.</summary>
    /// <param name="source">The server.</param>
    /// <param name="notice">Hears what the server says beside results; null to hear nothing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It does not answer, or refuses (<see cref="ExitCode.Failed"/>); a program for it is missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static async Task<QuerySession> OpenAsync(QuerySource source, Action<string>? notice, CancellationToken cancellationToken) => source switch
    {
        PostgresSource postgres => await PostgresQuerySession.OpenAsync(postgres.Url, notice, cancellationToken).ConfigureAwait(false),
        MariaDbSource mariaDb => await MariaDbQuerySession.OpenAsync(mariaDb, cancellationToken).ConfigureAwait(false),
        _ => throw new ArgumentOutOfRangeException(nameof(source)),
    };

    /// <summary>Runs a script, in one transaction where that is possible: all of it takes effect, or nothing.</summary>
    /// <param name="script">The statements.</param>
    /// <param name="write">Whether it may write.</param>
    /// <param name="results">Takes what the statements return.</param>
    /// <param name="cancellationToken">Ends it, on the server as well.</param>
    /// <exception cref="PgdException">It writes and may not (<see cref="ExitCode.Unsafe"/>), the only reason for that code; the server refuses a statement (<see cref="ExitCode.Failed"/>).</exception>
    public abstract Task RunAsync(Script script, bool write, IQueryResults results, CancellationToken cancellationToken);

    /// <summary>
    /// Writes what the script's last statement returns as CSV, as it arrives: a header, an empty field for NULL and <c>""</c> for the empty string.
    /// </summary>
    /// <param name="script">The statements; only the last may return rows.</param>
    /// <param name="write">Whether it may write.</param>
    /// <param name="csv">Where it goes.</param>
    /// <param name="cancellationToken">Ends it, on the server as well.</param>
    /// <returns>The number of rows.</returns>
    /// <exception cref="PgdException">As for running it; none or several of its statements return rows (<see cref="ExitCode.Misuse"/>).</exception>
    public abstract Task<long> ExportAsync(Script script, bool write, TextWriter csv, CancellationToken cancellationToken);

    /// <summary>The tables and views that can be named, with their columns.</summary>
    public abstract Task<IReadOnlyList<CatalogTable>> CatalogAsync(CancellationToken cancellationToken);

    /// <summary>How much of a text is whole statements: the place behind the last semicolon that ends one.</summary>
    public abstract int EndOfStatements(string text);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>The beginning of a statement, on one line, for an error. It must have lost its passwords before.</summary>
    internal static string OneLine(string statement)
    {
        var text = string.Join(' ', statement.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return text.Length <= Shown ? text : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[Shown - 1]) ? Shown - 1 : Shown), "…");
    }
}

/// <summary>Statements, and what to call them in errors.</summary>
/// <param name="Name">The file's name, or the option's.</param>
/// <param name="Text">The statements.</param>
/// <param name="FirstLine">The number of its first line, for errors.</param>
public sealed record Script(string Name, string Text, int FirstLine = 1);

/// <summary>A table or view, as one names it in a statement.</summary>
/// <param name="Schema">Its schema, in which it was found.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is, in a word or two.</param>
/// <param name="Columns">Its columns, in order.</param>
/// <param name="IsInPath">Whether it is found without its schema.</param>
public sealed record CatalogTable(string Schema, string Name, string Kind, IReadOnlyList<CatalogColumn> Columns, bool IsInPath);

/// <summary>A column of a table.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type.</param>
/// <param name="IsNullable">Whether it may be NULL.</param>
/// <param name="Default">What it is if nothing is said; null for nothing.</param>
public sealed record CatalogColumn(string Name, string Type, bool IsNullable, string? Default);

/// <summary>Takes the results of statements as they arrive.</summary>
public interface IQueryResults
{
    /// <summary>A statement returns rows with these columns.</summary>
    void Begin(IReadOnlyList<QueryColumn> columns);

    /// <summary>A row of it, each value as the server writes it; null is NULL.</summary>
    void Row(IReadOnlyList<string?> values);

    /// <summary>The statement is done.</summary>
    /// <param name="command">What it was, and how many rows it was about: <c>UPDATE 4</c>.</param>
    void End(string command);
}

/// <summary>A column of a result.</summary>
/// <param name="Name">Its name, which others may have as well.</param>
/// <param name="Form">How its values are read.</param>
public sealed record QueryColumn(string Name, ValueForm Form);

/// <summary>How a value's text is read.</summary>
public enum ValueForm
{
    /// <summary>As it is.</summary>
    Text,

    /// <summary>As a number.</summary>
    Number,

    /// <summary><c>t</c> or <c>f</c>.</summary>
    Boolean,

    /// <summary>As JSON.</summary>
    Json,
}
