using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Names that cannot be, and names of what is not there: a clear error, and nothing has changed.</summary>
public sealed class BadNames(BadNames.Shop shop) : IClassFixture<BadNames.Shop>
{
    public static TheoryData<string> Malformed { get; } =
    [
        "", "/", "shop/", "/dev", "shop", "shop/dev/x", "shop//dev", "shop/..", "../shop", "../../etc/passwd", "shop/.", "shop/DEV", "Shop/dev", "shop/a b", "shop/ dev",
        "shop/a'b", "shop/a\"b", "shop/a;b", "shop/$(id)", "shop/a\nb", "shop/a\0b", "shop/a\tb", "shop/-dev", "shop/dev-", "shop/d\u00e9v", "shop/\U0001F4A5", "shop/a\u202eb", "shop/a_b", "shop/a*", "shop/a\\b",
        "shop/" + new string('a', 51), new string('a', 51) + "/dev", "shop/" + new string('a', 5000),
    ];

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task A_malformed_name_of_a_branch_is_refused_by_every_command(string name)
    {
        var before = shop.Root.Listing();
        foreach (string[] command in (string[][])[["branch", "create"], ["branch", "get"], ["branch", "reset"], ["branch", "delete"], ["branch", "delete", "--if-exists"], ["branch", "url"], ["branch", "logs"], ["start"], ["stop"], ["restart"]])
        {
            var result = await shop.Root.InProcessAsync([.. command, name]);

            Assert.True(result.Status == (int)ExitCode.Misuse, $"{string.Join(' ', command)}: {result}");
            Assert.StartsWith("error: ", result.Error, StringComparison.Ordinal);
            // One line of error and one of hint, whatever the name holds.
            Assert.InRange(result.Error.TrimEnd('\n').Split('\n').Length, 1, 2);
            Assert.True(result.Error.Length < 600, result.Error);
            Assert.Empty(result.Output);
        }

        Assert.Equal(before, shop.Root.Listing());
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("Shop")]
    [InlineData("a\nb")]
    [InlineData("-")]
    [InlineData("_project")]
    [InlineData("a'b")]
    public async Task A_malformed_name_of_a_project_is_refused_by_every_command(string name)
    {
        var before = shop.Root.Listing();
        foreach (string[] command in (string[][])[["project", "create"], ["project", "get"], ["project", "delete"], ["branch", "list"]])
        {
            var result = await shop.Root.InProcessAsync([.. command, name]);
            Assert.True(result.Status == (int)ExitCode.Misuse, $"{string.Join(' ', command)}: {result}");
        }

        Assert.Equal(before, shop.Root.Listing());
    }

    [Theory]
    [InlineData("--dev")]
    [InlineData("-x")]
    public async Task A_name_that_looks_like_an_option_is_an_unknown_option(string name)
    {
        var result = await shop.Root.InProcessAsync("branch", "delete", name);
        Assert.Equal((int)ExitCode.Misuse, result.Status);
        Assert.Contains("unknown option", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData((int)ExitCode.NotFound, "branch", "create", "shop/dev", "--from", "nobody")]
    [InlineData((int)ExitCode.NotFound, "branch", "create", "nowhere/dev")]
    [InlineData((int)ExitCode.NotFound, "branch", "reset", "shop/nobody")]
    [InlineData((int)ExitCode.NotFound, "branch", "delete", "shop/nobody")]
    [InlineData((int)ExitCode.NotFound, "branch", "delete", "nowhere/nobody")]
    [InlineData((int)ExitCode.NotFound, "branch", "url", "shop/nobody")]
    [InlineData((int)ExitCode.NotFound, "start", "shop/nobody")]
    [InlineData((int)ExitCode.NotFound, "branch", "list", "nowhere")]
    [InlineData((int)ExitCode.NotFound, "project", "delete", "nowhere")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/main")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--from", "dev")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--from", "../main")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--from", "other/main")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--ttl", "soon")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--label", "nothing")]
    [InlineData((int)ExitCode.Misuse, "branch", "create", "shop/dev", "--anonymize", "/nonexistent.sql")]
    [InlineData((int)ExitCode.Misuse, "branch", "reset", "shop/main")]
    [InlineData((int)ExitCode.Unsafe, "branch", "delete", "shop/main")]
    [InlineData((int)ExitCode.Misuse, "project", "create", "new", "--port-range", "80-90")]
    [InlineData((int)ExitCode.Misuse, "project", "create", "new", "--pg-version", "9")]
    [InlineData((int)ExitCode.MachineLacks, "project", "create", "new", "--pg-version", "14")]
    [InlineData((int)ExitCode.Misuse, "project", "create", "new", "--storage", "floppy")]
    [InlineData((int)ExitCode.Exists, "project", "create", "shop")]
    public async Task What_cannot_be_done_has_its_exit_code_and_changes_nothing(int status, params string[] command)
    {
        var before = shop.Root.Listing();

        var result = await shop.Root.InProcessAsync(command);

        Assert.True(result.Status == status, result.ToString());
        Assert.StartsWith("error: ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("looks like a bug", result.Error, StringComparison.Ordinal);
        Assert.Equal(before, shop.Root.Listing());
        Assert.Empty(shop.Root.StrayLocks());
    }

    /// <summary>A project that nothing happens to.</summary>
    public sealed class Shop : IAsyncLifetime
    {
        internal ToolRoot Root { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Root = await ToolRoot.WithProjectAsync("btrfs");

        public ValueTask DisposeAsync()
        {
            Root.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
