using System.Globalization;
using Pgd.Action.Events;
using Pgd.Action.Inputs;
using Pgd.Action.Reports;
using Pgd.Action.Runner;
using Pgd.Libpq;
using Pgd.Lint;
using Pgd.Migrations;

namespace Pgd.Action.Story;

/// <summary>A pull request opens or gets a push.</summary>
internal sealed class Up(StoryContext context)
{
    // What a canceled job leaves us: GitHub kills the step ten seconds after the first signal.
    private static readonly TimeSpan UndoTime = TimeSpan.FromSeconds(6);

    private const string StatusContext = "pgd/migration";

    // GitHub shows no more of each level.
    private const int ShownAnnotations = 10;

    private IReadOnlyList<string> here = context.Here();

    private StoryInputs Inputs => context.Inputs;

    private EventPullRequest Pull => context.Pull("up");

    public async Task<StoryResult> RunAsync(CancellationToken cancellationToken)
    {
        var project = Inputs.Project ?? throw new PgdException(ExitCode.Misuse, "it is not said which project the branch belongs to", "Give the input project, or write project: NAME into pgd.yml.");
        if (await Gate.ShutAsync(context, cancellationToken) is (var reason, var text))
            return await context.SkipAsync(StoryVerb.Up, reason, text, cancellationToken);
        using var held = await context.Engine.HoldAsync(context.Event.RepositoryId, Pull.Number, cancellationToken);
        // What was true before another run of this pull request was waited for need not be true any more.
        if (await Gate.ShutAsync(context, cancellationToken) is (var late, var why))
            return await context.SkipAsync(StoryVerb.Up, late, why, cancellationToken);
        var plan = await MigrationPlan.MakeAsync(context, cancellationToken);
        var report = new UpReport
        {
            Project = project,
            Parent = Inputs.Parent ?? BranchName.Main,
            HeadSha = Pull.HeadSha,
            RepositoryUrl = context.RepositoryUrl,
            RunUrl = context.Runner.RunUrl,
            RunnerName = context.Runner.RunnerName,
            HostName = context.Engine.HostName,
            PathPrefix = plan?.PathPrefix ?? "",
            Anonymized = Inputs.Anonymize.Count > 0,
            IsCommand = Inputs.Migrate is not null,
        };

        var request = Request(project);
        Preview preview;
        try
        {
            preview = await context.Engine.UpAsync(request, cancellationToken);
        }
        catch (PgdException e)
        {
            await TellAsync(report with { Failure = e }, cancellationToken);
            throw;
        }

        here = context.Here(preview.Branch);
        return await UseAsync(preview, plan, report with
        {
            Branch = preview.Branch.Name,
            Parent = preview.Branch.Parent?.Branch ?? report.Parent,
            DataAsOf = preview.Branch.DataAsOf,
            ExpiresAt = preview.Branch.ExpiresAt,
            Severed = preview.Branch.Severed,
            Anonymized = preview.Branch.Anonymized,
            DataKept = preview is { Created: false, Reset: false },
        }, cancellationToken);
    }

    private PreviewUp Request(string project) => new()
    {
        Project = project,
        PullRequest = new()
        {
            RepositoryId = context.Event.RepositoryId,
            Repository = context.Event.Repository,
            Number = Pull.Number,
            HeadSha = Pull.HeadSha,
            RunUrl = context.Runner.RunUrl,
            OpenAt = context.Event.OpenAt,
        },
        Name = Inputs.Branch,
        Parent = Inputs.Parent,
        Keep = Inputs.OnPush == OnPush.Keep,
        TimeToLive = Inputs.TimeToLive,
        Host = Inputs.Host,
        // The one that is handed out has to be able to log in, whether the list says so or not.
        Roles = Inputs.Role is null || Inputs.Roles.Contains(Inputs.Role) ? Inputs.Roles : [.. Inputs.Roles, Inputs.Role],
        Anonymization = Inputs.Anonymize.Count == 0
            ? null
            : new() { Files = new Checkout(context.Runner.Workspace, null).Files(Inputs.Anonymize, "anonymize"), Database = Inputs.Database },
    };

