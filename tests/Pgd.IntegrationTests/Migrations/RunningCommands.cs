using System.Diagnostics;
using Pgd.Libpq;
using Pgd.Migrations;
using Xunit;

namespace Pgd.IntegrationTests.Migrations;

public sealed class RunningCommands
{
    private static readonly ConnectionUrl Url = new() { Host = "127.0.0.1", Port = 21001, Database = "app", User = "app", Password = "S3CR3T/x y" };

    [Fact]
    public async Task A_command_has_the_branchs_environment_and_its_secrets_are_not_shown()
    {
        using var runs = new Runs(Url);

        var run = await runs.CommandAsync("echo $PGHOST:$PGPORT/$PGDATABASE $PGUSER; echo $PGPASSWORD >&2; echo $DATABASE_URL; printf '%s' S3CR; printf '3T/x y'; pwd; ps -o args= -p $$");

        Assert.True(run.Succeeded);
        Assert.Contains("127.0.0.1:21001/app app", runs.Output);
        Assert.Contains("postgresql://app:***@127.0.0.1:21001/app", runs.Output);
        Assert.Contains($"***{runs.Folder}", runs.Output);
        Assert.DoesNotContain(runs.Output, line => line.Contains("S3CR", StringComparison.Ordinal) && !line.Contains("printf", StringComparison.Ordinal));
        Assert.Equal(runs.Output, run.OutputTail);
    }

    [Theory]
    [InlineData("exit 7", 7)]
    [InlineData("false; exit 0", 1)]
    [InlineData("false | true", 1)]
    [InlineData("echo $nope", 1)]
    [InlineData("kill -9 $$", 137)]
    public async Task A_failing_command_is_a_result_with_its_status(string script, int status)
    {
        using var runs = new Runs(Url);

        Assert.Equal(status, (await runs.CommandAsync(script)).Error?.ExitStatus);
    }

    [Fact]
    public async Task Only_the_last_lines_are_kept_of_a_hundred_megabytes()
    {
        using var runs = new Runs(Url);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var lines = 0;
        var run = await new Pgd.Migrations.Migrations(runs, TimeProvider.System).RunCommandAsync(new MigrationCommand
        {
            Branch = BranchName.Parse("p/b"),
            Connection = Url,
            Script = "exec 2>/dev/null; yes 0123456789012345678901234567890123456789 | head -c 50000000 || true; echo; tr '\\0' x < /dev/zero | head -c 50000000 || true; echo; echo end",
            Output = _ => lines++,
        }, CancellationToken.None);

        Assert.True(run.Succeeded, run.Error?.Message);
        Assert.Equal("end", run.OutputTail[^1]);
        Assert.Equal(200, run.OutputTail.Count);
        Assert.True(lines > 1_000_000);
        // Other tests run in this process as well, and hold some for a while.
        await Until(() => GC.GetTotalMemory(forceFullCollection: true) - before < 20_000_000);
    }

    [Fact]
    public async Task Cancelling_interrupts_the_command_which_may_clean_up()
    {
        using var runs = new Runs(Url);
        using var stop = new CancellationTokenSource();
        var run = runs.CommandAsync("trap 'echo cleaned; exit 1' INT; echo ready; while true; do read -t 1 < <(:) || true; done", stop.Token);
        await Until(() => runs.Output.Contains("ready"));

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Assert.Contains("cleaned", runs.Output);
    }

    [Fact]
    public async Task A_command_that_ignores_every_signal_is_killed_with_its_descendants()
    {
        using var runs = new Runs(Url);
        using var stop = new CancellationTokenSource();
        var run = runs.CommandAsync("trap '' INT TERM; sleep 600 & echo $!; echo $$; wait", stop.Token);
        await Until(() => runs.Output.Count == 2);

        var start = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);

        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 5, 12);
        // A busy machine needs a moment for what it was told.
        await Until(() => runs.Output.All(HasEnded));
    }

    private static bool HasEnded(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/status").Contains("Z (zombie)", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return true;
        }
    }

    [Fact]
    public async Task A_process_left_in_the_background_does_not_keep_the_run_waiting()
    {
        using var runs = new Runs(Url);

        var run = await runs.CommandAsync("sleep 600 & echo $!");

        Assert.True(run.Succeeded);
        Assert.InRange(run.Duration.TotalSeconds, 0, 30);
        await Until(() => !Directory.Exists($"/proc/{run.OutputTail.Single()}"));
    }

    [Fact]
    public async Task A_listener_that_fails_ends_the_command()
    {
        using var runs = new Runs(Url);
        await Assert.ThrowsAsync<InvalidOperationException>(() => new Pgd.Migrations.Migrations(runs, TimeProvider.System).RunCommandAsync(new MigrationCommand
        {
            Branch = BranchName.Parse("p/b"),
            Connection = Url,
            Script = "yes",
            Output = _ => throw new InvalidOperationException(),
        }, CancellationToken.None));
    }

    [Fact]
    public async Task A_missing_working_folder_is_misuse()
    {
        using var runs = new Runs(Url);
        var error = await Assert.ThrowsAsync<PgdException>(() => new Pgd.Migrations.Migrations(runs, TimeProvider.System).RunCommandAsync(
            new MigrationCommand { Branch = BranchName.Parse("p/b"), Connection = Url, Script = "true", WorkingDirectory = runs.Folder + "/none", Output = _ => { } }, CancellationToken.None));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
    }

    private static async Task Until(Func<bool> condition)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "The condition was not met in 30 seconds.");
            await Task.Delay(10);
        }
    }
}
