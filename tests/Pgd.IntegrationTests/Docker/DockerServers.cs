using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>What servers in containers get of this machine.</summary>
public sealed class DockerServers(BtrfsDocker17 fixture) : IClassFixture<BtrfsDocker17>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_source_that_is_tuned_for_a_large_machine_has_branches_on_a_small_one() => await Tuned.HasBranchesAsync(_shop);
}
