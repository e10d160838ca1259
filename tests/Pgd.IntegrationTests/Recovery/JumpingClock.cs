using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Recovery;

/// <summary>A source whose machine's clock was an hour ahead for a while.</summary>
public sealed class JumpingClock
{
    [Fact]
    public async Task A_time_after_a_clock_was_ahead_gives_the_state_before_and_says_so_and_every_state_can_be_had_by_name()
    {
        await using var shop = await Shop.OpenAsync("reflink", "xfs");
        var folder = Directory.CreateTempSubdirectory("pgd-clock-").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        try
        {
            var clock = Path.Combine(folder, "clock");
            Jump(clock, "+0");
            await shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Main, Label = "base" }, default);
            var server = new Workspace(shop.Workspace.Configuration with { PostgresBinaries = [ServerWithClock(folder, clock)] }, SilentReporter.Instance);
            await server.Branches.RestartAsync(Shop.Main, default);
            var before = await Moment.OfAsync(shop, "main", "before");
            Jump(clock, "+1h");
            var ahead = await Moment.OfAsync(shop, "main", "ahead");
            Assert.InRange(DateTimeOffset.Parse((await shop.AskAsync("main", "select to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"))!, System.Globalization.CultureInfo.InvariantCulture), DateTimeOffset.UtcNow.AddMinutes(50), DateTimeOffset.UtcNow.AddMinutes(70));
            Jump(clock, "+0");
            var after = await Moment.OfAsync(shop, "main", "after");
            shop.TakeWarnings();

            Assert.Equal(before.State, await StateAtAsync(RecoveryTarget.AtTime(after.At)));
            var warning = Assert.Single(shop.TakeWarnings(), w => w.Contains("which is still to come", StringComparison.Ordinal));
            Assert.Contains("choose --at-xid, --at-lsn or --at-restore-point", warning, StringComparison.Ordinal);
            Assert.Equal(before.State, await StateAtAsync(RecoveryTarget.AtTime(before.At)));
            Assert.Equal(ahead.State, await StateAtAsync(RecoveryTarget.AtRestorePoint("ahead")));
            shop.TakeWarnings();
            Assert.Equal(after.State, await StateAtAsync(RecoveryTarget.AtRestorePoint("after")));
            Assert.Single(shop.TakeWarnings(), w => w.Contains("the clock of shop/main went back by 3", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        async Task<string> StateAtAsync(RecoveryTarget target)
        {
            await shop.CreateAsync("then", with: b => b with { Target = target });
            var state = await Moment.StateAsync(shop, "then");
            await shop.DeleteAsync("then");
            return state;
        }
    }

    private static void Jump(string clock, string by)
    {
        File.WriteAllText(clock + ".new", by);
        File.SetUnixFileMode(clock + ".new", LabFolder.Traversable | UnixFileMode.OtherRead);
        File.Move(clock + ".new", clock, overwrite: true);
    }

    /// <summary>The server's programs, of which the server itself asks a clock that the test sets.</summary>
    private static string ServerWithClock(string folder, string clock)
    {
        var library = Directory.EnumerateFiles("/usr/lib", "libfaketime.so.1", new EnumerationOptions { RecurseSubdirectories = true }).FirstOrDefault();
        Lab.Require(library is not null, "A clock that can be set needs Debian's package faketime");
        var (own, binaries) = (Lab.Current.Servers.Folder(15), Path.Combine(folder, "bin"));
        Directory.CreateDirectory(binaries);
        foreach (var program in Directory.EnumerateFiles(own).Where(p => Path.GetFileName(p) != "postgres"))
            File.CreateSymbolicLink(Path.Combine(binaries, Path.GetFileName(program)), program);
        File.WriteAllText(Path.Combine(binaries, "postgres"), $"""
            #!/bin/sh
            export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
            exec {own}/postgres "$@"

            """);
        LabCommand.Run("chmod", "-R", "a+rX,u+x,a+x", binaries);
        return binaries;
    }
}
