using Pgd.IntegrationTests.Branches;

namespace Pgd.IntegrationTests.Recovery;

/// <summary>A moment of a branch: what it showed then, and every way to name it.</summary>
internal sealed record Moment(DateTimeOffset At, string Lsn, string Xid, string Name, string State)
{
    /// <summary>Commits something, and names the moment after that.</summary>
    public static async Task<Moment> OfAsync(Shop shop, string branch, string? name = null)
    {
        name ??= $"point {Guid.NewGuid():N}";
        // A name that is given twice means the later one.
        await shop.AdministerAsync(branch, $"select pg_create_restore_point('{name}')");
        var xid = await shop.AskAsync(branch, "insert into orders select max(id) + 1, 1 from orders; select pg_current_xact_id()::text");
        var state = await StateAsync(shop, branch);
        await shop.AdministerAsync(branch, $"select pg_create_restore_point('{name}')");
        var lsn = await shop.AdministerAsync(branch, "select pg_current_wal_insert_lsn()::text");
        // One clock for all: the server's is this machine's.
        return new(DateTimeOffset.UtcNow, lsn!, xid!, name, state);
    }

    /// <summary>What a branch shows now.</summary>
    public static async Task<string> StateAsync(Shop shop, string branch) => (await shop.AskAsync(branch, "select count(*) || ' rows, ' || sum(amount) || ' in all, last ' || max(id) from orders"))!;
}
