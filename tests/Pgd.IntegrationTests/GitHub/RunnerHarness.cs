using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A runner with its folders. Runs an action's steps as GitHub's runner does: expressions, environment, command files, masks, signals, cleaning up.</summary>
internal sealed class RunnerHarness
{
    private static readonly string[] NotInherited = ["GITHUB_", "RUNNER_", "ACTIONS_", "PGD_", "MSBUILD", "PG", "DATABASE_URL"];
    private readonly string _temp;
    private readonly string _action;

    /// <summary>A runner in an empty folder.</summary>
    /// <param name="folder">Where its folders go.</param>
    /// <param name="toolCache">A tool cache that it shares with other runners; null for one of its own.</param>
    /// <param name="action">The folder of the action; null for ours.</param>
    public RunnerHarness(string folder, string? toolCache = null, string? action = null)
    {
        _action = action ?? Checkout.Folder;
        _temp = Path.Combine(folder, "_temp");
        ToolCache = toolCache ?? Path.Combine(folder, "_tool");
        Workspace = Path.Combine(folder, "work");
        foreach (var each in new[] { _temp, ToolCache, Workspace })
            Directory.CreateDirectory(each);
    }

    /// <summary>The folder that a checkout would fill.</summary>
    public string Workspace { get; }

    /// <summary>The folder for tools that jobs share.</summary>
    public string ToolCache { get; }

    /// <summary>Runs a job to its end.</summary>
    public Task<ActionResult> RunAsync(ActionJob job) => Start(job).Completion;

    /// <summary>Starts a job.</summary>
    public RunningJob Start(ActionJob job)
    {
        var cancel = new CancellationTokenSource();
        var log = new JobLog();
        log.Mask(job.Token.Value);
        return new(log, cancel, RunAsync(job, log, cancel.Token));
    }

    private async Task<ActionResult> RunAsync(ActionJob job, JobLog log, CancellationToken cancelled)
    {
        var parser = ActionsParser.Current;
        var action = parser.Action(Path.Combine(_action, "action.yml"));
        var files = Path.Combine(_temp, $"_runner_file_commands_{Guid.NewGuid():N}");
        Directory.CreateDirectory(files);
        var environment = Environment(job, files);
        await File.WriteAllTextAsync(environment["GITHUB_EVENT_PATH"], job.Payload, CancellationToken.None);
        var contexts = Contexts(job, environment);
        contexts["inputs"] = Inputs(job, action, contexts);

        var (exitCode, held, status) = (0, false, "success");
        List<string> used = [], path = [];
        var summary = new StringWriter();
        foreach (var step in action["steps"]!.AsArray().Select((step, index) => new Step(step!.AsObject(), index)))
        {
            contexts["env"] = Json(environment);
            if (cancelled.IsCancellationRequested)
                status = "cancelled";
            if (!parser.Holds(step.If, contexts, status))
                continue;
            if (step.Uses is { } other)
            {
                used.Add(parser.Value(other, contexts));
                continue;
            }

            var stepFiles = new StepFiles(files, step.Id);
            var stepEnvironment = new Dictionary<string, string>(environment);
            stepFiles.AddTo(stepEnvironment);
            foreach (var (name, value) in step.Environment)
                stepEnvironment[name] = parser.Value(value!, contexts, status);
            var script = Path.Combine(files, $"{step.Id}.sh");
            await File.WriteAllTextAsync(script, parser.Value(step.Run!, contexts, status), CancellationToken.None);
            if (path.Count > 0)
                stepEnvironment["PATH"] = string.Join(':', path.AsEnumerable().Reverse().Append(environment["PATH"]));

            using var process = StepProcess.Start(script, Workspace, stepEnvironment, log);
            var (code, heldOpen) = await process.WaitAsync(cancelled);
            held |= heldOpen;
            if (code != 0 && exitCode == 0)
                (exitCode, status) = (code, cancelled.IsCancellationRequested ? "cancelled" : "failure");
            contexts["steps"]![step.Id] = new JsonObject { ["outputs"] = Json(CommandFile.Read(stepFiles.Output)), ["outcome"] = status, ["conclusion"] = status };
            foreach (var (name, value) in CommandFile.Read(stepFiles.Environment))
                environment[name] = value;
            path.AddRange(File.ReadLines(stepFiles.Path).Where(line => line.Length > 0));
            await summary.WriteAsync(await File.ReadAllTextAsync(stepFiles.Summary, CancellationToken.None));
        }

        var outputs = action["outputs"]!.AsObject().ToDictionary(output => output.Key, output => parser.Value(output.Value!, contexts, status));
        return new()
        {
            ExitCode = exitCode,
            Outputs = outputs,
            Log = log,
            Summary = summary.ToString(),
            Used = used,
            Path = path,
            OutputHeldOpen = held,
            Orphans = EndOrphans(environment["RUNNER_TRACKING_ID"]),
        };
    }

