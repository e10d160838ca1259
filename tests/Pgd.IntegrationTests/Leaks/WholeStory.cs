using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Everything that the tool does, once, with each program that it starts recorded: no secret is where it does not belong, in any form.</summary>
public sealed partial class WholeStory : IDisposable
{
    // Every command once. "say" is for those whose output must hold no secret, "tell" for those that are asked for one.
    private const string Story = """
        set -euo pipefail
        cd "$STORY"
        mkdir said told root
        number=10
        run() { dotnet "$TOOL" "$@"; }
        say() { number=$((number + 1)); run "$@" >"said/$number-${*//[^a-z]/-}.out" 2>"said/$number.err" </dev/null; }
        tell() { number=$((number + 1)); run "$@" >"told/$number" 2>"said/$number.err"; }
        job() {
            number=$((number + 1))
            # The runner obeys these lines and does not show them.
            GITHUB_EVENT_PATH=$STORY/$1 GITHUB_ACTIONS=true run pr auto 2>&1 | sed '/^::add-mask::/d' >"said/$number-job.out"
        }

        # What is followed has to end.
        trap 'run project delete shop --force >said/end.out 2>said/end.err || true' EXIT

        say project create shop --from-dump dump.sql
        tell branch url shop/main
        say branch psql shop/main --role postgres -- -c "alter system set log_statement = 'all'" -c "alter system set log_connections = on" -c "select pg_reload_conf()"
        say branch create shop/dev --anonymize work/anonymize.sql --role app --ttl 1d --label a=b
        for format in libpq npgsql jdbc dotenv; do tell branch url shop/dev --format $format; done
        tell branch url shop/dev --json
        say branch psql shop/dev -- -c "select current_user"
        say branch exec shop/dev -- bash -c 'psql -c "select count(*) from customers"'
        say branch reset shop/dev --anonymize work/anonymize.sql
        say branch rotate shop/dev
        tell branch url shop/dev
        say branch verify shop/dev
        say branch create shop/masked --golden --anonymize work/anonymize.sql
        say branch create shop/of-masked --from masked --json
        say branch protect shop/dev --for 1h --reason because
        say branch unprotect shop/dev
        say branch extend shop/dev --ttl 2d
        ! say branch create shop/broken --anonymize work/broken.sql
        ! say branch create shop/dev
        say restart shop/dev
        job opened.json
        tell branch url shop/pr-7
        say branch get shop/pr-7 --json
        say branch logs shop/dev
        say branch list
        say status --json
        say gc --stop-idle 1d
        say doctor --source shop/main
        run doctor >said/doctor.out 2>said/doctor.err || true
        run doctor --report report.zip >said/report.out 2>said/report.err || true
        cp "$PGD_ROOT/host.key" .
        (cd "$PGD_ROOT" && find . -type f -not -path '*/data/*' -not -name host.key -exec cp --parents -t "$STORY/root" {} +)
        job closed.json
        say project delete shop --force
        """;

    private const string OfTheSource = "s3cret+/of the source", Migration = "create table migrated (i int); insert into migrated values (1)";
    private readonly ToolRoot _root = new("btrfs");
    private readonly TemporaryFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task No_secret_is_on_a_command_line_or_in_a_log_a_record_a_report_a_comment_or_a_message_in_any_form()
    {
        Lab.Require(LabCommand.Exists("strace"), "strace is not installed");
        Lab.Require(LabCommand.Exists("psql"), "psql is not installed");
        await using var github = await FakeGitHub.StartAsync();
        var repository = github.AddRepository("octo/shop", 42);
        var pull = repository.Open(7);
        pull.Files.Add(("db/1.sql", "added"));
        var token = github.WorkflowToken().Value;
        Write("work/db/1.sql", Migration);
        Write("work/anonymize.sql", "update customers set name = 'nobody'");
        Write("work/broken.sql", "select 1 / 0");
        Write("dump.sql", $"create role app login password '{OfTheSource}'; create table customers (id int, name text); insert into customers values (1, 'Ada'); alter table customers owner to app;");
        Write("opened.json", Payloads.PullRequest("opened", pull, github.Api));
        Write("closed.json", Payloads.PullRequest("closed", pull, github.Api));
        Write("story.sh", Story);

        // The servers that the tool starts are followed as well, until the last one has ended.
        var closing = ClosedAfterItsCommentAsync(github, pull);
        var status = await TraceAsync(github, repository, token);
        Assert.True(status == 0, $"status {status}\n{string.Join('\n', Directory.EnumerateFiles(At("said")).Order(StringComparer.Ordinal).Select(f => $"{f}: {File.ReadAllText(f)}"))}");

        await closing;
        // What was told where it may be told, by which the rest is searched.
        var urls = Directory.EnumerateFiles(At("told")).Select(File.ReadAllText).SelectMany(text => UserInfo().Matches(text).Select(match => match.Groups[1].Value)).Distinct().ToList();
        // Main's, two of the branch, the preview's, and its environment file has the same.
        Assert.InRange(urls.Count, 4, 6);
        var key = await File.ReadAllBytesAsync(At("host.key"));
        var secrets = urls.Append(OfTheSource).Append(token).Select(Encoding.UTF8.GetBytes).Append(key).SelectMany(Forms).Distinct().ToList();

        var places = Directory.EnumerateFiles(At("said")).Concat(Directory.EnumerateFiles(At("root"), "*", SearchOption.AllDirectories)).Append(At("programs")).Append(At("summary")).ToDictionary(f => f, f => Encoding.Latin1.GetString(File.ReadAllBytes(f)));
        using (var report = System.IO.Compression.ZipFile.OpenRead(At("report.zip")))
        {
            foreach (var entry in report.Entries)
            {
                using var reader = new StreamReader(entry.Open());
                places[$"report.zip/{entry.FullName}"] = await reader.ReadToEndAsync();
            }
        }

        foreach (var (request, number) in github.Requests.Select((request, number) => (request, number)))
            places[$"request {number} to {request.Path}"] = request.Path + request.Body;
        var found = from place in places
                    from secret in secrets
                    where place.Value.Contains(secret.Text, StringComparison.Ordinal)
                    select $"{place.Key} holds a secret, {secret.Form}";
        Assert.Empty(found.Distinct());

        // It would have been found: all that is searched is there.
        var programs = places[At("programs")];
        foreach (var program in (string[])["/postgres\"", "psql\"", "bash\"", "dotnet\"", "initdb\""])
            Assert.Contains(program, programs, StringComparison.Ordinal);
        Assert.Contains(places, place => place.Key.EndsWith("audit.log", StringComparison.Ordinal) && place.Value.Contains("branch rotate", StringComparison.Ordinal));
        Assert.Contains(places, place => place.Key.EndsWith("server.log", StringComparison.Ordinal) && place.Value.Contains("execute <unnamed>", StringComparison.Ordinal));
        Assert.Contains(places, place => place.Key.StartsWith("request ", StringComparison.Ordinal) && place.Value.Contains("shop/pr-7", StringComparison.Ordinal));
    }

