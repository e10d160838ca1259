using Pgd.Tool;

namespace Pgd.Tests.Tool;

/// <summary>One run of the tool inside the test: what it printed, and its exit status.</summary>
internal sealed record ToolRun(int Status, string Output, string Error)
{
    public static async Task<ToolRun> OfAsync(string[] args, Func<Session, Session>? adapt = null)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        var session = new Session
        {
            Output = output,
            Error = error,
            // Nothing of the machine that runs the tests may be read.
            Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent", ["PGD_ROOT"] = "/nonexistent/root" },
            WorkingDirectory = "/",
        };
        var status = await Entry.RunAsync(args, adapt?.Invoke(session) ?? session);
        return new(status, output.ToString(), error.ToString());
    }

    public static Task<ToolRun> OfAsync(string line) => OfAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
