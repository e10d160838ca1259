namespace Pgd.Postgres;

/// <summary>The server could not have its port. Whoever is free to take another one does; for everyone else it is an error like others.</summary>
internal static class PortTaken
{
    public static PgdException Error(BranchName name, int port) => new(ExitCode.Failed, $"the port {port} of {name} is taken by another program", $"Find it with: ss -ltnp 'sport = :{port}'. End it, then: dotnet pgd start {name}")
    {
        Data = { ["port-taken"] = port },
    };

    public static bool Is(PgdException e) => e.Data.Contains("port-taken");

    public static int Of(PgdException e) => (int)e.Data["port-taken"]!;
}
