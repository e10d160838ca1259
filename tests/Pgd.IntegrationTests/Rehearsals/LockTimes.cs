using Pgd.IntegrationTests.Branches;
using Pgd.Migrations;
using Pgd.Tracing;
using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>How long locks are held, against transactions that hold them for a known time.</summary>
[Collection("rehearsals")]
public sealed class LockTimes(Reflink15 fixture) : IClassFixture<Reflink15>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_lock_is_told_for_as_long_as_it_was_held_and_none_is_missed()
    {
        var random = new Random(20261129);
        var runs = Soak.IsOn ? 200 : 20;
        // From 20 ms to 5 s, more of the short ones.
        var times = Enumerable.Range(0, runs).Select(i => (int)(20 * Math.Pow(250, i == runs - 1 ? 1 : random.NextDouble() * (Soak.IsOn ? 1 : 0.7)))).ToList();
        await _shop.CreateAsync("locks");
        await _shop.AskAsync("locks", "create table held (run int, milliseconds float);" + string.Concat(times.Select((_, i) => $"create table held{i} (n int);")));
        var folder = Directory.CreateTempSubdirectory("pgd-locks-").FullName;
        try
        {
            // Both ends are asked of the server's clock, inside the transaction; its end does not wait for a disk.
            for (var i = 0; i < runs; i++)
            {
                await File.WriteAllTextAsync(Path.Combine(folder, $"{i}.sql"),
                    $"set local synchronous_commit = off; do $$ declare begun timestamptz; begin lock table held{i} in access exclusive mode; begun := clock_timestamp(); perform pg_sleep({times[i] / 1000.0}); insert into held values ({i}, extract(epoch from clock_timestamp() - begun) * 1000); end $$;");
            }

            var connection = await _shop.ConnectAsync("locks");
            var report = await _shop.Workspace.Migrations.RehearseAsync(new()
            {
                Branch = Shop.Name("locks"),
                Connection = connection,
                Files = new() { Branch = Shop.Name("locks"), Connection = connection, WorkingDirectory = folder, Pattern = "*.sql", Added = null, Output = _ => { } },
            }, default);

            Assert.Null(report.Run.Error);
            var wrong = new List<string>();
            for (var i = 0; i < runs; i++)
            {
                var truth = TimeSpan.FromMilliseconds(double.Parse((await _shop.AskAsync("locks", $"select milliseconds from held where run = {i}"))!, System.Globalization.CultureInfo.InvariantCulture));
                var told = report.Trace.Locks.SingleOrDefault(l => l.Relation == $"public.held{i}" && l.Mode == LockMode.AccessExclusive);
                var most = TimeSpan.FromMilliseconds(Math.Max(60, truth.TotalMilliseconds * 0.05));
                if (told is null || (told.Held - truth).Duration() > most)
                    wrong.Add($"held{i}: {truth.TotalMilliseconds:0.0} ms, told {told?.Held.TotalMilliseconds:0.0} ms");
            }

            Assert.True(wrong.Count == 0, string.Join(Environment.NewLine, wrong));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            await _shop.DeleteAsync("locks");
        }
    }
}
