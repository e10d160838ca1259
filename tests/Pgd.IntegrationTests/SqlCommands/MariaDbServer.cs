using System.Diagnostics;
using System.Globalization;
using Pgd.IntegrationTests.Branches;

namespace Pgd.IntegrationTests.SqlCommands;

/// <summary>A MariaDB server for one test class, with a database <c>shop</c>, in a folder of its own. Its account <c>root</c> needs no password.</summary>
internal sealed class MariaDbServer : IDisposable
{
    // The distribution makes one of its own only with the service.
    private const string Account = "nobody";
    private readonly string _folder;
    private readonly Process _process;

    private MariaDbServer(string folder, int port, Process process) => (_folder, Port, _process) = (folder, port, process);

    public int Port { get; }

    public string Socket => $"{_folder}/s";

    public string Source => $"mariadb://root@localhost/shop?socket={Socket}";

    public static async Task<MariaDbServer> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        LabCommand.Run("chown", Account, folder);
        LabCommand.Run("runuser", "-u", Account, "--", "mariadb-install-db", "--no-defaults", $"--datadir={folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db");
        var port = ScratchServer.FreePort();
        // setpriv becomes the server: its number is the one to end.
        string[] arguments = [$"--reuid={Account}", "--clear-groups", "--regid=65534", "/usr/sbin/mariadbd", "--no-defaults", $"--datadir={folder}/data", $"--socket={folder}/s", "--bind-address=127.0.0.1", string.Create(CultureInfo.InvariantCulture, $"--port={port}"), $"--pid-file={folder}/pid", $"--log-error={folder}/log", "--table-open-cache=100", "--max-connections=30"];
        var server = new MariaDbServer(folder, port, Process.Start(new ProcessStartInfo("setpriv", arguments))!);
        try
        {
            await Until.TrueAsync(() => server._process.HasExited || File.Exists(server.Socket), "MariaDB has its socket");
            server.Ask("create database shop character set utf8mb4", database: "mysql");
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public string Ask(string sql, string database = "shop") =>
        LabCommand.Run("mariadb", "--no-defaults", $"--socket={Socket}", "--user=root", "--default-character-set=utf8mb4", "--batch", "--raw", "--skip-column-names", $"--execute={sql}", database);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
