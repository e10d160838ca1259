using System.Diagnostics;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Testing;

/// <summary>The example's tests, with Npgsql alone and with Entity Framework Core, built against the packages of this repository: a test host of its own, that can be killed.</summary>
public sealed partial class TestingExample(TestingExample.Built example) : IClassFixture<TestingExample.Built>, IAsyncLifetime
{
    private static readonly int Kills = Soak.IsOn ? 50 : 5;
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithUsedProjectAsync("reflink");
        await _root.SqlAsync(ToolRoot.Main, "alter table orders owner to shop");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task The_tests_of_the_example_and_of_the_README_run_and_leave_only_what_they_were_made_from()
    {
        var before = Listing();

        Run();

        Assert.Equal(2, Regex.Count(_root.Succeed("branch", "list", "shop"), "shop/test-[0-9a-f]{8} +stopped "));
        foreach (var name in Regex.Matches(_root.Succeed("branch", "list", "shop"), "shop/test-[0-9a-f]{8}").Select(m => m.Value))
            _root.Succeed("branch", "delete", name);
        Assert.Equal(before, Listing());
        // The README shows them.
        var readme = await File.ReadAllTextAsync(Path.Combine(Checkout.Folder, "README.md"));
        foreach (var line in await File.ReadAllLinesAsync(Path.Combine(Checkout.Folder, "examples", "testing", "OrderTests.cs")))
        {
            if (line.Contains("PgdDatabaseFixture", StringComparison.Ordinal) || line.Contains("IClassFixture", StringComparison.Ordinal))
                Assert.Contains(line, readme, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_test_host_that_is_killed_at_any_moment_leaves_nothing_after_the_next_start()
    {
        Run();
        var quiet = Listing();
        var random = new Random(20261129);
        var clock = Stopwatch.StartNew();
        Run();
        var longest = clock.Elapsed;
        for (var kill = 0; kill < Kills; kill++)
        {
            // Half of them while what databases are made from is made as well.
            if (kill % 2 == 1)
            {
                foreach (var name in Regex.Matches(_root.Succeed("branch", "list", "shop"), "shop/test-[0-9a-f]{8} ").Select(m => m.Value.Trim()))
                    _root.Tool("branch", "delete", name);
            }

            using (var host = Process.Start(Start())!)
            {
                _ = (host.StandardOutput.ReadToEndAsync(), host.StandardError.ReadToEndAsync());
                if (!host.WaitForExit(longest * random.NextDouble()))
                    host.Kill(entireProcessTree: false);
                host.WaitForExit();
            }

            Run();
            Assert.Equal(quiet, Listing());
        }
    }

    private IReadOnlyList<string> Listing() => [.. _root.SteadyListing().Select(entry => Prepared().Replace(entry, "test-#")).Order(StringComparer.Ordinal)];

    private void Run()
    {
        using var host = Process.Start(Start())!;
        var (output, error) = (host.StandardOutput.ReadToEndAsync(), host.StandardError.ReadToEndAsync());
        host.WaitForExit();
        Assert.True(host.ExitCode == 0, output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult());
        PasswordScan.Refuse("what test hosts say", output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult());
    }

    private ProcessStartInfo Start()
    {
        var start = new ProcessStartInfo("dotnet", [example.Program, "-noLogo", "-noColor"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in _root.Variables)
            start.Environment[name] = value;
        return start;
    }

    [GeneratedRegex("test-[0-9a-f]{8}")]
    private static partial Regex Prepared();

    /// <summary>The example, built.</summary>
    public sealed class Built : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        /// <summary>Packs what it needs, and builds it.</summary>
        public Built()
        {
            var feed = Path.Combine(_folder.Path, "feed");
            // A version that no package folder of this machine has yet.
            var version = $"0.1.0-test.{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}";
            foreach (var project in (string[])["Pgd", "Pgd.Testing"])
                LabCommand.Run("dotnet", "pack", Path.Combine(Checkout.Folder, "src", project), "--configuration", "Release", "--no-build", "-p:BuildProjectReferences=false", $"-p:Version={version}", "--output", feed, "-nologo", "-v", "quiet");
            var copy = Path.Combine(_folder.Path, "example");
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Checkout.Folder, "examples", "testing"), "*", SearchOption.AllDirectories))
            {
                var relative = Path.GetRelativePath(Path.Combine(Checkout.Folder, "examples", "testing"), file);
                if (relative.Split('/')[0] is "bin" or "obj")
                    continue;
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(copy, relative))!);
                File.WriteAllText(Path.Combine(copy, relative), File.ReadAllText(file).Replace("Include=\"Pgd.Testing\" Version=\"0.1.0\"", $"Include=\"Pgd.Testing\" Version=\"{version}\"", StringComparison.Ordinal));
            }

            // What is public comes from where the build has it from; ours stays out of the machine's own package folder.
            LabCommand.Run("dotnet", "build", copy, "--configuration", "Release", "-nologo", "-v", "quiet", $"-p:RestoreAdditionalProjectSources={feed}", $"-p:RestorePackagesPath={Path.Combine(_folder.Path, "packages")}");
            Program = Path.Combine(copy, "bin/Release/net10.0/Shop.Tests.dll");
        }

        /// <summary>The test host.</summary>
        public string Program { get; }

        /// <inheritdoc/>
        public void Dispose() => _folder.Dispose();
    }
}
