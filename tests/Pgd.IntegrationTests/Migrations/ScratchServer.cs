using System.Diagnostics;
using Npgsql;
using Pgd.Libpq;
using Pgd.Migrations;
using Xunit;

[assembly: AssemblyFixture(typeof(Pgd.IntegrationTests.Migrations.ScratchServer))]

namespace Pgd.IntegrationTests.Migrations;

/// <summary>A throw-away server on a unix socket. Started for the first test that asks, ended by its process id.</summary>
public sealed class ScratchServer : IAsyncLifetime
{
    private readonly SemaphoreSlim starting = new(1);
    private readonly string folder = Directory.CreateTempSubdirectory("pgt").FullName;
    private Process? postmaster;
    private int databases;

    /// <summary>The newest server binaries of this machine.</summary>
    public static string? Binaries { get; } = Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Where(path => File.Exists(path + "/bin/initdb"))
            .OrderByDescending(path => int.TryParse(Path.GetFileName(path), out var major) ? major : 0).Select(path => path + "/bin").FirstOrDefault()
        : null;

    public static int Major => int.Parse(Path.GetFileName(Path.GetDirectoryName(Binaries)!), System.Globalization.CultureInfo.InvariantCulture);

    public ConnectionUrl Administrator => new() { Host = folder, Port = 5432, Database = "postgres", User = "postgres" };

    /// <summary>An empty database of the test's own.</summary>
    public async Task<ConnectionUrl> DatabaseAsync(string? name = null)
    {
        await StartAsync();
        name ??= $"t{Interlocked.Increment(ref databases)}";
        await ExecuteAsync(Administrator, $"CREATE DATABASE \"{name}\" TEMPLATE template0");
        return Administrator with { Database = name };
    }

    public static async Task ExecuteAsync(ConnectionUrl url, string sql)
    {
        await using var connection = new NpgsqlConnection(url.ToNpgsql().ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public static async Task<string> AskAsync(ConnectionUrl url, string sql)
    {
        await using var connection = new NpgsqlConnection(url.ToNpgsql().ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection) { AllResultTypesAreUnknown = true };
        return await command.ExecuteScalarAsync() as string ?? "";
    }

    /// <summary>Runs a client program of the server's version and returns its standard output.</summary>
    public static async Task<string> RunAsync(string program, ConnectionUrl url, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Binaries!, program), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        url.ApplyTo(start.Environment);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {await error}");
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (postmaster is not null)
        {
            ProcessGroup.Signal(postmaster.Id, 3, started: false); // SIGQUIT: at once, nothing is kept
            await postmaster.WaitForExitAsync();
            postmaster.Dispose();
        }

        starting.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private async Task StartAsync()
    {
        if (Binaries is null)
            Missing("PostgreSQL server binaries in /usr/lib/postgresql");
        await starting.WaitAsync();
        try
        {
            if (postmaster is not null)
                return;
            var data = Path.Combine(folder, "data");
            if (OperatingSystem.IsLinux() && Environment.UserName == "root")
            {
                File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
                Directory.CreateDirectory(data);
                using var chown = Process.Start("chown", ["postgres", data, folder]);
                await chown.WaitForExitAsync();
            }

            using (var initdb = Launch("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"))
            {
                await initdb.WaitForExitAsync();
                Assert.Equal(0, initdb.ExitCode);
            }

            postmaster = Launch("postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "logging_collector=off",
                "-c", $"log_destination=csvlog", "-c", "max_connections=50");
            while (true)
            {
                Assert.False(postmaster.HasExited, "The scratch server ended during its start.");
                try
                {
                    await ExecuteAsync(Administrator, "SELECT 1");
                    return;
                }
                catch (NpgsqlException)
                {
                    await Task.Delay(20);
                }
            }
        }
        finally
        {
            starting.Release();
        }
    }

    private static Process Launch(string program, params string[] arguments)
    {
        // setpriv replaces itself by the program: the process id is the program's.
        string[] asPostgres = Environment.UserName == "root" ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
        string[] all = [.. asPostgres, Path.Combine(Binaries!, program), .. arguments];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static void Missing(string what)
    {
        if (Environment.GetEnvironmentVariable("CI") is { Length: > 0 })
            Assert.Fail($"This machine lacks {what}.");
        Assert.Skip($"This machine lacks {what}.");
    }
}
