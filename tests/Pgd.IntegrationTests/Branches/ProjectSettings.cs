using Pgd.Configuration;
using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>Settings that the host's configuration gives to a project's servers.</summary>
public abstract class ProjectSettings(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task Settings_of_a_project_reach_main_and_branches_over_those_in_the_data_and_under_what_keeps_a_branch_apart()
    {
        var workspace = With(("work_mem", "7MB"), ("wal_level", "logical"), ("shop.flavor", "it's = \"new\""), ("shared_buffers", "24MB"));
        await _shop.AdministerAsync("main", "alter system set work_mem = '9MB'", "alter system set archive_mode = on", "alter system set archive_command = 'false'");
        await workspace.Branches.RestartAsync(Shop.Main, CancellationToken.None);

        var branch = (await workspace.Branches.CreateAsync(new() { Name = Shop.Name("set") }, CancellationToken.None)).Branch;

        const string ask = "select concat_ws(' ', current_setting('work_mem'), current_setting('shared_buffers'), current_setting('wal_level'), current_setting('archive_mode'), current_setting('shop.flavor'))";
        Assert.Equal("7MB 24MB logical on it's = \"new\"", await _shop.AdministerAsync("main", ask));
        Assert.Equal("7MB 24MB logical off it's = \"new\"", await _shop.AdministerAsync("set", ask));
        Assert.Equal("7MB", (await workspace.Projects.GetAsync("shop", CancellationToken.None)).Settings["work_mem"]);
        // More than a branch may have of this machine's memory it does not get.
        var greedy = new Workspace(With(("shared_buffers", "4TB")).Configuration with { BranchMemory = 256 << 20 }, SilentReporter.Instance);
        await greedy.Branches.RestartAsync(branch.Name, CancellationToken.None);
        Assert.Equal("64MB", await _shop.AdministerAsync("set", "show shared_buffers"));
        // Without them all is as the data says.
        await _shop.RestartAsync("set");
        Assert.Equal("9MB", await _shop.AdministerAsync("set", "show work_mem"));

        await _shop.DeleteAsync("set");
        await _shop.AdministerAsync("main", "alter system reset all");
        await _shop.RestartAsync("main");
    }

    [Theory]
    [InlineData("shared_bufers", "1GB")]
    [InlineData("work_mem", "plenty")]
    public async Task A_setting_that_the_server_does_not_take_is_named_with_its_file_and_nothing_is_left(string name, string value)
    {
        var refused = await _shop.RefusedAsync(ExitCode.Misuse, () => With((name, value)).Branches.CreateAsync(new() { Name = Shop.Name("unset") }, CancellationToken.None));

        Assert.StartsWith($"the server of shop/unset does not start with {name} = {value} (/etc/pgd/config.yaml:7); the last lines of its log:", refused.Message, StringComparison.Ordinal);
        Assert.Equal("Correct it there, or take it out.", refused.Hint);
    }

    private Workspace With(params (string Name, string Value)[] settings) => new(_shop.Workspace.Configuration with
    {
        Projects = new Dictionary<string, ProjectConfiguration> { ["shop"] = new() { Settings = settings.ToDictionary(s => s.Name, s => new ServerSetting(s.Value, "/etc/pgd/config.yaml:7")) } },
    }, SilentReporter.Instance);
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class ProjectSettingsOnBtrfs15(Btrfs15 fixture) : ProjectSettings(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class ProjectSettingsOnBtrfs18(Btrfs18 fixture) : ProjectSettings(fixture), IClassFixture<Btrfs18>;

/// <inheritdoc/>
public sealed class ProjectSettingsOnBtrfsInDocker17(BtrfsDocker17 fixture) : ProjectSettings(fixture), IClassFixture<BtrfsDocker17>;
