using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using Pgd.Action;
using Pgd.Action.GitHub;
using Pgd.Configuration;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Storm;

/// <summary>One storm on a root of its own, and what is left after it.</summary>
internal sealed class StormRun : IDisposable
{
    private const string Project = "shop", Label = "database";
    private const int Killed = 128 + ToolRoot.Sigkill;

    // A job that waits for something that never comes is a failure, and not a test run without an end.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3), LateBy = TimeSpan.FromMilliseconds(30);
    private static long _lastRepository = 900_000_000;
    private static int _killedJobs, _failedJobs;

    private readonly Weather _weather;
    private readonly FakeGitHub _host;
    private readonly FakeRepository _repository;
    private readonly HostConfiguration _configuration;
    private readonly string _events;
    private readonly CancellationTokenSource _patience = new(Patience);
    private readonly ConcurrentQueue<string> _journal = new();
    private readonly List<(StormEvent Event, Delivery Delivery, int Due)> _underway = [];
    private readonly List<Task> _running = [];
    private readonly ConcurrentQueue<StormEvent> _failed = new();
    private readonly Dictionary<int, DateTimeOffset> _reopenedAt = [];
    private readonly HashSet<int> _lost = [];
    private DateTimeOffset _clock = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 3600);
    private volatile Moment? _awaited;
    private int _happened, _written;

    private StormRun(Weather weather, FakeGitHub host, string folder, string programs)
    {
        (_weather, _host) = (weather, host);
        var id = Interlocked.Increment(ref _lastRepository);
        _repository = host.AddRepository($"octo-org/storm-{id}", id);
        _events = Directory.CreateDirectory(Path.Combine(folder, "events")).FullName;
        Root = Path.Combine(folder, "root");
        _configuration = new() { Root = Root, Storage = "copy", Runtime = "native", PortRange = Shop.NewPorts(), PostgresBinaries = [programs] };
        host.Settled = _ => _awaited?.Request();
    }

    /// <summary>How many jobs were killed, and how many failed for the host's sake, in all storms so far.</summary>
    public static (int Killed, int Failed) Damage => (_killedJobs, _failedJobs);

    private string Root { get; }

    /// <summary>Lets the weather have its way, and then looks at what there is.</summary>
    public static async Task PlayAsync(Weather weather, FakeGitHub host, string programs)
    {
        using var folder = new GitHub.TemporaryFolder();
        using var run = new StormRun(weather, host, folder.Path, programs);
        try
        {
            await run.MakeProjectAsync();
            await run.BlowAsync();
            await run.RepeatWhatFailedAsync();
            await run.CheckAsync();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message}\n\nWhat happened:\n{string.Join('\n', run._journal)}\n", e);
        }
    }

    public void Dispose()
    {
        _host.Settled = null;
        _host.Recover();
        foreach (var server in Servers())
            server.Kill();
        _patience.Dispose();
    }

    // Every job opens it anew, as a process would.
    private Workspace Open() => new(_configuration, SilentReporter.Instance);

    private IEnumerable<LabProcess> Servers() => LabProcess.All().Where(process => process.CommandLine.Contains($" -D {Root}/", StringComparison.Ordinal));

    // A source that is stopped is copied without being asked anything: the storm is about its branches.
    private async Task MakeProjectAsync()
    {
        var workspace = Open();
        await workspace.Projects.CreateAsync(new() { Name = Project }, _patience.Token);
        await workspace.Branches.StopAsync(BranchName.Of(Project, BranchName.Main), _patience.Token);
    }

    private async Task BlowAsync()
    {
        foreach (var happening in _weather.Happenings)
        {
            await HappenAsync(happening);
            Deliver(_happened++);
        }

        while (_underway.Count > 0)
        {
            await Task.WhenAll(_running);
            Deliver(_happened++);
        }

        await Task.WhenAll(_running);
    }

    private async Task HappenAsync(Happening happening)
    {
        var moment = new Moment(happening.After, () => _host.Change(() => Happen(happening)));
        if (happening.After > 0)
        {
            _awaited = moment;
            await Task.WhenAny(Task.WhenAll(_running), moment.Come);
            _awaited = null;
        }

        moment.Take();
        await moment.Come;
    }

    private void Happen(Happening happening)
    {
        _clock += TimeSpan.FromSeconds(happening.Seconds);
        if (happening.Kind == Kind.Scheduled)
        {
            Send("schedule", "", 0, Payloads.Schedule(_repository, _host.Api), happening.Deliveries);
            return;
        }

        var pull = _repository.Find(happening.Pull);
        var action = pull switch
        {
            null => "opened",
            { Closed: false } when happening.Kind == Kind.Closed => "closed",
            _ when happening.Kind == Kind.Labeled && !pull.Labels.Contains(Label) => "labeled",
            { Closed: true } => "reopened",
            _ => "synchronize",
        };
        pull ??= _repository.Open(happening.Pull);
        // Within one second the host's clock cannot tell whether a closing or a reopening came last; pgd takes it to be the reopening.
        if (action == "closed" && _reopenedAt.TryGetValue(pull.Number, out var reopened) && reopened == _clock)
            _clock += TimeSpan.FromSeconds(1);
        pull.UpdatedAt = _clock;
        switch (action)
        {
            case "closed":
                pull.Closed = true;
                break;
            case "reopened":
                pull.Closed = false;
                _reopenedAt[pull.Number] = _clock;
                break;
            case "labeled":
                pull.Labels.Add(Label);
                break;
            case "synchronize":
                pull.Push();
                break;
        }

        if (action == "closed" && happening.Deliveries.Count == 0)
            _lost.Add(pull.Number);
        else if (action is "closed" or "reopened")
            _lost.Remove(pull.Number);
        // Only closings get lost: the workflow for them does not run where there are conflicts.
        var deliveries = action != "closed" && happening.Deliveries.Count == 0 ? [new Delivery(0, null, null)] : happening.Deliveries;
        var payload = Payloads.PullRequest(action, pull, _host.Api);
        if (action == "labeled")
            payload = WithLabel(payload);
        Send(action == "closed" ? "pull_request_target" : "pull_request", action, pull.Number, payload, deliveries);
    }

    private static string WithLabel(string payload)
    {
        var json = System.Text.Json.Nodes.JsonNode.Parse(payload)!;
        json["label"]!["name"] = Label;
        return json.ToJsonString();
    }

    private void Send(string name, string action, int pull, string payload, IReadOnlyList<Delivery> deliveries)
    {
        var file = Path.Combine(_events, string.Create(CultureInfo.InvariantCulture, $"{++_written}.json"));
        File.WriteAllText(file, payload);
        var happened = new StormEvent(_written, name, action, pull, file);
        _journal.Enqueue($"{happened} happens at {_clock:HH:mm:ss}");
        _underway.AddRange(deliveries.Select(delivery => (happened, delivery, _happened + delivery.Later)));
    }

    private void Deliver(int now)
    {
        _running.RemoveAll(task => task.IsCompletedSuccessfully);
        foreach (var (happened, delivery, _) in _underway.Where(one => one.Due <= now))
            _running.Add(Task.Run(() => RunAsync(happened, delivery)));
        _underway.RemoveAll(one => one.Due <= now);
    }

    private async Task RunAsync(StormEvent happened, Delivery delivery)
    {
        var (done, text) = delivery.Kill is { } kill ? await Task.Factory.StartNew(() => RunTool(happened, kill), TaskCreationOptions.LongRunning) : await PlayAsync(happened, delivery.Outage);
        _journal.Enqueue($"{happened} {delivery}: {text}");
        if (!done)
            _failed.Enqueue(happened);
        if (!done && delivery.Outage is not null)
            Interlocked.Increment(ref _failedJobs);
        // What is wrong with neither the host nor the machine is wrong with us.
        if (!done && delivery is { Kill: null, Outage: null or { Kind: OutageKind.Late } })
            throw new InvalidOperationException($"{happened} failed: {text}");
    }

    /// <summary>The job, in this process: the story, the client of the host's API and the engine are the tool's own.</summary>
    private async Task<(bool Done, string Text)> PlayAsync(StormEvent happened, Outage? outage)
    {
        var token = TokenWith(outage);
        using var log = new StringWriter();
        try
        {
            var setup = PullRequestStory.SetupFrom(EnvironmentOf(happened, token), new());
            using var client = setup.PullRequests as GitHubPullRequests;
            using var hasty = new GitHubPullRequests(GitHubApi.DefaultHandler(), _host.Api, _repository.FullName, token.Value, new HastyTime());
            if (client is not null)
                setup = setup with { PullRequests = hasty };
            var result = await new PullRequestStory(setup, Open(), TextWriter.Null, log).AutoAsync(_patience.Token);
            return (result.ExitCode == ExitCode.Done, $"{result.ExitCode}: {result.Text}{Indented(log)}");
        }
        catch (PgdException e)
        {
            return (false, $"{e.ExitCode}: {e.Message}{Indented(log)}");
        }
    }

    private static string Indented(StringWriter log) => log.ToString().Trim() is { Length: > 0 } text ? $"\n      {text.Replace("\n", "\n      ", StringComparison.Ordinal)}" : "";

    /// <summary>The job as a process, which is killed when it gets there.</summary>
    private (bool Done, string Text) RunTool(StormEvent happened, Kill kill)
    {
        var environment = new Dictionary<string, string>(EnvironmentOf(happened, _host.WorkflowToken()))
        {
            ["PGD_ROOT"] = Root,
            ["PGD_POSTGRES_BINARIES"] = _configuration.PostgresBinaries[0],
            ["PGD_KILL_AT"] = kill.ToString(),
        };
        using var run = ToolRun.Start(environment, ["pr", "auto"]);
        var result = run.Wait();
        if (result.Status == Killed)
            Interlocked.Increment(ref _killedJobs);
        return (result.Status == 0, result.Status == Killed ? $"killed at {kill}" : result.ToString().Trim());
    }

    private FakeToken TokenWith(Outage? outage)
    {
        var token = _host.WorkflowToken();
        if (outage is null)
            return token;
        var seen = 0;
        _host.Fail(
            outage.Kind switch
            {
                OutageKind.Late => Fault.Late(LateBy),
                OutageKind.ServerError => Fault.ServerError(),
                OutageKind.RateLimit => Fault.RateLimit(seconds: 1),
                _ => Fault.Dropped(),
            },
            request => request.Headers.GetValueOrDefault("Authorization", "").EndsWith(token.Value, StringComparison.Ordinal) && ++seen >= outage.First && seen < outage.First + outage.Count);
        return token;
    }

    private Dictionary<string, string> EnvironmentOf(StormEvent happened, FakeToken token)
    {
        var environment = new Dictionary<string, string>
        {
            ["GITHUB_EVENT_NAME"] = happened.Name,
            ["GITHUB_EVENT_PATH"] = happened.File,
            ["GITHUB_REPOSITORY"] = _repository.FullName,
            ["GITHUB_API_URL"] = _host.Api,
            ["PGD_INPUT_PROJECT"] = Project,
        };
        // A sweep cannot do without.
        if (_weather.HasToken || happened.Name == "schedule")
            environment["PGD_INPUT_GITHUB_TOKEN"] = token.Value;
        if (_weather.NeedsLabel)
            environment["PGD_INPUT_LABEL"] = Label;
        return environment;
    }

    // As a person does who sees that a job is red.
    private async Task RepeatWhatFailedAsync()
    {
        _host.Recover();
        while (_failed.TryDequeue(out var happened))
            await RunAsync(happened, new(0, null, null));
    }

    private async Task CheckAsync()
    {
        var workspace = Open();
        if (_weather.Happenings.Any(happening => happening.Deliveries.Any(delivery => delivery.Kill is not null)))
            Assert.DoesNotContain(await workspace.Doctor.FixAsync(dryRun: false, _patience.Token), repair => !repair.Done);
        Assert.Empty(await workspace.Doctor.FixAsync(dryRun: true, _patience.Token));

        var open = _repository.PullRequests.Where(pull => !pull.Closed && (!_weather.NeedsLabel || pull.Labels.Contains(Label))).ToDictionary(pull => pull.Number);
        var branches = await PreviewsAsync(workspace);
        Assert.True(open.Keys.All(branches.ContainsKey), $"before the sweep: #{string.Join(", #", open.Keys.Except(branches.Keys))} without a branch");
        Assert.True(branches.Keys.All(number => open.ContainsKey(number) || _lost.Contains(number)), $"before the sweep: a branch of #{string.Join(", #", branches.Keys.Except(open.Keys).Except(_lost))}");

        _host.Change(() => Send("schedule", "", 0, Payloads.Schedule(_repository, _host.Api), [new(0, null, null), new(0, null, null)]));
        Deliver(int.MaxValue);
        await Task.WhenAll(_running);

        branches = await PreviewsAsync(workspace);
        Assert.Equal(open.Keys.Order(), branches.Keys.Order());
        foreach (var (number, branch) in branches)
        {
            Assert.Equal((BranchStatus.Running, $"{Project}/pr-{number}", _repository.FullName), (branch.Status, branch.Name.ToString(), branch.PullRequest!.Repository));
            if (_weather.HasToken)
                Assert.True(open[number].HeadSha == branch.PullRequest.HeadSha, $"#{number} has the data of {branch.PullRequest.HeadSha} and the head {open[number].HeadSha}");
            // It says itself who it is.
            await workspace.Branches.ConnectAsync(branch.Name, null, null, _patience.Token);
        }

        await NothingElseIsLeftAsync(workspace, [.. branches.Values]);
        foreach (var pull in _repository.PullRequests)
            Assert.True(pull.Comments.Count() <= 1, $"#{pull.Number} has {pull.Comments.Count()} comments");
    }

    private async Task<Dictionary<int, Branch>> PreviewsAsync(Workspace workspace) =>
        (await workspace.Previews.ListAsync(_repository.Id, null, _patience.Token)).ToDictionary(branch => branch.PullRequest!.Number);

    // Asked of the file system and the kernel.
    private async Task NothingElseIsLeftAsync(Workspace workspace, IReadOnlyCollection<Branch> previews)
    {
        var main = await workspace.Branches.GetAsync(BranchName.Of(Project, BranchName.Main), _patience.Token);
        IReadOnlyList<Branch> all = [main, .. previews];
        var entries = Inventory.Take(Root).Entries;

        Assert.Equal(Sorted("host.key", "locks", "s", "state", "volumes"), Names(Root));
        Assert.Equal(Sorted([.. all.Select(branch => branch.Name.Branch)]), Names($"{Root}/volumes/{Project}"));
        Assert.Equal(Sorted(["_project.json", .. all.Select(branch => $"{branch.Name.Branch}.json")]), Names($"{Root}/state/{Project}"));
        Assert.Empty(Names($"{Root}/state").Except([Project, "audit.log", "~closed"]));
        Assert.Equal(previews.Count, Names($"{Root}/s").Count);
        Assert.Empty(Names($"{Root}/locks").Except(["ports.lock", $"{Project}+!project.lock", .. all.Select(branch => $"{Project}+{branch.Name.Branch}.lock")]));
        Assert.Equal(previews.Select(branch => $"port {branch.Port}").Order(), entries.Where(entry => entry.StartsWith("port ", StringComparison.Ordinal)).Order());
        var servers = entries.Where(entry => entry.StartsWith("process ", StringComparison.Ordinal)).ToList();
        Assert.Equal(previews.Count, servers.Count);
        var content = Content(main);
        foreach (var branch in previews)
        {
            Assert.Single(servers, server => server.Contains($" -D {branch.DataDirectory} ", StringComparison.Ordinal));
            Assert.Equal([$"g{branch.Generation}"], Names(Path.GetDirectoryName(branch.Directory)!));
            Assert.Equal(Names(main.Directory), Names(branch.Directory));
            Assert.True(content == Content(branch), $"{branch.Name} is no whole copy");
        }
    }

    private static string Content(Branch branch) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(branch.DataDirectory, StandInServers.Content))));

    private static IReadOnlyList<string> Names(string folder) => Sorted([.. Directory.GetFileSystemEntries(folder).Select(path => Path.GetFileName(path))]);

    private static IReadOnlyList<string> Sorted(params IReadOnlyList<string> names) => [.. names.Order(StringComparer.Ordinal)];
}

/// <summary>An event as the host made it.</summary>
internal sealed record StormEvent(int Number, string Name, string Action, int Pull, string File)
{
    public override string ToString() => $"[{Number}] {(Pull == 0 ? Name : $"{Action} #{Pull}")}";
}

/// <summary>When something is to happen: after some requests. It happens once.</summary>
internal sealed class Moment(int after, System.Action happen)
{
    private readonly TaskCompletionSource _come = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _requests, _taken;

    public Task Come => _come.Task;

    public void Request()
    {
        if (Interlocked.Increment(ref _requests) == after)
            Take();
    }

    public void Take()
    {
        if (Interlocked.Exchange(ref _taken, 1) == 1)
            return;
        try
        {
            happen();
            _come.SetResult();
        }
        catch (Exception e)
        {
            _come.SetException(e);
        }
    }
}
