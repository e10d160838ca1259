using System.Globalization;

namespace Pgd.Postgres;

/// <summary>Whether anyone uses a server. It counts its sessions (since 14), so that who came and went between two looks is seen as well.</summary>
/// <param name="Connected">How many clients are connected now.</param>
/// <param name="Sessions">How many there have been.</param>
internal sealed record Activity(int Connected, long Sessions)
{
    /// <summary>The oldest major version that counts.</summary>
    public const int OldestCounting = 14;

    /// <summary>Looks, from a database that does not count: template1 never does, postgres not beside another one, where only administrators connect to it.</summary>
    public static Activity Of(BranchServer server, CancellationToken cancellationToken)
    {
        using var connection = server.Connect(cancellationToken, "template1");
        var row = connection.Query(
            """
            with used as (select oid from pg_database where datname <> 'template1' and (datname <> 'postgres' or not exists (select from pg_database where datname <> 'postgres' and not datistemplate)))
            select (select count(*) from pg_stat_activity where backend_type = 'client backend' and datid in (table used))::text,
                   (select coalesce(sum(sessions), 0) from pg_stat_database where datid in (table used))::text
            """, cancellationToken)[0];
        return new(int.Parse(row[0]!, CultureInfo.InvariantCulture), long.Parse(row[1]!, CultureInfo.InvariantCulture));
    }
}