    private static async Task ClosedAfterItsCommentAsync(FakeGitHub github, FakePullRequest pull)
    {
        await Until.TrueAsync(() => github.Requests.Any(request => request.Method == "POST"), "the comment is written", seconds: 180);
        pull.Closed = true;
    }

    private async Task<int> TraceAsync(FakeGitHub github, FakeRepository repository, string token)
    {
        var start = new ProcessStartInfo("strace", ["--follow-forks", "--quiet=all", "--trace=execve", "--string-limit=1000000", "--output", At("programs"), "bash", At("story.sh")]);
        start.Environment.Clear();
        foreach (var (name, value) in new Dictionary<string, string?>
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH"),
            ["HOME"] = "/nonexistent",
            ["STORY"] = _folder.Path,
            ["TOOL"] = ToolRun.Program,
            ["PGD_ROOT"] = _root.Folder,
            ["PGD_STORAGE"] = "btrfs",
            ["PGD_PORT_RANGE"] = _root.Ports.ToString(),
            ["PGD_INPUT_PROJECT"] = "shop",
            ["PGD_INPUT_MIGRATE_FILES"] = "db/*.sql",
            ["PGD_INPUT_ANONYMIZE"] = "anonymize.sql",
            ["PGD_INPUT_GITHUB_TOKEN"] = token,
            ["GITHUB_API_URL"] = github.Api,
            ["GITHUB_SERVER_URL"] = "https://github.com",
            ["GITHUB_EVENT_NAME"] = "pull_request",
            ["GITHUB_REPOSITORY"] = repository.FullName,
            ["GITHUB_REPOSITORY_ID"] = "42",
            ["GITHUB_RUN_ID"] = "1",
            ["GITHUB_WORKSPACE"] = At("work"),
            ["GITHUB_STEP_SUMMARY"] = At("summary"),
            // Where secrets belong.
            ["GITHUB_OUTPUT"] = At("output"),
            ["RUNNER_TEMP"] = _folder.Path,
            ["RUNNER_NAME"] = "lab",
        })
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    // As it is; as it is in an address; and in base64, which differs with its place in what is encoded.
    private static IEnumerable<(string Form, string Text)> Forms(byte[] secret)
    {
        if (secret.All(b => b is >= 32 and < 127))
        {
            var text = Encoding.ASCII.GetString(secret);
            yield return ("plain", text);
            yield return ("percent-encoded", Uri.EscapeDataString(text));
            yield return ("as a shell quotes it", text.Replace("'", "'\\''", StringComparison.Ordinal));
        }

        yield return ("hexadecimal", Convert.ToHexStringLower(secret));
        for (var before = 0; before < 3; before++)
        {
            // The first and the last characters depend on what stands beside it.
            var encoded = Convert.ToBase64String([.. new byte[before], .. secret]).TrimEnd('=');
            yield return ("base64", encoded[(before == 0 ? 0 : before + 1)..^1]);
        }
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
        File.WriteAllText(At(path), text);
    }

    private string At(string path) => Path.Combine(_folder.Path, path);

    [GeneratedRegex("://[^:/@]+:([^@]+)@")]
    private static partial Regex UserInfo();
}
