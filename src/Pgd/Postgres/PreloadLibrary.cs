namespace Pgd.Postgres;

/// <summary>A library that a server or its sessions load by configuration: without its file the server does not start, or lets nobody in.</summary>
/// <param name="Setting">The setting that names it.</param>
/// <param name="Name">As it is named there.</param>
/// <param name="Files">Where it may be, the likeliest first; <c>$libdir</c> stands for the server's own folder of libraries.</param>
internal sealed record PreloadLibrary(string Setting, string Name, IReadOnlyList<string> Files)
{
    /// <summary>The server's own word for its folder of libraries.</summary>
    public const string Folder = "$libdir";

    /// <summary>Where that folder is, seen from the one with the programs. Every server's has the library of PL/pgSQL.</summary>
    public static readonly string[] FoldersFromPrograms = ["../lib", "../lib/postgresql", "../lib64", "../lib64/pgsql", "../lib/pgsql"];

    private const string Suffix = ".so", Plugins = "local_preload_libraries";

    /// <summary>Those that a configuration names.</summary>
    public static IReadOnlyList<PreloadLibrary> Of(ServerConfiguration configuration)
    {
        var searched = (configuration.Find("dynamic_library_path") ?? Folder).Split(':', StringSplitOptions.RemoveEmptyEntries);
        return [.. from setting in (string[])["shared_preload_libraries", "session_preload_libraries", Plugins]
                   from name in configuration.List(setting)
                   let folders = name.Contains('/', StringComparison.Ordinal) ? [""] : setting == Plugins ? [$"{Folder}/plugins/"] : searched.Select(f => $"{f}/")
                   select new PreloadLibrary(setting, name, [.. folders.SelectMany(f => (string[])[$"{f}{name}{Suffix}", f + name])])];
    }

    /// <summary>Refuses to start a server without its libraries.</summary>
    /// <param name="libraries">The libraries.</param>
    /// <param name="folder">The server's folder of libraries; null if it is not known, and then nothing is.</param>
    /// <param name="exists">Whether the server would find a file.</param>
    /// <param name="server">What runs the server, in words.</param>
    /// <param name="hint">What to type.</param>
    /// <exception cref="PgdException">Some are missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static void Require(IReadOnlyList<PreloadLibrary> libraries, string? folder, Func<string, bool> exists, string server, string hint)
    {
        if (folder is null || libraries.Count == 0)
            return;
        var missing = libraries.Where(l => !l.Files.Any(f => exists(f.Replace(Folder, folder, StringComparison.Ordinal)))).ToList();
        if (missing.Count > 0)
        {
            throw new PgdException(ExitCode.MachineLacks,
                $"{server} lacks {string.Join(" and ", missing.GroupBy(l => l.Setting).Select(s => $"{string.Join(", ", s.Select(l => l.Name))}, which {s.Key} of the data names"))}", hint);
        }
    }
}
