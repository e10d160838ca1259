using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Migrations;

/// <summary>One server session, which sends statements exactly as they are written.</summary>
internal sealed class Session : IAsyncDisposable
{
    /// <summary>What the server knows such sessions by, unless the connection says something else.</summary>
    public const string Application = "pgd migrations";

    private readonly ScriptConnection script;

    private Session(ScriptConnection script) => this.script = script;

    /// <summary>Whether the server is still at the other end.</summary>
    public bool IsOpen => script.IsOpen;

    public static async Task<Session> OpenAsync(ConnectionUrl url, Action<string>? notice, CancellationToken cancellationToken) =>
        new(await ScriptConnection.OpenAsync(url, Application, notice, cancellationToken));

    /// <summary>Runs one statement of a migration and forgets its result.</summary>
    public async Task ExecuteAsync(SqlStatement statement, CancellationToken cancellationToken)
    {
        await using var command = script.CommandOf(statement);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Runs a statement of our own with text parameters.</summary>
    public Task<List<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken, params string[] parameters) => script.QueryAsync(sql, cancellationToken, parameters);

    public ValueTask DisposeAsync() => script.DisposeAsync();
}
