namespace Pgd.Configuration;

/// <summary>The configuration of a host: files, environment and options folded into one, and the root that follows from them.</summary>
public static class ConfigurationFiles
{
    /// <summary>
    /// Folds <c>/etc/pgd/config.yaml</c>, <c>~/.config/pgd/config.yaml</c>, <c>PGD_*</c> and <paramref name="overrides"/>, each over the one before.
    /// The answer always has a root.
    /// </summary>
    /// <exception cref="PgdException">A file or a variable is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static LoadedConfiguration Load(IReadOnlyDictionary<string, string> environment, HostConfiguration overrides) =>
        Load(environment, overrides, HostFolders.From(environment));

    internal static LoadedConfiguration Load(IReadOnlyDictionary<string, string> environment, HostConfiguration overrides, HostFolders folders)
    {
        ArgumentNullException.ThrowIfNull(environment);
        ArgumentNullException.ThrowIfNull(overrides);
        var (configuration, source) = (new HostConfiguration(), (string?)null);
        var read = new List<string>();
        foreach (var file in new[] { folders.SystemFile, folders.UserFile })
        {
            // Checked here too, so that a host without files never loads the YAML parser.
            if (!File.Exists(file) && !File.Exists(Path.ChangeExtension(file, ".yml")))
                continue;
            Fold(HostFile.From(YamlFile.Read(file)!, folders.Home), file);
            read.Add(file);
        }

        Fold(HostVariables.From(environment), "PGD_ROOT");
        Fold(overrides, "--root");
        if (configuration.Root is null)
            Fold(new() { Root = folders.DefaultRoot }, "default");
        return new(configuration, source!, read);

        void Fold(HostConfiguration layer, string name)
        {
            configuration = layer.Over(configuration);
            source = layer.Root is null ? source : name;
        }
    }
}

/// <summary>A host's configuration, all layers folded.</summary>
/// <param name="Configuration">The values; <see cref="HostConfiguration.Root"/> is always set.</param>
/// <param name="RootSource">Who said where the root is: <c>--root</c>, <c>PGD_ROOT</c>, a file, or <c>default</c>.</param>
/// <param name="Files">The files that were there and read.</param>
public sealed record LoadedConfiguration(HostConfiguration Configuration, string RootSource, IReadOnlyList<string> Files);
