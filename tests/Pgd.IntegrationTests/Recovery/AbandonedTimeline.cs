using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Recovery;

/// <summary>A source that its administrator has brought back in its place: what it did between is on a timeline that was left.</summary>
public sealed class AbandonedTimeline
{
    [Fact]
    public async Task What_was_written_before_a_source_was_brought_back_is_no_part_of_its_past_and_what_came_after_is()
    {
        await using var shop = await Shop.OpenAsync("reflink", "xfs");
        var folder = Directory.CreateTempSubdirectory("pgd-left-").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        try
        {
            var snapshot = await shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Main, Label = "base" }, default);
            var kept = await Moment.OfAsync(shop, "main", "kept");
            // In a later part of the log than that in which the source is brought back.
            await shop.AdministerAsync("main", "select pg_switch_wal()");
            var lost = await Moment.OfAsync(shop, "main", "lost");
            var data = await shop.DataAsync("main");
            // Its last checkpoint removes what it has no need of.
            LabCommand.Run("cp", "-a", Path.Combine(data, "pg_wal"), Path.Combine(folder, "log"));
            await shop.StopAsync("main");
            BringBack(data, Path.Combine(snapshot.Directory, "data"), folder, kept.Lsn);
            await shop.StartAsync("main");
            Assert.Equal(kept.State, await Moment.StateAsync(shop, "main"));
            var later = await Moment.OfAsync(shop, "main", "later");

            var refused = await shop.RefusedAsync(ExitCode.NotFound, () => shop.CreateAsync("never", with: b => b with { Target = RecoveryTarget.AtRestorePoint("lost") }));
            Assert.Contains("restore point lost cannot be reached", refused.Message, StringComparison.Ordinal);
            Assert.Contains("on a timeline that was left is no part of the past of shop/main", refused.Message, StringComparison.Ordinal);

            foreach (var (target, state) in (IEnumerable<(RecoveryTarget, string)>)[
                (RecoveryTarget.AtRestorePoint("kept"), kept.State), (RecoveryTarget.AtTime(kept.At), kept.State),
                // By the source's present past, nothing had been committed in between.
                (RecoveryTarget.AtTime(lost.At), kept.State),
                (RecoveryTarget.AtRestorePoint("later"), later.State), (RecoveryTarget.AtTime(later.At), later.State)])
            {
                await shop.CreateAsync("then", with: b => b with { Target = target });
                Assert.Equal($"{target}: {state}", $"{target}: {await Moment.StateAsync(shop, "then")}");
                await shop.DeleteAsync("then");
            }

            Assert.NotEqual(kept.State, lost.State);
            Assert.NotEqual(kept.State, later.State);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // As the manual says it, with the log of before left where it was.
    private static void BringBack(string data, string backup, string folder, string lsn)
    {
        var binaries = Lab.Current.Servers.Folder(15);
        LabCommand.Run("bash", "-c", $$"""
            set -eu
            find "{{data}}" -mindepth 1 -delete
            cp -a "{{backup}}/." "{{data}}/"
            install -o postgres -g postgres -m 600 /dev/null "{{data}}/recovery.signal"
            setpriv --reuid=postgres --regid=postgres --clear-groups "{{binaries}}/pg_ctl" start -s -w -D "{{data}}" -l "{{data}}/by-hand.log" -o "-c listen_addresses= -c unix_socket_directories={{data}} -c hot_standby=off \
                -c restore_command='cp {{folder}}/log/%f %p' -c recovery_target_lsn={{lsn}} -c recovery_target_inclusive=off -c recovery_target_timeline=1 -c recovery_target_action=promote"
            timeout 60 bash -c 'while [ -e "{{data}}/recovery.signal" ]; do sleep 0.05; done'
            setpriv --reuid=postgres --regid=postgres --clear-groups "{{binaries}}/pg_ctl" stop -s -w -m fast -D "{{data}}"
            cp -an "{{folder}}"/log/0* "{{data}}/pg_wal/"
            """);
    }
}
