using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Storm;

/// <summary>
/// Events in whatever order, late, twice, at once and not at all, while the code host has bad days and jobs are killed: with the real story, the
/// real client of the host's API, real locks, records and copies. Only PostgreSQL's server is a stand-in, which starts in no time.
/// A failure tells its seed; <c>PGD_STORM_SEED</c> with that in it repeats the one storm.
/// </summary>
public sealed class EventStorm
{
    private static readonly int Storms = Soak.IsOn ? 1000 : 100;

    [Fact]
    public async Task After_any_storm_of_events_the_branches_are_exactly_those_of_the_open_pull_requests()
    {
        using var folder = new GitHub.TemporaryFolder();
        var programs = StandInServers.Install(Path.Combine(folder.Path, "bin"));
        await using var host = await FakeGitHub.StartAsync();

        // In the build always the same ones; in a soak others each time.
        var config = Config.QuickThrowOnFailure.WithMaxTest(Storms).WithQuietOnSuccess(true);
        config = Environment.GetEnvironmentVariable("PGD_STORM_SEED") is { Length: > 0 } seed ? config.WithReplay(From(seed))
            : Soak.IsOn ? config : config.WithReplay(From("(20260301,1)"));
        var storm = Prop.ForAll(Weather.Any(), weather => StormRun.PlayAsync(weather, host, programs).GetAwaiter().GetResult());
        // A storm needs threads of its own: xUnit's are for the tests beside it.
        await Task.Factory.StartNew(() => storm.Check(config), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        // A calm proves nothing.
        var (killed, failed) = StormRun.Damage;
        TestContext.Current.TestOutputHelper?.WriteLine($"{killed} jobs were killed, {failed} failed for the host's sake");
        if (config.Replay is null || config.Replay.Value.Size is null)
            Assert.True(killed >= Storms / 20 && failed >= Storms / 10, $"only {killed} jobs were killed, and {failed} failed for the host's sake");
    }

    // As FsCheck tells them: the seed, which is two numbers, and for one storm alone its size.
    private static Replay From(string text)
    {
        var numbers = text.Split(',').Select(part => ulong.Parse(part.Trim(' ', '(', ')'), CultureInfo.InvariantCulture)).ToList();
        return new(new(numbers[0], numbers[1]), numbers.Count > 2 ? (int)numbers[2] : FSharpOption<int>.None);
    }
}
