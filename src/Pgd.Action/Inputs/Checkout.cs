namespace Pgd.Action.Inputs;

/// <summary>The repository's files as the job sees them, and how their names relate to those that the code host uses.</summary>
internal sealed class Checkout
{
    private readonly string workspace;

    /// <param name="workspace">Where the job starts.</param>
    /// <param name="workingDirectory">The folder that migrations run in, relative to the workspace; null for the workspace itself.</param>
    public Checkout(string workspace, string? workingDirectory)
    {
        this.workspace = Path.GetFullPath(workspace);
        WorkingDirectory = Path.GetFullPath(workingDirectory ?? ".", this.workspace);
        if (!Directory.Exists(WorkingDirectory))
            throw new PgdException(ExitCode.Misuse, $"there is no folder {WorkingDirectory} to run migrations in", "Check migrate-working-directory, and that the workflow has a step with actions/checkout before this one.");
        var top = Path.GetRelativePath(Top(), WorkingDirectory).Replace('\\', '/');
        Prefix = top == "." ? "" : top + "/";
    }

    public string WorkingDirectory { get; }

    /// <summary>What stands before a path of the working directory in the repository: empty, or <c>folder/</c>.</summary>
    public string Prefix { get; }

    /// <summary>The path relative to the working directory, or null for a file outside of it.</summary>
    public string? Relative(string repositoryPath) =>
        repositoryPath.StartsWith(Prefix, StringComparison.Ordinal) ? repositoryPath[Prefix.Length..] : null;

    /// <summary>What a list of files and globs names, in its order. A name without a file is an error: to leave an anonymization out unnoticed would publish the data.</summary>
    public IReadOnlyList<string> Files(IEnumerable<string> patterns, string input)
    {
        var files = new List<string>();
        foreach (var pattern in patterns)
        {
            var found = Find(pattern).ToArray();
            if (found.Length == 0 || !found.All(File.Exists))
                throw new PgdException(ExitCode.Misuse, $"there is no file {pattern} for {input} in {workspace}", "Check the name, and that the workflow has a step with actions/checkout before this one.");
            files.AddRange(found.Where(f => !files.Contains(f)));
        }

        return files;
    }

    private IEnumerable<string> Find(string pattern)
    {
        if (!FilePattern.IsPattern(pattern))
            return [Path.GetFullPath(pattern, workspace)];
        // The runner's owner may keep files of his own outside of every checkout.
        var root = Path.GetPathRoot(pattern);
        return string.IsNullOrEmpty(root) ? new FilePattern(pattern).FilesIn(workspace) : new FilePattern(Path.GetRelativePath(root, pattern)).FilesIn(root);
    }

    // A checkout may lie in a folder of the workspace (actions/checkout with path:).
    private string Top()
    {
        for (var folder = new DirectoryInfo(WorkingDirectory); folder is not null; folder = folder.Parent)
        {
            if (Path.Exists(Path.Combine(folder.FullName, ".git")))
                return folder.FullName;
        }

        return WorkingDirectory == workspace || WorkingDirectory.StartsWith(workspace + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? workspace : WorkingDirectory;
    }
}
