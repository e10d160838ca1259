using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>What server programs of this machine can and cannot start.</summary>
public sealed class NativeServers(Btrfs17 fixture) : IClassFixture<Btrfs17>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_source_that_is_tuned_for_a_large_machine_has_branches_on_a_small_one()
    {
        await Tuned.HasBranchesAsync(_shop);
    }

    [Fact]
    public async Task A_library_that_the_data_names_and_the_programs_lack_is_told_before_the_start()
    {
        await _shop.CreateAsync("naming");
        var file = $"{await _shop.DataAsync("naming")}/postgresql.conf";
        File.AppendAllText(file, "shared_preload_libraries = 'plpgsql, no_such_library'\n");

        var refused = await _shop.RefusedAsync(ExitCode.MachineLacks, () => _shop.CreateAsync("of-naming", from: "naming"));

        Assert.Equal($"PostgreSQL 17 in {Lab.Current.Servers.Folder(17)} lacks no_such_library, which shared_preload_libraries of the data names", refused.Message);
        Assert.StartsWith("Install the package that has it", refused.Hint, StringComparison.Ordinal);
        File.AppendAllText(file, "shared_preload_libraries = 'plpgsql'\n");
        await _shop.CreateAsync("of-naming", from: "naming");
        Assert.Equal("plpgsql", await _shop.AdministerAsync("of-naming", "show shared_preload_libraries"));
        await _shop.DeleteAsync("of-naming");
        await _shop.DeleteAsync("naming");
    }
}
