using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>A source whose settings ask for more memory than this machine has.</summary>
internal static class Tuned
{
    public static async Task HasBranchesAsync(Shop shop)
    {
        await shop.CreateAsync("large");
        await shop.AdministerAsync("large", "alter system set shared_buffers = '4TB'", "alter system set huge_pages = on", "alter system set min_dynamic_shared_memory = '1TB'");
        var small = new Workspace(shop.Workspace.Configuration with { BranchMemory = 256 << 20 }, SilentReporter.Instance);

        var branch = (await small.Branches.CreateAsync(new() { Name = Shop.Name("small"), From = "large" }, CancellationToken.None)).Branch;

        Assert.Equal("64MB off", await shop.AdministerAsync("small", "select concat_ws(' ', current_setting('shared_buffers'), current_setting('huge_pages'))"));
        Assert.Equal(await shop.SumAsync("main"), await shop.SumAsync("small"));
        if (shop.Runtime == "docker")
            Assert.Equal("268435456", LabCommand.Run("docker", "inspect", "--format", "{{.HostConfig.Memory}}", $"pgd-{branch.Id}-g1").Trim());
        // Less than it may have is what it gets.
        await shop.AdministerAsync("small", "alter system set shared_buffers = '4MB'");
        await small.Branches.RestartAsync(branch.Name, CancellationToken.None);
        Assert.Equal("4MB", await shop.AdministerAsync("small", "show shared_buffers"));
        // And by default a source's usual settings stay.
        Assert.Equal("128MB", await shop.AdministerAsync("main", "show shared_buffers"));
        await shop.DeleteAsync("small");
        await shop.DeleteAsync("large");
    }
}
