using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Pgd.IntegrationTests.Branches;

/// <summary>A server that pgd knows nothing of: a publisher, a primary, an impostor. Everyone on this machine is trusted by it.</summary>
internal sealed class ScratchServer : IDisposable
{
    private readonly string _binaries, _root;

    private ScratchServer(int major, string root, int port)
    {
        (_binaries, _root, Port) = (Lab.Current.Servers.Folder(major), root, port);
        Data = Path.Combine(root, "data");
    }

    public int Port { get; }

    public string Data { get; }

    public static ScratchServer Start(int major, params IReadOnlyList<string> settings) => Start(major, FreePort(), settings);

    public static ScratchServer Start(int major, int port, params IReadOnlyList<string> settings)
    {
        var server = new ScratchServer(major, Lab.Current.FileSystem("ext4").NewRoot(), port);
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", server.Data, $"{server._root}/s");
        server.AsPostgres("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", server.Data);
        File.AppendAllLines($"{server.Data}/postgresql.conf", settings);
        // The server inherits pg_ctl's standard output, which would never end: hence the log file.
        server.AsPostgres("pg_ctl", "-w", "-s", "-D", server.Data, "-l", $"{server.Data}/log.txt", "-o", $"-p {port} -k {server._root}/s -c listen_addresses=127.0.0.1", "start");
        return server;
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public Task<string?> AskAsync(string sql) => Sql.AskAsync("127.0.0.1", Port, "postgres", "postgres", null, sql);

    public string Conninfo(string database) => string.Create(CultureInfo.InvariantCulture, $"host=127.0.0.1 port={Port} user=postgres dbname={database}");

    public void Dispose() => AsPostgres("pg_ctl", "-w", "-s", "-D", Data, "-m", "immediate", "stop");

    private void AsPostgres(string program, params IReadOnlyList<string> arguments) =>
        LabCommand.Run("runuser", ["-u", "postgres", "--", Path.Combine(_binaries, program), .. arguments]);
}
