using Pgd.Configuration;

namespace Pgd;

/// <summary>The door to the engine: a root folder and its configuration, and from there the nouns.</summary>
public sealed class Workspace
{
    /// <summary>Opens the root that the configuration names; nothing is written until something is made.</summary>
    /// <exception cref="PgdException">The platform or the root cannot be used (<see cref="ExitCode.MachineLacks"/>).</exception>
    public Workspace(HostConfiguration configuration, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(reporter);
        Configuration = configuration;
        Reporter = reporter;
        Root = configuration.Root ?? "";
        Projects = new Projects(this);
        Branches = new Branches(this);
        Previews = new Previews(this);
        Migrations = new Migrations.Migrations(this);
        Doctor = new Doctor(this);
    }

    /// <summary>The folder that holds everything.</summary>
    public string Root { get; }

    /// <summary>The configuration, all layers folded.</summary>
    public HostConfiguration Configuration { get; }

    /// <summary>Who hears what the engine does.</summary>
    public IReporter Reporter { get; }

    /// <summary>Projects.</summary>
    public Projects Projects { get; }

    /// <summary>Branches.</summary>
    public Branches Branches { get; }

    /// <summary>Branches of pull requests.</summary>
    public Previews Previews { get; }

    /// <summary>Migrations.</summary>
    public Migrations.Migrations Migrations { get; }

    /// <summary>Checks and repairs.</summary>
    public Doctor Doctor { get; }
}
