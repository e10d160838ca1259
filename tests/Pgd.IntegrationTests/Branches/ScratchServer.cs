using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Pgd.IntegrationTests.Branches;

/// <summary>A server that pgd knows nothing of: a publisher, a primary, an impostor. Everyone on this machine is trusted by it.</summary>
internal sealed class ScratchServer : IDisposable
{
    private readonly string _binaries, _root;
    private bool _isOwnRoot;

    private ScratchServer(string binaries, string root, string data, int port) => (_binaries, _root, Data, Port) = (binaries, root, data, port);

    public int Port { get; }

    public string Data { get; }

    public static ScratchServer Start(int major, params IReadOnlyList<string> settings) => Start(major, FreePort(), settings);

    public static ScratchServer Start(int major, int port, params IReadOnlyList<string> settings)
    {
        var root = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(root, LabFolder.Traversable);
        var server = StartIn(major, root, $"{root}/data", port, [], settings);
        server._isOwnRoot = true;
        return server;
    }

    /// <summary>The same with its data in a folder of the test's choice, and its socket in another.</summary>
    public static ScratchServer StartIn(int major, string root, string data, int port, IReadOnlyList<string> initdb, params IReadOnlyList<string> settings)
    {
        var server = new ScratchServer(Lab.Current.Servers.Folder(major), root, data, port);
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", server.Data, $"{server._root}/s");
        server.AsPostgres("initdb", [.. initdb, "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", server.Data]);
        File.AppendAllLines($"{server.Data}/postgresql.conf", settings);
        server.Start();
        return server;
    }

    /// <summary>A standby of it, with a slot on it.</summary>
    public ScratchServer NewStandby(string root, string data, int port)
    {
        var standby = new ScratchServer(_binaries, root, data, port);
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", data, $"{root}/s");
        standby.AsPostgres("pg_basebackup", "-D", data, "-R", "-C", "-S", "standby", "-X", "stream", "-c", "fast", "-d", Conninfo("postgres"));
        File.Delete($"{data}/log.txt");
        standby.Start();
        return standby;
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public Task<string?> AskAsync(string sql) => Sql.AskAsync("127.0.0.1", Port, "postgres", "postgres", null, sql);

    public string Conninfo(string database) => string.Create(CultureInfo.InvariantCulture, $"host=127.0.0.1 port={Port} user=postgres dbname={database}");

    // The server inherits pg_ctl's standard output, which would never end: hence the log file.
    public void Start() => AsPostgres("pg_ctl", "-w", "-s", "-D", Data, "-l", $"{Data}/log.txt", "-o", $"-p {Port} -k {_root}/s -c listen_addresses={Addresses}", "start");

    public void Stop() => AsPostgres("pg_ctl", "-w", "-s", "-D", Data, "-m", "fast", "stop");

    /// <summary>The addresses to listen on, from its next start on.</summary>
    public string Addresses { get; set; } = "127.0.0.1";

    public bool IsRunning => File.Exists($"{Data}/postmaster.pid");

    public void Dispose()
    {
        if (IsRunning)
            Kill();
        // The last of its processes may still be writing.
        if (_isOwnRoot)
            LabCommand.Try("rm", "--recursive", "--force", _root);
    }

    private void Kill() => AsPostgres("pg_ctl", "-w", "-s", "-D", Data, "-m", "immediate", "stop");

    private void AsPostgres(string program, params IReadOnlyList<string> arguments) =>
        LabCommand.Run("runuser", ["-u", "postgres", "--", Path.Combine(_binaries, program), .. arguments]);
}
