using Cake.Core;
using Cake.Core.Diagnostics;
using Cake.Frosting;
using Cake.Pgd;
using Pgd.Migrations;

return new CakeHost().UseContext<BuildContext>().UseLifetime<BuildLifetime>().Run(args);

/// <summary>What the tasks share: which branch this build works with, and what its migrations did.</summary>
public sealed class BuildContext(ICakeContext context) : FrostingContext(context)
{
    /// <summary>Another one for each build, so that two of them do not meet.</summary>
    public string Branch { get; } = $"shop/build-{System.Environment.ProcessId}";

    public MigrationReport? Report { get; set; }
}

[TaskName("BranchCreate")]
public sealed class BranchCreate : FrostingTask<BuildContext>
{
    public override void Run(BuildContext context)
    {
        // Its time is up on its own if the build is killed.
        var db = context.PgdBranchCreate(context.Branch, new PgdBranchSettings { TimeToLive = TimeSpan.FromHours(2) });
        context.Log.Information("{0} listens on port {1}", db.Name, db.Connection.Port);
    }
}

[TaskName("Migrate")]
[IsDependentOn(typeof(BranchCreate))]
public sealed class Migrate : FrostingTask<BuildContext>
{
    public override void Run(BuildContext context) =>
        context.Report = context.PgdMigrate(context.Branch, new PgdMigrateSettings { Files = "db/migrations/*.sql", Report = "artifacts/migration" });
}

[TaskName("Verify")]
[IsDependentOn(typeof(Migrate))]
public sealed class Verify : FrostingTask<BuildContext>
{
    public override void Run(BuildContext context)
    {
        if (context.Report!.Trace.LongestBlocking > TimeSpan.FromSeconds(2))
            throw new CakeException($"readers or writers would have to wait for {context.Report.Trace.LongestBlocking.TotalSeconds:0.0} s");
    }
}

[TaskName("BranchDelete")]
[IsDependentOn(typeof(Verify))]
public sealed class BranchDelete : FrostingTask<BuildContext>
{
    public override void Run(BuildContext context) => context.PgdBranchDelete(context.Branch);
}

[TaskName("Default")]
[IsDependentOn(typeof(BranchDelete))]
public sealed class Default : FrostingTask<BuildContext>;

/// <summary>Where a task failed, those after it do not run; this does, whatever happened. To delete what is gone is fine.</summary>
public sealed class BuildLifetime : FrostingLifetime<BuildContext>
{
    public override void Setup(BuildContext context, ISetupContext info)
    {
    }

    public override void Teardown(BuildContext context, ITeardownContext info) => context.PgdBranchDelete(context.Branch);
}
