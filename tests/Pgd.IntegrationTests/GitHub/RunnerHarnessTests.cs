using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The action's steps on the harness, with a script in the tool's place: what it is given, and what becomes of what it says.</summary>
public sealed class RunnerHarnessTests : IAsyncLifetime
{
    private const string StubVersion = "9.9.9";
    private readonly TemporaryFolder _folder = new();
    private FakeGitHub _github = null!;
    private FakeRepository _repository = null!;

    [Theory]
    [InlineData("it's \"quoted\"")]
    [InlineData("two\nlines\n")]
    [InlineData("$(touch /tmp/pgd-was-here) `id` $HOME")]
    [InlineData("a; rm -rf / && echo \\ | cat > x")]
    [InlineData("${{ github.token }} ${{")]
    [InlineData(" leading, trailing and ünïcödé \u2028 ")]
    [InlineData("'; drop table t; --")]
    public async Task An_input_arrives_as_it_was_written(string text)
    {
        var runner = NewRunner("printf '%s' \"$PGD_INPUT_MIGRATE\" > seen; printf '%s' \"$*\" > arguments");

        var result = await runner.RunAsync(Job(("migrate", text)));

        Assert.Equal(0, result.ExitCode);
        Assert.Equal(text, Seen(runner, "seen"));
        Assert.Equal("pr auto", Seen(runner, "arguments"));
    }

    [Fact]
    public async Task An_input_that_is_not_given_is_empty_or_has_its_default()
    {
        var runner = NewRunner("printf '%s' \"$PGD_INPUT_COMMAND|$PGD_INPUT_PROJECT|$PGD_INPUT_GITHUB_TOKEN\" > seen");
        var job = Job();

        await runner.RunAsync(job);

        Assert.Equal($"auto||{job.Token.Value}", Seen(runner, "seen"));
    }

    [Fact]
    public async Task The_tool_sees_what_a_runner_tells()
    {
        var runner = NewRunner("env > seen; cat \"$GITHUB_EVENT_PATH\" > event");
        var job = Job();

        await runner.RunAsync(job);

        var seen = Seen(runner, "seen");
        foreach (var line in new[]
        {
            "GITHUB_EVENT_NAME=pull_request", $"GITHUB_REPOSITORY={_repository.FullName}", $"GITHUB_REPOSITORY_ID={_repository.Id}", $"GITHUB_API_URL={_github.Api}",
            "GITHUB_ACTIONS=true", "CI=true", $"GITHUB_WORKSPACE={runner.Workspace}", $"RUNNER_TOOL_CACHE={runner.ToolCache}", "RUNNER_TRACKING_ID=github_",
            "RUNNER_TEMP=", "GITHUB_OUTPUT=", "GITHUB_STEP_SUMMARY=",
        })
        {
            Assert.Contains($"\n{line}", $"\n{seen}", StringComparison.Ordinal);
        }

        Assert.Equal(job.Payload, Seen(runner, "event"));
    }

    [Fact]
    public async Task Outputs_summary_and_annotations_are_collected()
    {
        var runner = NewRunner("""
            echo branch=shop/pr-42 >> "$GITHUB_OUTPUT"
            printf 'url<<END\npostgresql://one\ntwo\nEND\n' >> "$GITHUB_OUTPUT"
            echo '# Report' >> "$GITHUB_STEP_SUMMARY"
            echo '::warning title=pgd::no rights'
            """);

        var result = await runner.RunAsync(Job());

        Assert.Equal("shop/pr-42", result.Outputs["branch"]);
        Assert.Equal("postgresql://one\ntwo", result.Outputs["url"]);
        Assert.Equal("", result.Outputs["skipped"]);
        Assert.Equal("# Report\n", result.Summary);
        Assert.Equal(new("warning", "no rights"), Assert.Single(result.Log.Annotations));
    }

