using Cake.Core;
using Cake.Core.Annotations;
using Pgd;

namespace Cake.Pgd;

/// <summary>Snapshots: read-only points of a branch, to make branches from or to reset to.</summary>
[CakeAliasCategory("Pgd")]
[CakeNamespaceImport("Pgd")]
public static class PgdSnapshotAliases
{
    /// <summary>Keeps a branch as it is now.</summary>
    /// <param name="context">The build.</param>
    /// <param name="branch">The branch's full name, <c>project/branch</c>.</param>
    /// <param name="label">What to call it.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <returns>The snapshot.</returns>
    /// <exception cref="CakeException">There is no such branch, or it has a snapshot of that label. The exit code is pgd's.</exception>
    /// <example><code>PgdSnapshotCreate("shop/main", "before-release");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Snapshots")]
    public static Snapshot PgdSnapshotCreate(this ICakeContext context, string branch, string label, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Snapshots.CreateAsync(new() { Branch = BranchName.Parse(branch), Label = label }, CancellationToken.None));

    /// <summary>Lists snapshots.</summary>
    /// <param name="context">The build.</param>
    /// <param name="project">Only of this project; null for all.</param>
    /// <param name="settings">Where they are; null for what the configuration says.</param>
    /// <returns>The snapshots, the oldest first.</returns>
    /// <exception cref="CakeException">There is no such project. The exit code is pgd's.</exception>
    /// <example><code>foreach (var snapshot in PgdSnapshotList("shop")) Information(snapshot.Name);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Snapshots")]
    public static IReadOnlyList<Snapshot> PgdSnapshotList(this ICakeContext context, string? project = null, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Snapshots.ListAsync(project, null, CancellationToken.None));

    /// <summary>Deletes a snapshot.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its full name, <c>project/branch@label</c>.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="CakeException">It is protected, or branches were made from it. The exit code is pgd's.</exception>
    /// <example><code>PgdSnapshotDelete("shop/main@before-release");</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Snapshots")]
    public static bool PgdSnapshotDelete(this ICakeContext context, string name, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Snapshots.DeleteAsync(SnapshotName.Parse(name), ifExists: true, CancellationToken.None));
}
