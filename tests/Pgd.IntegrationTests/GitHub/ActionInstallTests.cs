using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary><c>build/action-install.sh</c> with a script in the place of <c>dotnet</c>, which counts the builds and is as slow as a test needs.</summary>
public sealed class ActionInstallTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ActionInstallTests()
    {
        Write("action/src/Pgd.Tool/Program.cs", "return 0;");
        Write("action/Directory.Build.props", "<Project/>");
        Write("action/global.json", "{}");
        Write("action/build/action-install.sh", File.ReadAllText(Path.Combine(Checkout.Folder, "build", "action-install.sh")));
        Script("bin/dotnet", """
            echo "$*" >> "$FAKE/calls"
            for ((i = 1; i <= $#; i++)); do
              case ${!i} in
                --output | --tool-path) next=$((i + 1)); out=${!next} ;;
              esac
            done
            if [[ -e $FAKE/fail ]]; then echo "error MSB0000: no" >&2; exit 1; fi
            mkdir -p "$out"
            printf '#!/bin/sh\nexit 0\n' > "$out/dotnet-pgd"
            chmod +x "$out/dotnet-pgd"
            # Whoever asks for it is kept here until both are here.
            if [[ -e $FAKE/meet ]]; then echo here >> "$FAKE/meet"; until [[ $(wc -l < "$FAKE/meet") -ge 2 ]]; do sleep 0.01; done; fi
            """);
    }

    [Fact]
    public async Task The_second_job_of_a_commit_does_not_build_again()
    {
        var first = await InstallAsync();
        var second = await InstallAsync();

        Assert.Equal((0, 0), (first.Status, second.Status));
        Assert.Single(Calls);
        Assert.Equal(first.Path, second.Path);
        Assert.True(File.Exists(Path.Combine(first.Path, "dotnet-pgd")));
        Assert.Empty(Leftovers);
    }

    [Fact]
    public async Task Another_commit_is_built_beside_the_first()
    {
        var first = await InstallAsync();
        Write("action/src/Pgd.Tool/Program.cs", "return 1;");
        var second = await InstallAsync();

        Assert.Equal(2, Calls.Length);
        Assert.NotEqual(first.Path, second.Path);
        Assert.True(File.Exists(Path.Combine(first.Path, "dotnet-pgd")));
    }

    [Fact]
    public async Task What_a_build_leaves_in_the_checkout_does_not_make_another_commit()
    {
        await InstallAsync();
        Write("action/src/Pgd.Tool/obj/project.assets.json", "{}");
        Write("action/src/Pgd.Tool/bin/Release/x.dll", "");
        await InstallAsync();

        Assert.Single(Calls);
    }

    [Fact]
    public async Task Two_jobs_at_once_build_once()
    {
        var results = await Task.WhenAll(InstallAsync(), InstallAsync(), InstallAsync());

        Assert.All(results, result => Assert.Equal(0, result.Status));
        Assert.Single(Calls);
        Assert.Empty(Leftovers);
    }

    [Fact]
    public async Task Two_jobs_at_once_are_safe_where_nothing_locks()
    {
        // Both build at the same time, proved by their meeting in the middle; one of them renames first.
        File.WriteAllText(Path.Combine(_folder.Path, "meet"), "");
        Script("bin/flock", "exit 0");

        var results = await Task.WhenAll(InstallAsync(), InstallAsync());

        Assert.All(results, result => Assert.Equal(0, result.Status));
        Assert.Equal(2, Calls.Length);
        Assert.Single(results.Select(result => result.Path).Distinct());
        Assert.Equal(["dotnet-pgd"], Directory.GetFileSystemEntries(results[0].Path).Select(entry => Path.GetFileName(entry)));
        Assert.Empty(Leftovers);
    }

    [Fact]
    public async Task A_build_that_fails_leaves_nothing_and_is_tried_again()
    {
        Write("fail", "");
        var failed = await InstallAsync();
        File.Delete(Path.Combine(_folder.Path, "fail"));
        var repeated = await InstallAsync();

        Assert.NotEqual(0, failed.Status);
        Assert.Contains("MSB0000", failed.Output, StringComparison.Ordinal);
        Assert.Equal("", failed.Path);
        Assert.Equal(0, repeated.Status);
        Assert.Empty(Leftovers);
    }

    [Fact]
    public async Task A_published_version_is_installed_once()
    {
        var first = await InstallAsync("1.2.3");
        await InstallAsync("1.2.3");

        Assert.Equal(0, first.Status);
        Assert.StartsWith("tool install Pgd.Tool --version 1.2.3 ", Assert.Single(Calls), StringComparison.Ordinal);
        Assert.Contains("/pgd/1.2.3/", first.Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_outside_the_usual_folders_is_made_known_to_later_steps()
    {
        Script("bin/dotnet", """
            if [[ $1 == --list-runtimes ]]; then
              echo "Microsoft.NETCore.App 8.0.1 [/old/shared/Microsoft.NETCore.App]"
              echo "Microsoft.NETCore.App 10.0.0 [/opt/my net/shared/Microsoft.NETCore.App]"
              exit
            fi
            for ((i = 1; i <= $#; i++)); do if [[ ${!i} == --output ]]; then next=$((i + 1)); out=${!next}; fi; done
            mkdir -p "$out"
            printf '#!/bin/sh\n[ "$DOTNET_ROOT" = "/opt/my net" ]\n' > "$out/dotnet-pgd"
            chmod +x "$out/dotnet-pgd"
            """);

        var result = await InstallAsync();

        Assert.Equal(0, result.Status);
        Assert.Equal("DOTNET_ROOT=/opt/my net\n", await File.ReadAllTextAsync(Path.Combine(_folder.Path, "env")));
    }

    [Fact]
    public async Task What_a_killed_build_left_is_removed_when_it_is_old()
    {
        var old = Directory.CreateDirectory(Path.Combine(_folder.Path, "cache", "pgd", ".new.killed")).FullName;
        var recent = Directory.CreateDirectory(Path.Combine(_folder.Path, "cache", "pgd", ".new.running")).FullName;
        Directory.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-3));

        await InstallAsync();

        Assert.Equal([recent], Leftovers);
    }

    [Theory]
    [InlineData("latest")]
    [InlineData("1.*")]
    [InlineData("../../../etc")]
    [InlineData("1.2.3; id")]
    public async Task A_version_that_is_not_exact_is_refused(string version)
    {
        var result = await InstallAsync(version);

        Assert.Equal(2, result.Status);
        Assert.Contains("::error::pgd: the input \"version\" must be an exact version", result.Output, StringComparison.Ordinal);
        Assert.Empty(Calls);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private string[] Calls => File.Exists(Path.Combine(_folder.Path, "calls")) ? File.ReadAllLines(Path.Combine(_folder.Path, "calls")) : [];

    private IEnumerable<string> Leftovers => Directory.GetDirectories(Path.Combine(_folder.Path, "cache", "pgd"), ".*");

    private async Task<(int Status, string Output, string Path)> InstallAsync(string version = "")
    {
        var added = Path.Combine(_folder.Path, $"path-{Guid.NewGuid():N}");
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(_folder.Path, "action", "build", "action-install.sh"));
        foreach (var (name, value) in new Dictionary<string, string>
        {
            ["PATH"] = $"{Path.Combine(_folder.Path, "bin")}:{Environment.GetEnvironmentVariable("PATH")}",
            ["FAKE"] = _folder.Path,
            ["RUNNER_TOOL_CACHE"] = Path.Combine(_folder.Path, "cache"),
            ["GITHUB_ACTION_PATH"] = Path.Combine(_folder.Path, "action"),
            ["GITHUB_PATH"] = added,
            ["GITHUB_ENV"] = Path.Combine(_folder.Path, "env"),
            ["PGD_INPUT_VERSION"] = version,
        })
        {
            start.Environment[name] = value;
        }

        start.Environment.Remove("DOTNET_ROOT");

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await error, File.Exists(added) ? (await File.ReadAllTextAsync(added)).Trim() : "");
    }

    private void Write(string path, string text)
    {
        var file = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    private void Script(string path, string text)
    {
        Write(path, $"#!/usr/bin/env bash\n{text}\n");
        File.SetUnixFileMode(Path.Combine(_folder.Path, path), LabFolder.Traversable);
    }
}