    [Fact]
    public async Task A_masked_text_and_the_token_are_not_in_the_log()
    {
        var runner = NewRunner("""
            echo "::add-mask::s3cret%0Aand more"
            echo "the password is s3cret" >&2
            echo "and more of $PGD_INPUT_GITHUB_TOKEN"
            """);
        var job = Job();

        var result = await runner.RunAsync(job);

        Assert.Contains("the password is ***", result.Log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", result.Log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("and more", result.Log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(job.Token.Value, result.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_are_not_obeyed_while_they_are_stopped()
    {
        var runner = NewRunner("""
            echo '::stop-commands::enough'
            echo '::error::forged'
            echo '::enough::'
            echo '::error::genuine'
            """);

        var result = await runner.RunAsync(Job());

        Assert.Equal(new("error", "genuine"), Assert.Single(result.Log.Annotations));
    }

    [Fact]
    public async Task The_tools_exit_code_is_the_steps()
    {
        var result = await NewRunner("exit 8").RunAsync(Job());

        Assert.Equal(8, result.ExitCode);
    }

    [Fact]
    public async Task An_SDK_that_is_there_is_not_installed_again()
    {
        var result = await NewRunner("true").RunAsync(Job());

        Assert.Empty(result.Used);
    }

    [Fact]
    public async Task An_SDK_that_is_missing_is_installed()
    {
        var empty = Directory.CreateDirectory(Path.Combine(_folder.Path, "bin")).FullName;
        WriteScript(Path.Combine(empty, "dotnet"), "echo '8.0.100 [/usr/share/dotnet/sdk]'");
        var job = Job() with { Environment = new Dictionary<string, string> { ["PATH"] = $"{empty}:{Environment.GetEnvironmentVariable("PATH")}" } };

        var result = await NewRunner("true").RunAsync(job);

        Assert.StartsWith("actions/setup-dotnet@", Assert.Single(result.Used), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Later_steps_find_the_tool_too()
    {
        var runner = NewRunner("true");

        var result = await runner.RunAsync(Job());

        Assert.True(File.Exists(Path.Combine(Assert.Single(result.Path), "dotnet-pgd")));
    }

    [Fact]
    public async Task A_cancelled_job_interrupts_the_tool()
    {
        var runner = NewRunner("""
            trap 'echo interrupted; exit 130' INT
            echo working
            sleep 60 & wait
            """);
        var job = runner.Start(Job());
        await job.WaitForAsync("working");

        var result = await job.CancelAsync();

        Assert.Equal(130, result.ExitCode);
        Assert.Contains("interrupted", result.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_child_of_a_steps_shell_never_hears_that_the_job_was_cancelled()
    {
        // Why the action ends in exec: this is what would happen without.
        var action = Directory.CreateDirectory(Path.Combine(_folder.Path, "action")).FullName;
        await File.WriteAllTextAsync(Path.Combine(action, "action.yml"), """
            name: without exec
            description: The shell stays, and the tool is its child.
            outputs: { none: { value: "" } }
            inputs: { none: { default: "" } }
            runs:
              using: composite
              steps:
                - shell: bash
                  run: |
                    bash -c 'trap "echo interrupted; exit 130" INT; echo working; sleep 9 & wait'
                    true
            """);
        var job = new RunnerHarness(_folder.Path, action: action).Start(Job() with { With = new Dictionary<string, string>() });
        await job.WaitForAsync("working");

        var result = await job.CancelAsync();

        Assert.DoesNotContain("interrupted", result.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_that_ignores_both_signals_is_killed()
    {
        var runner = NewRunner("""
            trap 'echo interrupted' INT
            trap 'echo terminated' TERM
            echo working
            while :; do read -r -t 1 <> <(:) || true; done
            """);
        var job = runner.Start(Job());
        await job.WaitForAsync("working");

        var result = await job.CancelAsync();

        Assert.Equal(128 + 9, result.ExitCode);
        // The shell may say that a signal came in the middle of its reading.
        Assert.Matches("(?s)interrupted\n.*terminated", result.Log.Text);
    }

    [Fact]
    public async Task What_a_job_leaves_running_is_ended_unless_it_took_the_mark_off()
    {
        var runner = NewRunner("""
            setsid sleep 7001 < /dev/null > /dev/null 2>&1 &
            RUNNER_TRACKING_ID= setsid sleep 7002 < /dev/null > /dev/null 2>&1 &
            echo $! > survivor
            """);

        var result = await runner.RunAsync(Job());

        var survivor = int.Parse(Seen(runner, "survivor"), System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal("sleep 7001", Assert.Single(result.Orphans));
        Assert.False(result.OutputHeldOpen);
        Assert.Single(LabProcess.All(), process => process.Id == survivor).Kill();
    }

    [Fact]
    public async Task An_output_that_is_held_open_is_noticed()
    {
        var result = await NewRunner("setsid sleep 7003 &").RunAsync(Job());

        Assert.True(result.OutputHeldOpen);
        Assert.Equal("sleep 7003", Assert.Single(result.Orphans));
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _github = await FakeGitHub.StartAsync();
        _repository = _github.AddRepository("octo-org/shop", 186853002);
        _repository.Open(42);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _github.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A runner whose tool cache has a version of the tool already: a script of ours.</summary>
    private RunnerHarness NewRunner(string script)
    {
        var runner = new RunnerHarness(_folder.Path);
        var architecture = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier;
        var tool = Directory.CreateDirectory(Path.Combine(runner.ToolCache, "pgd", StubVersion, architecture)).FullName;
        WriteScript(Path.Combine(tool, "dotnet-pgd"), $"if [ \"$1\" = --version ]; then exit; fi\n{script}");
        return runner;
    }

    private ActionJob Job(params IEnumerable<(string Name, string Value)> inputs) => new()
    {
        Event = "pull_request",
        Payload = Payloads.PullRequest("opened", _repository.Find(42)!, _github.Api),
        Repository = _repository,
        Token = _github.WorkflowToken(),
        Api = _github.PublicAddress,
        With = inputs.Append(("version", StubVersion)).ToDictionary(),
    };

    private static string Seen(RunnerHarness runner, string file) => File.ReadAllText(Path.Combine(runner.Workspace, file));

    private static void WriteScript(string path, string script)
    {
        File.WriteAllText(path, $"#!/usr/bin/env bash\n{script}\n");
        File.SetUnixFileMode(path, LabFolder.Traversable);
    }
}