    private Dictionary<string, string> Environment(ActionJob job, string files)
    {
        var environment = new Dictionary<string, string>();
        foreach (System.Collections.DictionaryEntry variable in System.Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            // Those of the tests' own surroundings; dotnet test adds some for MSBuild that would break a build of the action.
            if (!NotInherited.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)))
                environment[name] = (string)variable.Value!;
        }

        var id = job.Repository.Id.ToString(CultureInfo.InvariantCulture);
        var sha = JsonOrNull(job.Payload)?["pull_request"]?["head"]?["sha"]?.GetValue<string>() ?? new string('0', 40);
        foreach (var (name, value) in new Dictionary<string, string>
        {
            ["CI"] = "true",
            ["GITHUB_ACTIONS"] = "true",
            ["GITHUB_ACTION_PATH"] = _action,
            ["GITHUB_ACTOR"] = "octocat",
            ["GITHUB_API_URL"] = job.Api.ToString().TrimEnd('/'),
            ["GITHUB_EVENT_NAME"] = job.Event,
            ["GITHUB_EVENT_PATH"] = Path.Combine(files, "event.json"),
            ["GITHUB_JOB"] = "up",
            ["GITHUB_REF"] = "refs/pull/42/merge",
            ["GITHUB_REPOSITORY"] = job.Repository.FullName,
            ["GITHUB_REPOSITORY_ID"] = id,
            ["GITHUB_REPOSITORY_OWNER"] = job.Repository.FullName.Split('/')[0],
            ["GITHUB_RUN_ATTEMPT"] = "1",
            ["GITHUB_RUN_ID"] = "1658821493",
            ["GITHUB_SERVER_URL"] = "https://github.com",
            ["GITHUB_SHA"] = sha,
            ["GITHUB_WORKFLOW"] = "Database branch",
            ["GITHUB_WORKSPACE"] = Workspace,
            ["RUNNER_ARCH"] = RuntimeInformation.OSArchitecture.ToString().ToUpperInvariant(),
            ["RUNNER_ENVIRONMENT"] = "self-hosted",
            ["RUNNER_NAME"] = "lab",
            ["RUNNER_OS"] = "Linux",
            ["RUNNER_TEMP"] = _temp,
            ["RUNNER_TOOL_CACHE"] = ToolCache,
            ["RUNNER_TRACKING_ID"] = $"github_{Guid.NewGuid()}",
        }.Concat(job.Environment))
        {
            environment[name] = value;
        }

        return environment;
    }

    private JsonObject Contexts(ActionJob job, Dictionary<string, string> environment)
    {
        var github = new JsonObject { ["token"] = job.Token.Value, ["event"] = JsonOrNull(job.Payload), ["action_path"] = _action };
        foreach (var (name, value) in environment.Where(variable => variable.Key.StartsWith("GITHUB_", StringComparison.Ordinal)))
            github[name["GITHUB_".Length..].ToLowerInvariant()] = value;
        var runner = new JsonObject();
        foreach (var (name, value) in environment.Where(variable => variable.Key.StartsWith("RUNNER_", StringComparison.Ordinal)))
            runner[name["RUNNER_".Length..].ToLowerInvariant()] = value;
        return new() { ["github"] = github, ["runner"] = runner, ["steps"] = new JsonObject(), ["job"] = new JsonObject { ["status"] = "success" } };
    }

    private static JsonObject Inputs(ActionJob job, JsonObject action, JsonObject contexts)
    {
        var declared = action["inputs"]!.AsObject();
        var unknown = job.With.Keys.Except(declared.Select(input => input.Key)).ToList();
        if (unknown.Count > 0)
            throw new ArgumentException($"Unexpected input(s) '{string.Join("', '", unknown)}'", nameof(job));
        var inputs = new JsonObject();
        foreach (var (name, otherwise) in declared)
            inputs[name] = job.With.TryGetValue(name, out var value) ? value : ActionsParser.Current.Value(otherwise!, contexts);
        return inputs;
    }

    // After a job, the runner ends what still carries the job's mark.
    private static List<string> EndOrphans(string trackingId)
    {
        var orphans = LabProcess.All().Where(process => process.HasVariable("RUNNER_TRACKING_ID", trackingId)).ToList();
        foreach (var orphan in orphans)
            orphan.Kill();
        return [.. orphans.Select(orphan => orphan.CommandLine)];
    }

    private static JsonObject? JsonOrNull(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    private static JsonObject Json(IReadOnlyDictionary<string, string> values) =>
        new(values.Select(value => KeyValuePair.Create(value.Key, (JsonNode?)JsonValue.Create(value.Value))));

    private sealed record Step(JsonObject Json, int Index)
    {
        public string Id => Json["id"]?["text"]?.GetValue<string>() ?? $"__{Index}";

        public JsonNode If => Json["if"]!;

        public JsonNode? Uses => Json["uses"];

        public JsonNode? Run => Json["run"];

        public JsonObject Environment => Json["env"]?.AsObject() ?? [];
    }

    // Every step gets empty files of its own.
    private sealed class StepFiles
    {
        public StepFiles(string folder, string step)
        {
            (Output, Environment, Path, Summary) = (New("output"), New("env"), New("path"), New("summary"));

            string New(string kind)
            {
                var file = System.IO.Path.Combine(folder, $"{step}_{kind}");
                File.WriteAllText(file, "");
                return file;
            }
        }

        public string Output { get; }

        public string Environment { get; }

        public string Path { get; }

        public string Summary { get; }

        public void AddTo(Dictionary<string, string> environment)
        {
            environment["GITHUB_OUTPUT"] = Output;
            environment["GITHUB_ENV"] = Environment;
            environment["GITHUB_PATH"] = Path;
            environment["GITHUB_STEP_SUMMARY"] = Summary;
        }
    }
}

/// <summary>A job that has been started.</summary>
/// <param name="Log">What it has printed so far.</param>
/// <param name="Completion">Its end.</param>
internal sealed class RunningJob(JobLog log, CancellationTokenSource cancel, Task<ActionResult> completion)
{
    /// <summary>What it has printed so far.</summary>
    public JobLog Log { get; } = log;

    /// <summary>Its end.</summary>
    public Task<ActionResult> Completion { get; } = completion;

    /// <summary>Waits until it prints a line, and fails when it ends without.</summary>
    public async Task WaitForAsync(string text)
    {
        var seen = Log.WaitForAsync(line => line.Contains(text, StringComparison.Ordinal));
        if (await Task.WhenAny(seen, Completion) != seen && !seen.IsCompleted)
            throw new InvalidOperationException($"The job ended without \"{text}\":\n{Log.Text}");
    }

    /// <summary>Presses the button.</summary>
    public Task<ActionResult> CancelAsync()
    {
        cancel.Cancel();
        return Completion;
    }
}
