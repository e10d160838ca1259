using System.Text.RegularExpressions;
using Pgd.IntegrationTests;

namespace Pgd.Bench;

/// <summary>The one server of a root, found by its command line: the floor must not ask pgd.</summary>
internal sealed partial class SourceServer
{
    private readonly string _commandLine;

    public SourceServer(string root)
    {
        _commandLine = LabProcess.All().Single(process => (process.CommandLine.StartsWith("postgres -D", StringComparison.Ordinal) || process.CommandLine.Contains("/postgres -D", StringComparison.Ordinal)) && process.CommandLine.Contains(root + "/", StringComparison.Ordinal)).CommandLine;
        // Of a server in a container, empty: its programs are in its image.
        Binaries = Path.GetDirectoryName(_commandLine.Split(' ')[0])!;
        Data = Value(DataOption());
        Port = Value(PortOption());
        SocketFolder = Value(SocketOption());
    }

    public string Binaries { get; }

    public string Data { get; }

    public string Port { get; }

    public string SocketFolder { get; }

    public string DatabaseSize() => LabCommand.Run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--host", SocketFolder, "--port", Port, "--username", "postgres", "--dbname", "postgres",
        "--command", "select pg_size_pretty(sum(pg_database_size(oid))) from pg_database").Trim();

    private string Value(Regex option) => option.Match(_commandLine).Groups[1].Value;

    [GeneratedRegex(@" -D (\S+)")]
    private static partial Regex DataOption();

    [GeneratedRegex(@" port=(\d+)")]
    private static partial Regex PortOption();

    [GeneratedRegex(@" unix_socket_directories=(\S+)")]
    private static partial Regex SocketOption();
}
