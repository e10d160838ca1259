using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>Data that was made with other libraries than its server has. Its own image is kept by its digest, so the tests change what the data says of its past.</summary>
public sealed class OtherLibraries(OtherLibraries.Sorted fixture) : IClassFixture<OtherLibraries.Sorted>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task Data_that_another_version_of_its_library_sorted_is_warned_of_with_what_to_type()
    {
        await MadeWithAsync("'2.28'");

        await _shop.CreateAsync("older");

        var warning = Assert.Single(_shop.TakeWarnings());
        Assert.Contains("text in english of shop/older was sorted by version 2.28 of its collation, and the image pgd-test:17-locale has 2.", warning, StringComparison.Ordinal);
        Assert.EndsWith("REINDEX DATABASE \"english\"; ALTER DATABASE \"english\" REFRESH COLLATION VERSION;", warning, StringComparison.Ordinal);
        // What it says to type is all that is needed.
        var url = await _shop.ConnectAsync("older", "english", "postgres");
        await Sql.AskAsync(url, "reindex database \"english\"");
        await Sql.AskAsync(url, "alter database \"english\" refresh collation version");
        await _shop.CreateAsync("of-older", from: "older");
        Assert.Empty(_shop.TakeWarnings());
        await _shop.DeleteAsync("of-older");
        await _shop.DeleteAsync("older");
        await MadeHereAsync();
    }

    [Fact]
    public async Task Data_that_another_C_library_sorted_is_refused_and_both_are_named()
    {
        await MadeWithAsync("null");

        var refused = await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.CreateAsync("foreign"));

        Assert.Equal("the database english of shop/foreign was made with musl, and the image pgd-test:17-locale has glibc, which sorts text in another order: its indexes would be wrong", refused.Message);
        Assert.Contains("--image postgres:17-alpine", refused.Hint, StringComparison.Ordinal);
        await MadeHereAsync();
    }

    [Fact]
    public async Task An_image_with_the_other_C_library_is_told_and_kept_with_the_project()
    {
        // The mark that such images carry; what else they have is not looked at.
        var image = Lab.Current.Docker.Variant(17, "musl", $"{EnglishLocale}; touch /lib/ld-musl-x86_64.so.1");
        await _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Image = image }, CancellationToken.None);
        try
        {
            Assert.Equal(("glibc", "musl"), (_shop.Workspace.State.RequireProject("shop").Image!.Libc, _shop.Workspace.State.RequireProject("other").Image!.Libc));
            var url = await _shop.Workspace.Branches.ConnectAsync(BranchName.Of("other", "main"), "postgres", "postgres", CancellationToken.None);
            await Sql.AskAsync(url, "create database english template template0 locale 'en_US.UTF-8'");

            var refused = await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.Workspace.Branches.CreateAsync(new() { Name = BranchName.Of("other", "dev") }, CancellationToken.None));

            Assert.Contains($"was made with glibc, and the image {image} has musl", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            await _shop.Workspace.Projects.DeleteAsync("other", force: true, CancellationToken.None);
        }
    }

    [Theory]
    [InlineData("shared_preload_libraries", "pg_stat_statements, no_such_library", "no_such_library")]
    [InlineData("session_preload_libraries", "$libdir/auto_explain, \"no such one\"", "no such one")]
    [InlineData("local_preload_libraries", "auto_explain", "auto_explain")]
    public async Task A_library_that_the_data_names_and_the_image_lacks_is_told_before_the_start(string setting, string libraries, string missing)
    {
        await _shop.CreateAsync("naming");
        var file = $"{await _shop.DataAsync("naming")}/postgresql.conf";
        try
        {
            // Not by ALTER SYSTEM, which would look for it.
            File.AppendAllText(file, $"{setting} = '{libraries}'\n");
            var refused = await _shop.RefusedAsync(ExitCode.MachineLacks, () => _shop.CreateAsync("of-naming", from: "naming"));
            Assert.Equal($"the image pgd-test:17-locale lacks {missing}, which {setting} of the data names", refused.Message);
            Assert.Contains("--image", refused.Hint, StringComparison.Ordinal);

            File.AppendAllText(file, $"{setting} = ''\nshared_preload_libraries = 'pg_stat_statements, $libdir/auto_explain'\n");
            await _shop.CreateAsync("of-naming", from: "naming");
            Assert.Equal("pg_stat_statements, $libdir/auto_explain", await _shop.AdministerAsync("of-naming", "show shared_preload_libraries"));
            await _shop.DeleteAsync("of-naming");
        }
        finally
        {
            await _shop.DeleteAsync("naming");
        }
    }

    [Fact]
    public async Task An_extension_of_an_adopted_cluster_whose_library_the_image_lacks_is_warned_of()
    {
        await _shop.CreateAsync("extended");
        await _shop.AdministerAsync("extended", "create extension pg_trgm", "set allow_system_table_mods = on; update pg_proc set probin = '$libdir/pg_trgm-9' where proname = 'similarity'");
        await _shop.StopAsync("extended");
        var place = Path.Combine(Path.GetDirectoryName(_shop.Workspace.Root)!, "elsewhere");
        LabCommand.Run("btrfs", "subvolume", "snapshot", await _shop.DataAsync("extended"), place);
        try
        {
            await _shop.Workspace.Projects.CreateAsync(new() { Name = "prod", Adopt = place, Image = Lab.Current.Docker.Variant(17, "locale", EnglishLocale) }, CancellationToken.None);
            _shop.TakeWarnings();

            await _shop.Workspace.Branches.CreateAsync(new() { Name = BranchName.Of("prod", "dev") }, CancellationToken.None);

            var warning = Assert.Single(_shop.TakeWarnings());
            Assert.StartsWith("the database shop of prod/dev has the extension pg_trgm, and the image pgd-test:17-locale lacks its library pg_trgm-9: its functions fail", warning, StringComparison.Ordinal);
        }
        finally
        {
            await _shop.Workspace.Projects.DeleteAsync("prod", force: true, CancellationToken.None);
            LabCommand.Run("btrfs", "subvolume", "delete", place);
            await _shop.DeleteAsync("extended");
        }
    }

    // The other tests have the same project.
    private Task MadeHereAsync() => MadeWithAsync("pg_database_collation_actual_version(oid)");

    private async Task MadeWithAsync(string version) =>
        await Sql.AskAsync(await _shop.ConnectAsync("main", "postgres", "postgres"), $"set allow_system_table_mods = on; update pg_database set datcollversion = {version} where datname = 'english'");

    // A locale is a folder; what it says about the order of text does not matter here.
    private const string EnglishLocale = "cp -r /usr/lib/locale/C.utf8 /usr/lib/locale/en_US.utf8";

    /// <summary>A project with a database whose text is not sorted by bytes.</summary>
    public sealed class Sorted : IAsyncLifetime
    {
        private Shop? _shop;

        /// <summary>The project.</summary>
        public Shop Shop => _shop ?? throw new InvalidOperationException("The fixture has not been initialized.");

        /// <inheritdoc/>
        public async ValueTask InitializeAsync()
        {
            _shop = await Shop.OpenAsync("btrfs", "btrfs", 17, "docker", image: Lab.Current.Docker.Variant(17, "locale", EnglishLocale));
            await _shop.AdministerAsync("main", "create database english template template0 locale 'en_US.UTF-8'");
        }

        /// <inheritdoc/>
        public async ValueTask DisposeAsync()
        {
            if (_shop is not null)
                await _shop.DisposeAsync();
        }
    }
}
