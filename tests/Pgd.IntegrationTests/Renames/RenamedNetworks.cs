using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.Docker;
using Xunit;

namespace Pgd.IntegrationTests.Renames;

/// <summary>Other names for what is in a network that leads nowhere.</summary>
public sealed class RenamedNetworks(InternalNetwork.Fenced fixture) : IClassFixture<InternalNetwork.Fenced>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task The_network_goes_with_its_project_and_the_addresses_stay()
    {
        await _shop.CreateAsync("kept");
        var (url, before) = (await _shop.ConnectAsync("kept"), _shop.Take());

        await _shop.Workspace.Projects.RenameAsync("shop", "store", default);

        Assert.Equal(url, await _shop.Workspace.Branches.ConnectAsync(BranchName.Parse("store/kept"), null, null, default));
        Assert.StartsWith("network pgd-store-", Assert.Single(_shop.Take().Entries, e => e.StartsWith("network ", StringComparison.Ordinal)), StringComparison.Ordinal);
        await _shop.Workspace.Projects.RenameAsync("store", "shop", default);
        Assert.Equal(url, await _shop.ConnectAsync("kept"));
        Assert.DoesNotContain(_shop.Since(before), line => line.Contains("network ", StringComparison.Ordinal));
        await _shop.DeleteAsync("kept");
    }

    [Fact]
    public async Task A_promoted_branch_leaves_the_network_and_has_one_for_branches_of_its_own()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("seed");
        var promoted = await _shop.Workspace.Branches.PromoteAsync(Shop.Name("seed"), "nursery", default);

        Assert.Equal(("internal", "127.0.0.1"), (promoted.Project.Network, promoted.Branch.Host));
        Assert.Contains(promoted.Quarantine, i => i is { Name: "memory of its container", Lifted: true });
        Assert.Equal("1000", await _shop.AskAsync(promoted.Branch.Name, "select count(*)::text from orders"));
        await _shop.Workspace.Branches.CreateAsync(new() { Name = BranchName.Parse("nursery/dev") }, default);
        await _shop.Workspace.Projects.DeleteAsync("nursery", force: true, default);
        Assert.Empty(_shop.Since(before));
    }
}
