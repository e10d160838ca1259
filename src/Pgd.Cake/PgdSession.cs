using Cake.Core;
using Cake.Core.Diagnostics;
using Pgd;
using Pgd.Configuration;

namespace Cake.Pgd;

/// <summary>One call of an alias: the engine as its settings say, Cake's log for what happens, and Cake's kind of exception.</summary>
internal sealed class PgdSession
{
    private readonly ICakeContext _context;

    private PgdSession(ICakeContext context, PgdSettings settings)
    {
        _context = context;
        Environment = context.Environment.GetEnvironmentVariables().ToDictionary(v => v.Key, v => v.Value ?? "", StringComparer.Ordinal);
        Workspace = Workspace.OpenAsItsUser(ConfigurationFiles.Load(
            Environment,
            new() { Root = settings.Root?.MakeAbsolute(context.Environment).FullPath, WaitForLock = settings.WaitForLock }).Configuration, new Log(context.Log));
    }

    public Workspace Workspace { get; }

    /// <summary>The build's variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Where the build is.</summary>
    public string WorkingDirectory => _context.Environment.WorkingDirectory.FullPath;

    public static T Run<T>(ICakeContext context, PgdSettings? settings, Func<PgdSession, Task<T>> work)
    {
        ArgumentNullException.ThrowIfNull(context);
        try
        {
            return work(new PgdSession(context, settings ?? new())).GetAwaiter().GetResult();
        }
        catch (PgdException e)
        {
            throw new CakeException((int)e.ExitCode, e.Hint is null ? e.Message : $"{e.Message}. {e.Hint}", e);
        }
    }

    /// <summary>The same where nothing comes of it.</summary>
    public static void Run(ICakeContext context, PgdSettings? settings, Func<PgdSession, Task> work) => Run(context, settings, async session =>
    {
        await work(session).ConfigureAwait(false);
        return true;
    });

    /// <summary>What the engine says on the way.</summary>
    private sealed class Log(ICakeLog log) : IReporter
    {
        public void Step(string text) => log.Verbose("{0}", text);

        public void Progress(string text, long done, long total) => log.Debug("{0}: {1} of {2} bytes", text, done, total);

        public void Warn(string text) => log.Warning("{0}", text);
    }
}
