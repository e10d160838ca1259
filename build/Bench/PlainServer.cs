using System.Globalization;
using Pgd.IntegrationTests;

namespace Pgd.Bench;

/// <summary>A server that pgd knows nothing of, for as long as something is measured.</summary>
internal sealed class PlainServer : IDisposable
{
    public const string Programs = "/usr/lib/postgresql/15/bin";
    private readonly string _data;

    public PlainServer(string folder, string name, int port, params string[] settings)
    {
        (_data, Port, SocketFolder) = ($"{folder}/{name}", port, $"{folder}/{name}-s");
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", _data, SocketFolder);
        AsPostgres("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", _data);
        File.AppendAllLines($"{_data}/postgresql.conf", ["max_wal_size = 4GB", .. settings]);
        AsPostgres("pg_ctl", "-w", "-s", "-D", _data, "-l", $"{_data}/log.txt", "-o", string.Create(CultureInfo.InvariantCulture, $"-p {port} -k {SocketFolder} -c listen_addresses=127.0.0.1"), "start");
    }

    public int Port { get; }

    public string SocketFolder { get; }

    public string Data => _data;

    public string Url(string database) => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{Port}/{database}");

    public void Dispose() => AsPostgres("pg_ctl", "-w", "-s", "-D", _data, "-m", "immediate", "stop");

    private static void AsPostgres(string program, params string[] arguments) => LabCommand.Run("runuser", ["-u", "postgres", "--", $"{Programs}/{program}", .. arguments]);
}
