using System.Globalization;

namespace Pgd.Postgres;

/// <summary>What a server tells of its use at this moment.</summary>
/// <param name="StartedAt">Since when it runs.</param>
/// <param name="Connections">How many clients are connected, pgd itself left out.</param>
/// <param name="DatabaseBytes">The size of its databases.</param>
internal sealed record ServerUse(DateTimeOffset StartedAt, int Connections, long DatabaseBytes)
{
    /// <summary>Asks, in a database where a session does not count as use.</summary>
    public static ServerUse Of(BranchServer server, CancellationToken cancellationToken)
    {
        using var connection = server.Connect(cancellationToken, "template1");
        var row = connection.Query(
            """
            select floor(extract(epoch from pg_postmaster_start_time()) * 1000)::bigint::text, (select count(*)::text from pg_stat_activity where backend_type = 'client backend' and application_name <> 'pgd'),
                   (select sum(pg_database_size(oid))::bigint::text from pg_database)
            """, cancellationToken)[0];
        return new(DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(row[0]!, CultureInfo.InvariantCulture)), int.Parse(row[1]!, CultureInfo.InvariantCulture), long.Parse(row[2]!, CultureInfo.InvariantCulture));
    }
}