    private async Task<StoryResult> UseAsync(Preview preview, MigrationPlan? plan, UpReport report, CancellationToken cancellationToken)
    {
        var name = preview.Branch.Name;
        ConnectionUrl connection;
        try
        {
            connection = await context.Engine.ConnectAsync(name, Inputs.Database, Inputs.Role, cancellationToken);
            // Before anything else: whatever is printed from here on may hold the password.
            foreach (var secret in Secrets(connection))
                context.Log.Mask(secret);
            report = report with { Endpoint = new(connection.Host, connection.Port, connection.Database, connection.User) };
            if (plan is not null)
                report = report with { Migration = await MigrateAsync(plan, name, connection, GoesOnFailure(preview), cancellationToken) };
            if (report.Failed)
                report = report with { BranchDeleted = await DropAsync(preview, cancellationToken) };
        }
        catch (PgdException e)
        {
            report = report with { Failure = e, BranchDeleted = await DropAsync(preview, cancellationToken) };
            await TellAsync(report, cancellationToken);
            throw;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // On a clock of its own: the token is canceled already.
            using var clock = new CancellationTokenSource(UndoTime, context.Time);
            await DropAsync(preview, clock.Token);
            throw;
        }

        return await EndAsync(preview, report, connection, cancellationToken);
    }

    private static IEnumerable<string> Secrets(ConnectionUrl connection) =>
        connection.SecretForms()
            .Concat(Enum.GetValues<UrlFormat>().Where(f => f is UrlFormat.Libpq or UrlFormat.Npgsql or UrlFormat.Jdbc).Select(connection.Format))
            .Distinct(StringComparer.Ordinal);

    private async Task<MigrationReport> MigrateAsync(MigrationPlan plan, BranchName branch, ConnectionUrl connection, bool goes, CancellationToken cancellationToken)
    {
        var migration = await context.Log.GroupAsync($"Migrations on {branch}", write => context.Engine.RehearseAsync(plan.Rehearsal(branch, connection, write) with { IsDeletedWhenCanceled = goes }, cancellationToken));
        // A command that was interrupted ends with a status of its own.
        cancellationToken.ThrowIfCancellationRequested();
        if (migration.Run.Error is { } error)
        {
            var message = error.SqlState is { } state ? $"{error.Message} (SQLSTATE {state})" : error.Message;
            context.Log.Error($"A migration failed on {branch}", message, error.File is { } file ? plan.PathPrefix + file : null, error.Line);
        }

        if (migration.Rollback is { Succeeded: false } rollback)
            context.Log.Error("The way back", rollback.Summary);
        if (migration.Rerun is { Succeeded: false } rerun)
            context.Log.Error("Run again", rerun.Summary);
        foreach (var exceeded in migration.Exceeded.Where(e => e.Name != "deny"))
            context.Log.Error($"Over budget: {exceeded.Name}", $"{exceeded.Actual}; {exceeded.Limit} is allowed ({exceeded.Where})");
        foreach (var level in migration.Findings.Where(f => f.WaivedBecause is null).OrderByDescending(f => f.Level).GroupBy(Level))
        {
            foreach (var finding in level.Take(ShownAnnotations))
                context.Log.Annotate(level.Key, finding.Rule, string.Join(' ', new[] { $"{finding.Message}.", finding.Why, finding.Instead.Length > 0 ? $"Instead: {finding.Instead}" : "" }.Where(t => t.Length > 0)), finding.File is { } file ? plan.PathPrefix + file : null, finding.Line);
        }

        return migration;

        // One that is denied fails the job.
        string Level(LintFinding finding) =>
            finding.Level == FindingLevel.Error || migration.Exceeded.Any(e => e.Name == "deny" && e.Limit == finding.Rule) ? "error"
            : finding.Level == FindingLevel.Warning ? "warning" : "notice";
    }

    // What this run neither made nor reset holds somebody's work: on-push: keep promised to leave it.
    private bool GoesOnFailure(Preview preview) => !Inputs.KeepOnFailure && preview is not { Created: false, Reset: false };

