using Pgd.Action;
using Pgd.Libpq;
using Pgd.Lint;
using Pgd.Migrations;

namespace Pgd.Tests.Action;

/// <summary>An engine that makes branches out of nothing and remembers what it was asked.</summary>
internal sealed class FakeEngine : IPreviewEngine
{
    public const string Password = "MFRGGZDFMZTWQ2LK";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public string HostName { get; set; } = "db-runner-1";

    public List<Branch> Branches { get; } = [];

    public List<PreviewUp> Ups { get; } = [];

    public List<BranchName> Deletes { get; } = [];

    public Dictionary<(long Repository, int Number), DateTimeOffset> Closed { get; } = [];

    public Rehearsal? Rehearsal { get; private set; }

    public bool Created { get; set; } = true;

    public bool Reset { get; set; }

    public PgdException? UpFailure { get; set; }

    public PgdException? DeleteFailure { get; set; }

    public MigrationRun Run { get; set; } = new() { Duration = TimeSpan.FromSeconds(1.44) };

    /// <summary>What the migrations did; its run and budgets are those below.</summary>
    public MigrationReport Traced { get; set; } = Reports.Of(new() { Duration = TimeSpan.Zero });

    public IReadOnlyList<ExceededBudget> Exceeded { get; set; } = [];

    /// <summary>What a migration command prints.</summary>
    public IReadOnlyList<string> Prints { get; set; } = [];

    /// <summary>Called while another run of the pull request is waited for.</summary>
    public System.Action? WhileWaiting { get; set; }

    /// <summary>Called while the migrations run.</summary>
    public System.Action? WhileMigrating { get; set; }

    public static Branch BranchOf(string name, int number, long repositoryId = StoryStage.RepositoryId, DateTimeOffset? expiresAt = null) => new()
    {
        Name = BranchName.Parse(name),
        Id = "0123456789ab",
        Status = BranchStatus.Running,
        Host = "127.0.0.1",
        Port = 21003,
        Generation = 1,
        Storage = "copy",
        Runtime = "native",
        PostgresMajor = 17,
        CreatedAt = Now.AddMinutes(number),
        DataAsOf = Now.AddMinutes(-1),
        ExpiresAt = expiresAt ?? Now.AddDays(7),
        PullRequest = new() { RepositoryId = repositoryId, Repository = "octo/shop", Number = number },
        Labels = new Dictionary<string, string>(),
        Directory = "/var/lib/pgd/x",
        DataDirectory = "/var/lib/pgd/x/data",
    };

    public Task<IDisposable> HoldAsync(long repositoryId, int pullRequest, CancellationToken cancellationToken)
    {
        WhileWaiting?.Invoke();
        return Task.FromResult<IDisposable>(new MemoryStream());
    }

    public Task<Preview> UpAsync(PreviewUp request, CancellationToken cancellationToken)
    {
        Ups.Add(request);
        if (UpFailure is not null)
            throw UpFailure;
        var branch = BranchOf($"{request.Project}/{request.Name ?? $"pr-{request.PullRequest.Number}"}", request.PullRequest.Number, request.PullRequest.RepositoryId) with { PullRequest = request.PullRequest };
        Branches.Add(branch);
        return Task.FromResult(new Preview(branch, Created, Reset));
    }

    public Task<ConnectionUrl> ConnectAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken) =>
        Task.FromResult(new ConnectionUrl { Host = "127.0.0.1", Port = 21003, Database = database ?? "shop", User = role ?? "shop", Password = Password });

    public Task<MigrationReport> RehearseAsync(Rehearsal rehearsal, CancellationToken cancellationToken)
    {
        Rehearsal = rehearsal;
        foreach (var line in Prints)
            rehearsal.Command!.Output(line);
        WhileMigrating?.Invoke();
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(Traced with { Run = Run, Exceeded = Exceeded });
    }

    public Task<PreviewDown> DownAsync(long repositoryId, int pullRequest, string? project, DateTimeOffset? closedAt, CancellationToken cancellationToken)
    {
        Closed[(repositoryId, pullRequest)] = closedAt ?? Now;
        var gone = Branches.Where(b => b.PullRequest!.RepositoryId == repositoryId && b.PullRequest.Number == pullRequest && (project is null || b.Name.Project == project)).ToList();
        var left = gone.Where(b => b.ProtectedUntil is not null).ToList();
        gone.RemoveAll(left.Contains);
        Branches.RemoveAll(gone.Contains);
        return Task.FromResult(new PreviewDown([.. gone.Select(b => b.Name)], [.. left.Select(b => new LeftBranch(b.Name, "it is protected (Ada needs it)"))]));
    }

    public DateTimeOffset? ClosedAt(long repositoryId, int pullRequest) => Closed.TryGetValue((repositoryId, pullRequest), out var at) ? at : null;

    public DateTimeOffset? OpenAt(long repositoryId, int pullRequest) =>
        Branches.Where(b => b.PullRequest!.RepositoryId == repositoryId && b.PullRequest.Number == pullRequest).Max(b => b.PullRequest!.OpenAt);

    public Task<IReadOnlyList<Branch>> ListAsync(long repositoryId, string? project, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<Branch>>([.. Branches.Where(b => b.PullRequest!.RepositoryId == repositoryId)]);

    public Task DeleteAsync(BranchName name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (DeleteFailure is not null)
            throw DeleteFailure;
        Deletes.Add(name);
        Branches.RemoveAll(b => b.Name == name);
        return Task.CompletedTask;
    }
}
