using System.Collections.Concurrent;

namespace Pgd.Testing;

/// <summary>What this process has of one root: the engine, and the lease on all that it makes there.</summary>
internal sealed class TestProcess
{
    private static readonly ConcurrentDictionary<string, Lazy<TestProcess>> Roots = new(StringComparer.Ordinal);

    // Somebody is at the data's making, which takes as long as its migrations.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(30);

    // Whoever has a branch of ours is about to let it go; a test run is not kept for more.
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(10);

    private TestProcess(Workspace workspace) => (Workspace, Lease) = (workspace, workspace.Leases.Take());

    public Workspace Workspace { get; }

    public Lease Lease { get; }

    public static TestProcess Of(string? root) => Roots.GetOrAdd(root ?? "", _ => new(() => Open(root))).Value;

    private static TestProcess Open(string? root)
    {
        var environment = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().ToDictionary(v => (string)v.Key, v => (string?)v.Value ?? "", StringComparer.Ordinal);
        var process = new TestProcess(Workspace.OpenAsItsUser(Configuration.ConfigurationFiles.Load(environment, new() { Root = root, WaitForLock = LongestWait }).Configuration, new Warnings()));
        // One that is killed is cleaned up after by the next one; this spares that the wait.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => process.End();
        return process;
    }

    // What others left is theirs, and may take long.
    private void End()
    {
        try
        {
            new Workspace(Workspace.Configuration with { WaitForLock = LongestEnd }, new Warnings()).Leases.EndAsync(Lease).GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            // The tests have ended as they have ended.
            Console.Error.WriteLine($"pgd: test databases are left, and go with the next run: {e.Message}");
        }
    }

    private sealed class Warnings : IReporter
    {
        public void Step(string text)
        {
        }

        public void Progress(string text, long done, long total)
        {
        }

        public void Warn(string text) => Console.Error.WriteLine($"pgd: {text}");
    }
}
