namespace Pgd;

/// <summary>Projects: PostgreSQL lineages.</summary>
public sealed class Projects
{
    internal Projects(Workspace workspace) => _ = workspace;

    /// <summary>Makes a project and its first branch, <c>main</c>, with a database and an owner of the project's name.</summary>
    /// <exception cref="PgdException">It exists already, the dump cannot be read, the machine lacks server binaries, …</exception>
    public Task<Project> CreateAsync(ProjectCreate request, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>All projects, by name.</summary>
    public Task<IReadOnlyList<Project>> ListAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>One project.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Project> GetAsync(string name, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Deletes a project. Without <paramref name="force"/> it is refused while it has branches beside <c>main</c>.</summary>
    public Task DeleteAsync(string name, bool force, CancellationToken cancellationToken) => throw new NotImplementedException();
}