    /// <summary>Deletes the branch of a failed or canceled run, unless it is to be kept. True when it is gone.</summary>
    private async Task<bool> DropAsync(Preview preview, CancellationToken cancellationToken)
    {
        if (!GoesOnFailure(preview))
            return false;
        try
        {
            await context.Engine.DeleteAsync(preview.Branch.Name, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is PgdException or OperationCanceledException)
        {
            var why = e is PgdException ? e.Message : "there was no time left";
            context.Log.Warning($"{preview.Branch.Name} was to be deleted and is still there: {why}. The next sweep takes it when its pull request is closed or its time is up.");
            return false;
        }
    }

    private async Task<StoryResult> EndAsync(Preview preview, UpReport report, ConnectionUrl connection, CancellationToken cancellationToken)
    {
        var branch = preview.Branch;
        var there = !report.BranchDeleted;
        var envFile = there && context.Runner.TemporaryFolder is { } folder
            ? await TemporaryFile.WriteAsync(folder, $"pgd-{branch.Name.Project}-{branch.Name.Branch}.env", connection.Format(UrlFormat.Dotenv), cancellationToken)
            : null;
        var reports = await WriteReportsAsync(report, cancellationToken);
        List<(string, string?)> outputs =
        [
            ("branch", branch.Name.ToString()),
            ("created", preview.Created ? "true" : "false"),
            ("migration", report.Migration is null ? null : report.ExitCode switch { ExitCode.Done => "passed", ExitCode.BudgetExceeded => "over-budget", _ => "failed" }),
            ("migration-report", reports),
        ];
        if (there)
        {
            outputs.AddRange([
                ("host", connection.Host),
                ("port", connection.Port.ToString(CultureInfo.InvariantCulture)),
                ("database", connection.Database),
                ("user", connection.User),
                ("url", connection.Format(UrlFormat.Libpq)),
                ("env-file", envFile),
                ("expires-at", branch.ExpiresAt?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)),
            ]);
        }

        await context.Outputs.WriteAsync(outputs, cancellationToken);
        var comment = await TellAsync(report, cancellationToken);
        return await context.EndAsync(new()
        {
            Verb = StoryVerb.Up,
            Outcome = preview.Created ? StoryOutcome.Created : preview.Reset ? StoryOutcome.Reset : StoryOutcome.Kept,
            ExitCode = report.ExitCode,
            Text = UpText.Verdict(report),
            PullRequest = Pull.Number,
            Branch = branch.Name.ToString(),
            Host = there ? connection.Host : null,
            HostName = context.Engine.HostName,
            Port = there ? connection.Port : null,
            Database = connection.Database,
            User = connection.User,
            DataAsOf = branch.DataAsOf,
            ExpiresAt = there ? branch.ExpiresAt : null,
            Migrations = report.Run,
            Exceeded = report.Migration?.Exceeded ?? [],
            MigrationReport = reports,
            DeletedAfterFailure = report.BranchDeleted,
            EnvFile = envFile,
            CommentUrl = comment,
        }, cancellationToken);
    }

    private async Task<string?> WriteReportsAsync(UpReport report, CancellationToken cancellationToken)
    {
        if (report.Migration is not { } migration || context.Runner.TemporaryFolder is not { } folder)
            return null;
        var own = Path.Combine(folder, $"pgd-migration-{migration.Branch.Project}-{migration.Branch.Branch}");
        await RehearsalFiles.WriteAsync(migration, own, cancellationToken);
        return own;
    }

    private async Task<string?> TellAsync(UpReport report, CancellationToken cancellationToken)
    {
        if (Inputs.Comment != CommentMode.False)
            await context.Summary.AppendAsync(UpText.Summary(report, StepSummary.Limit), cancellationToken);
        if (report.HeadSha is { } sha && (report.Migration is not null || (report.Failure is not null && (Inputs.Migrate ?? Inputs.MigrateFiles) is not null)))
            await context.TryMarkAsync(sha, new(StatusContext, report.ExitCode == ExitCode.Done, UpText.Verdict(report), report.RunUrl), cancellationToken);
        var told = await context.TryCommentAsync(comment =>
            comment.PutAsync(Pull.Number, report.Project, report.Branch, here, UpText.Comment(report, Page.CommentLimit - StickyComment.MarkerRoom), cancellationToken, isThere: !report.BranchDeleted));
        foreach (var (project, home) in told?.Elsewhere ?? [])
            context.Log.Notice($"Pull request {Pull.Number} has another branch, {project}/{home.Branch}: {ElsewhereText.Where(home)}.");
        return told?.Url;
    }
}
