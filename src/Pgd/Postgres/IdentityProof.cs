using System.Diagnostics;
using System.Security.Authentication;
using Npgsql;
using Pgd.Libpq;

namespace Pgd.Postgres;

/// <summary>
/// Before a connection leaves the tool, a query over that very connection tells which branch answers: ports are used again, tunnels are
/// mixed up, and a migration on the wrong database cannot be taken back. <c>system_identifier</c> would not do: it is the same in every clone.
/// </summary>
internal static class IdentityProof
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <exception cref="PgdException">Someone else answers (<see cref="ExitCode.Unsafe"/>), or no one (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task RunAsync(ConnectionUrl url, string clusterName, BranchName branch, TimeSpan patience, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                using var source = AdminConnection.Source(url.Host, url.Port, url.User, url.Password, url.Database, "-c search_path=pg_catalog -c statement_timeout=0", url.Parameters.GetValueOrDefault("sslrootcert"));
                using var connection = source.OpenConnection();
                using var command = new NpgsqlCommand("show cluster_name", connection);
                var answer = command.ExecuteScalar() as string;
                if (answer == clusterName)
                    return;
                throw new PgdException(ExitCode.Unsafe, $"{url.Host}:{url.Port} is answered by \"{answer}\", not by {branch} (\"{clusterName}\")",
                    "Another server has taken its port or its name. Look at: dotnet pgd status");
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidAuthorizationSpecification && clock.Elapsed < patience)
            {
                // The server has been told to read its rules again, and does so a moment later.
                await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
            }
            catch (NpgsqlException e) when (url.Parameters.TryGetValue("sslrootcert", out var file) && !File.Exists(file))
            {
                throw new PgdException(ExitCode.Failed, $"the certificate {file}, which {branch} is verified by, is missing", $"Have it made again: dotnet pgd restart {branch}", e);
            }
            catch (NpgsqlException e) when (e.InnerException is AuthenticationException)
            {
                throw new PgdException(ExitCode.Unsafe, $"{url.Host}:{url.Port} is answered by a server that has no valid certificate of {branch}",
                    $"Give it a new one: dotnet pgd restart {branch}. If it is then the same, another server has taken its port or its name.", e);
            }
            catch (NpgsqlException e)
            {
                throw new PgdException(ExitCode.Failed, $"{branch} does not answer at {url.Host}:{url.Port} as {url.User} in {url.Database}: {e.Message}", $"Look at its log: dotnet pgd branch logs {branch}", e);
            }
        }
    }
}
