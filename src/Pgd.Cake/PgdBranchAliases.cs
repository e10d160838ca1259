using System.Runtime.InteropServices;
using Cake.Core;
using Cake.Core.Annotations;
using Cake.Core.Diagnostics;
using Pgd;
using Pgd.Libpq;

namespace Cake.Pgd;

/// <summary>Branches: copies of another branch's data, each with a server of its own.</summary>
[CakeAliasCategory("Pgd")]
[CakeNamespaceImport("Pgd")]
[CakeNamespaceImport("Pgd.Libpq")]
public static class PgdBranchAliases
{
    // A build that is killed cannot delete it.
    private static readonly TimeSpan ShortLife = TimeSpan.FromDays(1);

    /// <summary>Makes a branch.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">What it should be; null for a copy of <c>main</c>.</param>
    /// <returns>The branch, and how to connect to it.</returns>
    /// <exception cref="CakeException">It is there already, there is no room, … The exit code is pgd's.</exception>
    /// <example><code>var db = PgdBranchCreate("shop/build", new PgdBranchSettings { TimeToLive = TimeSpan.FromHours(2) });</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static PgdBranch PgdBranchCreate(this ICakeContext context, string name, PgdBranchSettings? settings = null) => Create(context, name, settings, ensure: false);

    /// <summary>Makes a branch, or takes the one that is there: it is started if it is stopped, and its expiry is moved.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">What it should be; null for a copy of <c>main</c>.</param>
    /// <returns>The branch, and how to connect to it.</returns>
    /// <exception cref="CakeException">There is no room, … The exit code is pgd's.</exception>
    /// <example><code>var db = PgdBranchEnsure("shop/nightly");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static PgdBranch PgdBranchEnsure(this ICakeContext context, string name, PgdBranchSettings? settings = null) => Create(context, name, settings, ensure: true);

    /// <summary>Replaces a branch's data by its parent's present state; its address and its passwords stay.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">Its expiry, its anonymization and its roles; null for those that it has.</param>
    /// <returns>The branch, and how to connect to it.</returns>
    /// <exception cref="CakeException">There is no such branch, … The exit code is pgd's.</exception>
    /// <example><code>PgdBranchReset("shop/nightly");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static PgdBranch PgdBranchReset(this ICakeContext context, string name, PgdBranchSettings? settings = null) => PgdSession.Run(context, settings, async session =>
    {
        var branch = await session.Workspace.Branches.ResetAsync(new()
        {
            Name = BranchName.Parse(name),
            TimeToLive = settings?.TimeToLive,
            Anonymization = Anonymization(context, settings),
            Roles = settings is { Roles.Count: > 0 } ? settings.Roles : null,
        }, CancellationToken.None).ConfigureAwait(false);
        return await ConnectAsync(session, branch, settings).ConfigureAwait(false);
    });

    /// <summary>Deletes a branch, and its snapshots.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="CakeException">It is protected, or others were made from it. The exit code is pgd's.</exception>
    /// <example><code>PgdBranchDelete("shop/build");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static bool PgdBranchDelete(this ICakeContext context, string name, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Branches.DeleteAsync(BranchName.Parse(name), ifExists: true, withSnapshots: true, CancellationToken.None));

    /// <summary>Tells of one branch.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <returns>The branch.</returns>
    /// <exception cref="CakeException">There is no such branch. The exit code is pgd's.</exception>
    /// <example><code>Information("{0} is {1}", "shop/nightly", PgdBranchGet("shop/nightly").Status);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static Branch PgdBranchGet(this ICakeContext context, string name, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Branches.GetAsync(BranchName.Parse(name), CancellationToken.None));

    /// <summary>Lists branches.</summary>
    /// <param name="context">The build.</param>
    /// <param name="project">Only of this project; null for all.</param>
    /// <param name="settings">Where they are; null for what the configuration says.</param>
    /// <returns>The branches, by name.</returns>
    /// <exception cref="CakeException">There is no such project. The exit code is pgd's.</exception>
    /// <example><code>foreach (var branch in PgdBranchList("shop")) Information(branch.Name);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static IReadOnlyList<Branch> PgdBranchList(this ICakeContext context, string? project = null, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Branches.ListAsync(project, CancellationToken.None));

    /// <summary>Says how to connect to a branch, with the password.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>.</param>
    /// <param name="settings">Which database and role; null for the only one and its owner.</param>
    /// <returns>The connection; printing it leaves the password out.</returns>
    /// <exception cref="CakeException">There is no such branch, database or role. The exit code is pgd's.</exception>
    /// <example><code>var connectionString = PgdBranchUrl("shop/nightly").Format(UrlFormat.Npgsql);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static ConnectionUrl PgdBranchUrl(this ICakeContext context, string name, PgdBranchSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Branches.ConnectAsync(BranchName.Parse(name), settings?.Database, settings?.Role, CancellationToken.None));

    /// <summary>Makes a branch, does something with it, and deletes it, whatever happens meanwhile: an exception, Ctrl-C, SIGTERM. One that is killed leaves a branch that lives for a day.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch</c>; none may be there.</param>
    /// <param name="work">What to do with it.</param>
    /// <param name="settings">What it should be; null for a copy of <c>main</c>.</param>
    /// <exception cref="CakeException">The branch could not be made or deleted. The exit code is pgd's. What the work throws is thrown on.</exception>
    /// <example><code>
    /// PgdWithBranch("shop/tests", db =>
    ///     DotNetTest("tests", new DotNetTestSettings { EnvironmentVariables = { ["DATABASE_URL"] = db.Connection.Format(UrlFormat.Libpq) } }));
    /// </code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Branches")]
    public static void PgdWithBranch(this ICakeContext context, string name, Action<PgdBranch> work, PgdBranchSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(work);
        settings ??= new();
        var branch = context.PgdBranchCreate(name, settings with { TimeToLive = settings.TimeToLive ?? ShortLife });
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            work(branch);
        }
        finally
        {
            context.PgdBranchDelete(name, settings);
        }

        // Cake would end without coming back to the block above.
        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            try
            {
                context.PgdBranchDelete(name, settings);
            }
            catch (CakeException e)
            {
                context.Log.Warning("{0} is still there: {1}", name, e.Message);
            }

            Environment.Exit((int)(signal.Signal == PosixSignal.SIGINT ? ExitCode.Interrupted : ExitCode.Terminated));
        }
    }

    private static PgdBranch Create(ICakeContext context, string name, PgdBranchSettings? settings, bool ensure) => PgdSession.Run(context, settings, async session =>
    {
        var created = await session.Workspace.Branches.CreateAsync(new()
        {
            Name = BranchName.Parse(name),
            From = settings?.From,
            Snapshot = settings?.Snapshot,
            Ensure = ensure,
            TimeToLive = settings?.TimeToLive,
            Anonymization = Anonymization(context, settings),
            Roles = settings is { Roles.Count: > 0 } ? settings.Roles : null,
        }, CancellationToken.None).ConfigureAwait(false);
        return await ConnectAsync(session, created.Branch, settings).ConfigureAwait(false);
    });

    private static async Task<PgdBranch> ConnectAsync(PgdSession session, Branch branch, PgdBranchSettings? settings) =>
        new(branch, await session.Workspace.Branches.ConnectAsync(branch.Name, settings?.Database, settings?.Role, CancellationToken.None).ConfigureAwait(false));

    private static Anonymization? Anonymization(ICakeContext context, PgdBranchSettings? settings) =>
        settings is not { Anonymize.Count: > 0 } ? null : new() { Files = [.. settings.Anonymize.Select(f => f.MakeAbsolute(context.Environment).FullPath)], Database = settings.Database };
}
