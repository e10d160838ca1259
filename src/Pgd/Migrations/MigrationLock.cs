namespace Pgd.Migrations;

/// <summary>Keeps two runs of migrations on one database apart, also from different machines, as long as its session lives.</summary>
internal static class MigrationLock
{
    // One key for every ledger of a database: two ledgers' files may touch the same tables. The number is "pgdmigra" in ASCII.
    private const string Key = "8099569890353377889";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    /// <remarks>
    /// Asked again and again instead of waiting in the server: who waits there has a snapshot, and the other run's
    /// CREATE INDEX CONCURRENTLY waits for all snapshots: a deadlock.
    /// </remarks>
    public static async Task TakeAsync(Session session, Action<string> output, TimeProvider clock, CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        while ((await session.QueryAsync($"SELECT pg_catalog.pg_try_advisory_lock({Key})", cancellationToken))[0][0] != "t")
        {
            if (pause == FirstPause)
                output("waiting for another run of migrations on this database");
            await Task.Delay(pause, clock, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
