using Cake.Core;
using Cake.Core.Annotations;
using Pgd;

namespace Cake.Pgd;

/// <summary>Projects: each has a first branch, <c>main</c>, that the others come from.</summary>
[CakeAliasCategory("Pgd")]
[CakeNamespaceImport("Pgd")]
public static class PgdProjectAliases
{
    /// <summary>Makes a project with its first branch <c>main</c>: empty, or filled from a dump.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its name.</param>
    /// <param name="settings">What it should be; null for what the configuration says.</param>
    /// <returns>The project.</returns>
    /// <exception cref="CakeException">It is there already, the machine lacks something, … The exit code is pgd's.</exception>
    /// <example><code>PgdProjectCreate("shop", new PgdProjectSettings { FromDump = "db/sample.dump" });</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Projects")]
    public static Project PgdProjectCreate(this ICakeContext context, string name, PgdProjectSettings? settings = null) => PgdSession.Run(context, settings, session => session.Workspace.Projects.CreateAsync(new()
    {
        Name = name,
        PostgresMajor = settings?.PostgresMajor,
        Storage = settings?.Storage,
        Runtime = settings?.Runtime,
        Image = settings?.Image,
        FromDump = settings?.FromDump?.MakeAbsolute(context.Environment).FullPath,
    }, CancellationToken.None));

    /// <summary>Lists projects.</summary>
    /// <param name="context">The build.</param>
    /// <param name="settings">Where they are; null for what the configuration says.</param>
    /// <returns>The projects, by name.</returns>
    /// <exception cref="CakeException">The root cannot be read. The exit code is pgd's.</exception>
    /// <example><code>foreach (var project in PgdProjectList()) Information(project.Name);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Projects")]
    public static IReadOnlyList<Project> PgdProjectList(this ICakeContext context, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Projects.ListAsync(CancellationToken.None));

    /// <summary>Tells of one project.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its name.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <returns>The project.</returns>
    /// <exception cref="CakeException">There is no such project. The exit code is pgd's.</exception>
    /// <example><code>var storage = PgdProjectGet("shop").Storage;</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Projects")]
    public static Project PgdProjectGet(this ICakeContext context, string name, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Projects.GetAsync(name, CancellationToken.None));

    /// <summary>Deletes a project and its data.</summary>
    /// <param name="context">The build.</param>
    /// <param name="name">Its name.</param>
    /// <param name="force">Whether its branches go with it.</param>
    /// <param name="settings">Where it is; null for what the configuration says.</param>
    /// <exception cref="CakeException">There is no such project, or it has branches. The exit code is pgd's.</exception>
    /// <example><code>PgdProjectDelete("shop", force: true);</code></example>
    [CakeMethodAlias]
    [CakeAliasCategory("Projects")]
    public static void PgdProjectDelete(this ICakeContext context, string name, bool force = false, PgdSettings? settings = null) =>
        PgdSession.Run(context, settings, session => session.Workspace.Projects.DeleteAsync(name, force, CancellationToken.None));
}
