using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Pgd.IntegrationTests;

/// <summary>Passes on to a server what comes to this machine by whatever address.</summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Any, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly bool _isPooler;

    private Relay(bool isPooler) => _isPooler = isPooler;

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Everything.</summary>
    public static Relay To(int port) => Begin(port, isPooler: false);

    /// <summary>Everything but connections for replication: as poolers do.</summary>
    public static Relay Pooler(int port) => Begin(port, isPooler: true);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        _end.Dispose();
    }

    private static Relay Begin(int port, bool isPooler)
    {
        var relay = new Relay(isPooler);
        relay._listener.Start();
        _ = relay.ListenAsync(port);
        return relay;
    }

    private async Task ListenAsync(int port)
    {
        while (!_end.IsCancellationRequested)
            _ = PassAsync(await _listener.AcceptTcpClientAsync(_end.Token), port, _end.Token);
    }

    private async Task PassAsync(TcpClient client, int port, CancellationToken end)
    {
        using var _ = client;
        var first = new byte[8192];
        var count = await client.GetStream().ReadAsync(first, end);
        // Whether it speaks TLS, or GSSAPI: a request of eight bytes. It does not.
        while (_isPooler && count == 8)
        {
            await client.GetStream().WriteAsync("N"u8.ToArray(), end);
            count = await client.GetStream().ReadAsync(first, end);
        }

        if (_isPooler && Encoding.ASCII.GetString(first, 0, count).Contains("replication", StringComparison.Ordinal))
        {
            var fields = Encoding.ASCII.GetBytes("SERROR\0C08P01\0Munsupported startup parameter: replication\0\0");
            await client.GetStream().WriteAsync((byte[])[(byte)'E', 0, 0, 0, (byte)(fields.Length + 4), .. fields], end);
            return;
        }

        using var server = new TcpClient();
        await server.ConnectAsync(IPAddress.Loopback, port, end);
        await server.GetStream().WriteAsync(first.AsMemory(0, count), end);
        await Task.WhenAny(client.GetStream().CopyToAsync(server.GetStream(), end), server.GetStream().CopyToAsync(client.GetStream(), end));
    }
}
