using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>No other test runs beside these: they end the engine that all share.</summary>
[CollectionDefinition(nameof(EndingEngines), DisableParallelization = true)]
public sealed class AloneWithTheEngine;

/// <summary>The engine, or a container, ends in the middle: that is told, and nothing is lost.</summary>
[Collection(nameof(EndingEngines))]
public sealed class EndingEngines
{
    [Theory]
    [InlineData("cloning shop/main", false)]
    [InlineData("starting shop/broken", true)]
    public async Task An_engine_that_ends_in_the_middle_is_told_and_nothing_is_lost(string step, bool kill)
    {
        await using var shop = await Shop.OpenAsync("btrfs", "btrfs", 17, "docker");
        var (sum, url) = (await shop.SumAsync("main"), await shop.ConnectAsync("main"));
        var before = shop.Take();
        var interrupting = new Workspace(shop.Workspace.Configuration, new At(step, () => Lab.Current.Docker.Stop(kill)));

        var error = await Record.ExceptionAsync(() => interrupting.Branches.CreateAsync(new() { Name = Shop.Name("broken") }, CancellationToken.None));
        // Another command, as it would be.
        var findings = await new Workspace(shop.Workspace.Configuration, SilentReporter.Instance).Doctor.CheckAsync(CancellationToken.None);
        Lab.Current.Docker.Restart();

        var told = Assert.IsType<PgdException>(error);
        Assert.Equal((ExitCode.MachineLacks, true), (told.ExitCode, told.Hint?.EndsWith("tart it: sudo systemctl start docker", StringComparison.Ordinal)));
        Assert.Contains("Docker engine", told.Message, StringComparison.Ordinal);
        Assert.Contains(findings, f => f is { Check: "docker", Severity: Severity.Problem } && f.Text.EndsWith("shop cannot be used", StringComparison.Ordinal));
        // An engine ends its containers, at the latest when it comes back.
        Assert.Equal(BranchStatus.Stopped, (await shop.GetAsync("main")).Status);
        await shop.Workspace.Doctor.FixAsync(dryRun: false, CancellationToken.None);
        await shop.StartAsync("main");

        Assert.Equal((sum, url), (await shop.SumAsync("main"), await shop.ConnectAsync("main")));
        // The server itself is another process than before.
        Assert.DoesNotContain(shop.Since(before), line => !line[2..].StartsWith("process ", StringComparison.Ordinal));
        await shop.CreateAsync("broken");
        Assert.Equal(sum, await shop.SumAsync("broken"));
    }

    [Fact]
    public async Task Branches_come_back_with_their_rows_and_addresses_after_the_engine_was_restarted()
    {
        await using var shop = await Shop.OpenAsync("btrfs", "btrfs", 17, "docker");
        await shop.CreateAsync("dev");
        await shop.AddAsync("dev", 17);
        var (sum, url) = (await shop.SumAsync("dev"), await shop.ConnectAsync("dev"));

        Lab.Current.Docker.Stop(kill: false);
        var unreachable = await Record.ExceptionAsync(() => shop.GetAsync("dev"));
        Lab.Current.Docker.Restart();

        Assert.Equal(ExitCode.MachineLacks, Assert.IsType<PgdException>(unreachable).ExitCode);
        await shop.StartAsync("dev");
        Assert.Equal((sum, url), (await shop.SumAsync("dev"), await shop.ConnectAsync("dev")));
    }

    [Fact]
    public async Task A_container_that_is_killed_while_its_branch_is_made_is_told_and_nothing_is_left()
    {
        await using var shop = await Shop.OpenAsync("btrfs", "btrfs", 17, "docker");
        var file = $"{Path.GetTempPath()}/pgd-slow-{Guid.NewGuid():N}.sql";
        await File.WriteAllTextAsync(file, "select pg_sleep(60)");
        var before = shop.Take();
        // While it is settled, behind its closed door.
        var killing = new Workspace(shop.Workspace.Configuration, new At($"anonymizing with {file}", () =>
            _ = Task.Run(() => LabCommand.Run("docker", "kill", LabCommand.Run("docker", "ps", "--quiet", "--filter", $"label=pgd.root={shop.Root}", "--filter", "label=pgd.branch=killed").Trim()))));

        var error = await Assert.ThrowsAsync<PgdException>(() => killing.Branches.CreateAsync(new() { Name = Shop.Name("killed"), Anonymization = new() { Files = [file] } }, CancellationToken.None));

        Assert.Equal(ExitCode.Failed, error.ExitCode);
        Assert.StartsWith("the server of shop/killed ended while its data was settled; the last lines of its log:\n", error.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Since(before));
        File.Delete(file);
    }

    // Does something the first time that a step is told.
    private sealed class At(string step, System.Action does) : IReporter
    {
        private bool _done;

        public void Step(string text)
        {
            if (_done || !text.StartsWith(step, StringComparison.Ordinal))
                return;
            _done = true;
            does();
        }

        public void Progress(string text, long done, long total)
        {
        }

        public void Warn(string text)
        {
        }
    }
}
