using System.Globalization;
using Npgsql;
using Pgd.Libpq;

namespace Pgd.Testing;

/// <summary>
/// A database for one use: a test, a test class, a collection. It is made from data that was taken, anonymized and migrated once, is the user's own, and is gone when it is disposed of, or when its
/// process has ended, however that was: then the next one to start takes it away. For xUnit there is <see cref="PgdDatabaseFixture"/>; in NUnit and MSTest it is made in a set-up and disposed of in a tear-down.
/// </summary>
public sealed class PgdDatabase : IAsyncDisposable
{
    private static int _number;
    private readonly TestParent _parent;
    private readonly string _name;
    private readonly Lazy<NpgsqlDataSource> _source;
    private bool _isGone;

    private PgdDatabase(TestParent parent, string name, ConnectionUrl connection) 
    {
        (_parent, _name, Connection) = (parent, name, connection);
        _source = new(() => NpgsqlDataSource.Create(ConnectionString));
    }

    /// <summary>Where it is, with the password: <see cref="ConnectionUrl.Format"/> writes it for Npgsql, libpq, JDBC or as environment.</summary>
    public ConnectionUrl Connection { get; }

    /// <summary>The same for Npgsql and Entity Framework Core. It stays the same over <see cref="ResetAsync"/>.</summary>
    public string ConnectionString => Connection.Format(UrlFormat.Npgsql);

    /// <summary>Connections to it, for tests that need no more than Npgsql.</summary>
    public NpgsqlDataSource DataSource => _source.Value;

    /// <summary>Makes one.</summary>
    /// <param name="settings">What it is made from.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no such project, a migration failed, there is no room, …</exception>
    public static async Task<PgdDatabase> CreateAsync(PgdDatabaseSettings settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        for (var isAgain = false; ; isAgain = true)
        {
            var parent = await TestParent.OfAsync(settings).WaitAsync(cancellationToken).ConfigureAwait(false);
            var name = string.Create(CultureInfo.InvariantCulture, $"test_{Interlocked.Increment(ref _number)}");
            try
            {
                return new(parent, name, await parent.MakeAsync(name, cancellationToken).ConfigureAwait(false));
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.NotFound && !isAgain)
            {
                // What it is made from was too old for somebody else, and nothing held it just now.
                TestParent.Forget(settings);
            }
        }
    }

    /// <summary>Gives it the data that it began with. Connections that are open to it are ended.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It could not be made anew.</exception>
    public async Task ResetAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isGone, this);
        ForgetConnections();
        await _parent.RemakeAsync(_name, cancellationToken).ConfigureAwait(false);
        // Those that were returned meanwhile, and that the server has ended.
        ForgetConnections();
    }

    /// <summary>Takes it away.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isGone)
            return;
        _isGone = true;
        ForgetConnections();
        if (_source.IsValueCreated)
            await _source.Value.DisposeAsync().ConfigureAwait(false);
        await _parent.DeleteAsync(_name).ConfigureAwait(false);
    }

    /// <summary>Its name and address, without the password.</summary>
    public override string ToString() => $"{_name}: {Connection}";

    // A pool would hand out connections to a database that is not there any more.
    private void ForgetConnections()
    {
        if (_source.IsValueCreated)
            _source.Value.Clear();
        using var pooled = new NpgsqlConnection(ConnectionString);
        NpgsqlConnection.ClearPool(pooled);
    }
}
