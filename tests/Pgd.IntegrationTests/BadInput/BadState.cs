using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Records that cannot be read, or were written by a newer version, and a host key that is damaged.</summary>
public sealed class BadState
{
    private static readonly string[][] Commands =
    [
        ["branch", "list"], ["branch", "list", "shop"], ["branch", "get", "shop/dev"], ["branch", "create", "shop/new"], ["branch", "create", "shop/dev", "--ensure"],
        ["branch", "reset", "shop/dev"], ["branch", "delete", "shop/dev"], ["branch", "url", "shop/dev"], ["start", "shop/dev"], ["stop", "shop/dev"], ["status"],
        ["project", "delete", "shop", "--force"], ["doctor"], ["doctor", "--fix"],
    ];

    [Theory]
    [InlineData("dev.json", "half")]
    [InlineData("dev.json", "")]
    [InlineData("dev.json", "null")]
    [InlineData("dev.json", "{}")]
    [InlineData("dev.json", "\0\0\0\0")]
    [InlineData("dev.json", "[1]")]
    [InlineData("main.json", "half")]
    [InlineData("_project.json", "half")]
    public async Task A_record_that_is_damaged_is_named_and_nothing_is_touched(string file, string content)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        var record = $"{root.Folder}/state/shop/{file}";
        var whole = await File.ReadAllTextAsync(record);
        await File.WriteAllTextAsync(record, content == "half" ? whole[..(whole.Length / 2)] : content);
        var before = root.Listing();

        // What the damaged record has nothing to do with works.
        foreach (var command in Commands.Where(command => file != "main.json" || !IsAbout(command, "shop/dev")))
        {
            var result = await root.InProcessAsync(command);
            Assert.True(result.Status == (int)ExitCode.Failed, $"{string.Join(' ', command)}: {result}");
            Assert.Contains(record, result.Output + result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("looks like a bug", result.Error, StringComparison.Ordinal);
            Assert.Equal(before, root.Listing());
        }

        await File.WriteAllTextAsync(record, whole);
        Assert.Equal(0, (await root.InProcessAsync("branch", "url", "shop/dev")).Status);
    }

    [Theory]
    [InlineData("dev.json")]
    [InlineData("_project.json")]
    public async Task A_record_of_a_newer_version_is_left_to_that_version(string file)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        var record = $"{root.Folder}/state/shop/{file}";
        await File.WriteAllTextAsync(record, (await File.ReadAllTextAsync(record)).Replace("\"format\": 1", "\"format\": 2", StringComparison.Ordinal));
        var before = root.Listing();

        foreach (var command in Commands)
        {
            var result = await root.InProcessAsync(command);
            // The doctor reports it as one problem among others.
            Assert.True(result.Status == (int)ExitCode.MachineLacks || (command is ["doctor"] && result.Status == (int)ExitCode.Failed), $"{string.Join(' ', command)}: {result}");
            Assert.Contains("was written by a newer version", result.Output + result.Error, StringComparison.Ordinal);
            Assert.Equal(before, root.Listing());
        }
    }

    [Theory]
    [InlineData(31)]
    [InlineData(0)]
    public async Task A_host_key_that_is_damaged_stops_what_needs_a_password_and_nothing_else(int bytes)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        var key = await File.ReadAllBytesAsync($"{root.Folder}/host.key");
        await File.WriteAllBytesAsync($"{root.Folder}/host.key", key[..bytes]);
        var before = root.SteadyListing();

        foreach (string[] command in (string[][])[["branch", "url", "shop/dev"], ["branch", "create", "shop/new"], ["branch", "reset", "shop/dev"]])
        {
            var result = await root.InProcessAsync(command);
            Assert.True(result.Status == (int)ExitCode.Failed, $"{string.Join(' ', command)}: {result}");
            Assert.Contains("host.key is damaged", result.Error, StringComparison.Ordinal);
            Assert.Equal(before, root.SteadyListing());
        }

        Assert.Equal(0, (await root.InProcessAsync("branch", "list")).Status);
        Assert.Contains("host key", (await root.InProcessAsync("doctor")).Output, StringComparison.Ordinal);
        await File.WriteAllBytesAsync($"{root.Folder}/host.key", key);
        Assert.Equal(0, (await root.InProcessAsync("branch", "url", "shop/dev")).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_folder_of_the_same_name_that_another_tool_made_is_left_untouched(bool marked)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var folder = $"{root.Folder}/volumes/shop/dev/g1";
        Directory.CreateDirectory($"{folder}/data");
        await File.WriteAllTextAsync($"{folder}/data/precious", "theirs");
        if (marked)
            await File.WriteAllTextAsync($"{folder}/volume.json", "{\"project\":\"shop\",\"branch\":\"dev\",\"branchId\":\"000000000000\",\"generation\":1}");
        var before = root.Listing();

        var result = await root.InProcessAsync("branch", "create", "shop/dev");

        Assert.Equal((int)ExitCode.Exists, result.Status);
        Assert.Contains(folder, result.Error, StringComparison.Ordinal);
        // Nothing was made, so there is nothing that could not be taken back.
        Assert.DoesNotContain("warning", result.Error, StringComparison.Ordinal);
        Assert.Equal(before, root.Listing());
        Assert.Equal("theirs", await File.ReadAllTextAsync($"{folder}/data/precious"));
    }

    private static bool IsAbout(string[] command, string branch) => command is ["start" or "stop", var one] ? one == branch : command is ["branch", "get" or "url" or "create", var other, ..] && other == branch;
}
