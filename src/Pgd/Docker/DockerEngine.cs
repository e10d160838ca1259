using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Pgd.Docker;

/// <summary>
/// The Docker Engine's API over its unix socket: what <c>docker</c> itself speaks, so that program is not needed. Most calls are answered at
/// once and are waited for; what takes its time is asynchronous.
/// </summary>
/// <remarks>https://docs.docker.com/reference/api/engine/</remarks>
internal sealed class DockerEngine : IDisposable
{
    /// <summary>The newest API that this was written for; an older engine is spoken to in its own.</summary>
    private static readonly Version Known = new(1, 47), Oldest = new(1, 41);

    private static readonly TimeSpan LongestAnswer = TimeSpan.FromMinutes(2);
    private readonly HttpClient _http;
    private PgdException? _refusal;
    private string? _version;

    public DockerEngine(string socket)
    {
        Socket = socket;
        _http = new(new SocketsHttpHandler
        {
            ConnectCallback = (_, _) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    connection.Connect(new UnixDomainSocketEndPoint(socket));
                    return ValueTask.FromResult<Stream>(new NetworkStream(connection, ownsSocket: true));
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
        })
        { BaseAddress = new("http://docker/"), Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The socket's path.</summary>
    public string Socket { get; }

    /// <summary>The engine that a value of <c>DOCKER_HOST</c> names; without one, that of this machine.</summary>
    public static DockerEngine At(string? host)
    {
        const string scheme = "unix://";
        if (string.IsNullOrEmpty(host))
            return new("/var/run/docker.sock");
        // Not refused before it is used: who runs servers without containers may have it set for other things.
        return host.StartsWith(scheme, StringComparison.Ordinal) ? new(host[scheme.Length..]) : new("") { _refusal = new(ExitCode.MachineLacks,
            $"DOCKER_HOST is {host}, and branches need an engine on this machine: their data is mounted from its disks", "Set DOCKER_HOST=unix:///var/run/docker.sock, or unset it.") };
    }

    public void Dispose() => _http.Dispose();

    /// <summary>Why the engine cannot be used; null if it can.</summary>
    public PgdException? Unavailable()
    {
        try
        {
            _ = ApiVersion();
            return null;
        }
        catch (PgdException e)
        {
            return e;
        }
    }

    /// <summary>An image that is here; null if it is not.</summary>
    public DockerImage? FindImage(string reference)
    {
        using var answer = Send(HttpMethod.Get, $"images/{Uri.EscapeDataString(reference)}/json", null, HttpStatusCode.NotFound);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        return new(Json(answer).GetProperty("Id").GetString()!);
    }

    /// <summary>Fetches an image from its registry.</summary>
    /// <exception cref="PgdException">There is no such image, or no registry (<see cref="ExitCode.MachineLacks"/>).</exception>
    public async Task PullAsync(string reference, IReporter reporter, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"v{ApiVersion()}/images/create?fromImage={Uri.EscapeDataString(WithTag(reference))}");
        using var answer = await TryAsync(() => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)).ConfigureAwait(false);
        if (!answer.IsSuccessStatusCode)
            throw Missing(reference, Message(answer));
        // Each layer is fetched, and then unpacked, while others are still on their way.
        var (fetched, unpacked) = (new Dictionary<string, (long Now, long Total)>(StringComparer.Ordinal), new Dictionary<string, (long Now, long Total)>(StringComparer.Ordinal));
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));
        while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            using var json = JsonDocument.Parse(line);
            // The status was sent before the outcome was known.
            if (json.RootElement.TryGetProperty("error", out var error))
                throw Missing(reference, error.GetString() ?? "it did not say why");
            if (!json.RootElement.TryGetProperty("id", out var layer) || json.RootElement.GetProperty("status").GetString() is not { } status)
                continue;
            var (layers, verb) = status is "Extracting" or "Pull complete" ? (unpacked, "unpacking") : (fetched, "pulling");
            if (json.RootElement.TryGetProperty("progressDetail", out var progress) && progress.TryGetProperty("total", out var total))
                layers[layer.GetString()!] = (progress.GetProperty("current").GetInt64(), total.GetInt64());
            // What goes quickly has no last number.
            else if (status is "Download complete" or "Pull complete" && layers.TryGetValue(layer.GetString()!, out var last))
                layers[layer.GetString()!] = (last.Total, last.Total);
            else
                continue;
            reporter.Progress($"{verb} {reference}", layers.Values.Sum(l => l.Now), layers.Values.Sum(l => l.Total));
        }
    }

    /// <summary>Makes a container; its name must be free.</summary>
    /// <exception cref="PgdException">There is one of that name (<see cref="ExitCode.Exists"/>).</exception>
    public string Create(ContainerSpec spec)
    {
        using var answer = Send(HttpMethod.Post, $"containers/create?name={Uri.EscapeDataString(spec.Name)}", spec.ToJson(), HttpStatusCode.Conflict, HttpStatusCode.NotFound);
        return answer.StatusCode switch
        {
            HttpStatusCode.Conflict => throw new PgdException(ExitCode.Exists, $"there is a container {spec.Name} already", $"Look at it: docker inspect {spec.Name}"),
            HttpStatusCode.NotFound => throw new PgdException(ExitCode.MachineLacks, $"the image {spec.ImageName} ({spec.Image}) is gone from this machine: {Message(answer).TrimEnd('.')}",
                $"Fetch that very one again, by the digest that its registry has for it: docker pull {WithoutTag(spec.ImageName)}@sha256:… What its tag means by now may be another one, with other libraries."),
            _ => Json(answer).GetProperty("Id").GetString()!,
        };
    }

    /// <summary>Starts a container.</summary>
    /// <exception cref="PgdException">Its port is taken, a folder cannot be mounted, … (<see cref="ExitCode.Failed"/>).</exception>
    public void Start(string container)
    {
        using var answer = Send(HttpMethod.Post, $"containers/{container}/start", null, HttpStatusCode.NotModified, HttpStatusCode.InternalServerError, HttpStatusCode.Conflict, HttpStatusCode.BadRequest, HttpStatusCode.Forbidden);
        if (answer.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified))
            throw new PgdException(ExitCode.Failed, $"the container {container} could not be started: {Message(answer)}", "Look at the engine's own log: journalctl -u docker");
    }

    /// <summary>A container's state; null if there is none of that name.</summary>
    public ContainerState? Find(string container)
    {
        using var answer = Send(HttpMethod.Get, $"containers/{container}/json", null, HttpStatusCode.NotFound);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        var json = Json(answer);
        return new(json.GetProperty("State").GetProperty("Running").GetBoolean(), json.GetProperty("HostConfig").GetProperty("NetworkMode").GetString()!, Labels(json.GetProperty("Config").GetProperty("Labels")));
    }

    /// <summary>Whether a container sees a file at a path, whether it runs or not.</summary>
    public bool HasFile(string container, string path)
    {
        using var answer = Send(HttpMethod.Head, $"containers/{container}/archive?path={Uri.EscapeDataString(path)}", null, HttpStatusCode.NotFound);
        return answer.IsSuccessStatusCode;
    }

    /// <summary>The containers, running or not, that carry a label.</summary>
    public IReadOnlyList<ContainerSummary> List(string label)
    {
        using var answer = Send(HttpMethod.Get, $"containers/json?all=true&filters={LabelFilter(label)}", null);
        return [.. Json(answer).EnumerateArray().Select(c => new ContainerSummary(c.GetProperty("Id").GetString()!, c.GetProperty("Names")[0].GetString()!.TrimStart('/'),
            c.GetProperty("State").GetString() == "running", Labels(c.GetProperty("Labels"))))];
    }

    /// <summary>Asks a container's first process to end by a signal, and ends it when that takes too long. One that does not run is fine.</summary>
    public async Task StopAsync(string container, string signal, TimeSpan patience, CancellationToken cancellationToken)
    {
        using (var answer = Send(HttpMethod.Post, $"containers/{container}/kill?signal={signal}", null, HttpStatusCode.NotFound, HttpStatusCode.Conflict))
        {
            // 409: it does not run.
            if (!answer.IsSuccessStatusCode)
                return;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            await WaitAsync(container, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"The container {container} does not stop.");
        }
    }

    /// <summary>Waits until a container does not run, and tells its status.</summary>
    public async Task<int> WaitAsync(string container, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"v{ApiVersion()}/containers/{container}/wait");
        using var answer = await TryAsync(() => _http.SendAsync(request, cancellationToken)).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return 0;
        Require(answer);
        return Json(answer).GetProperty("StatusCode").GetInt32();
    }

    /// <summary>Removes a container, running or not; one that is not there is fine.</summary>
    public void Remove(string container)
    {
        using var answer = Send(HttpMethod.Delete, $"containers/{container}?force=true&v=true", null, HttpStatusCode.NotFound, HttpStatusCode.Conflict);
        // 409: somebody else is removing it.
        if (answer.StatusCode == HttpStatusCode.Conflict && !Message(answer).Contains("already in progress", StringComparison.Ordinal))
            throw Failure(answer);
    }

    /// <summary>A network; null if there is none of that name.</summary>
    public DockerNetwork? FindNetwork(string name)
    {
        using var answer = Send(HttpMethod.Get, $"networks/{Uri.EscapeDataString(name)}", null, HttpStatusCode.NotFound);
        return answer.StatusCode == HttpStatusCode.NotFound ? null : Network(Json(answer));
    }

    /// <summary>The networks that carry a label.</summary>
    public IReadOnlyList<DockerNetwork> ListNetworks(string label)
    {
        using var answer = Send(HttpMethod.Get, $"networks?filters={LabelFilter(label)}", null);
        return [.. Json(answer).EnumerateArray().Select(Network)];
    }

    /// <summary>
    /// Makes a bridge that leads nowhere but to this machine, and on which containers do not see each other. One that is there already is fine.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="subnet">Its addresses; null for whatever the engine has to give.</param>
    /// <param name="labels">Its labels.</param>
    /// <exception cref="PgdException">The addresses are taken, there are none left, … (<see cref="ExitCode.Failed"/>).</exception>
    public void CreateInternalNetwork(string name, string? subnet, IReadOnlyDictionary<string, string> labels)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("Name", name);
            json.WriteBoolean("CheckDuplicate", true);
            json.WriteString("Driver", "bridge");
            json.WriteBoolean("Internal", true);
            json.WriteStartObject("Options");
            json.WriteString("com.docker.network.bridge.enable_icc", "false");
            json.WriteEndObject();
            json.WriteStartObject("Labels");
            foreach (var (label, value) in labels)
                json.WriteString(label, value);
            json.WriteEndObject();
            if (subnet is not null)
            {
                json.WriteStartObject("IPAM");
                json.WriteStartArray("Config");
                json.WriteStartObject();
                json.WriteString("Subnet", subnet);
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        using var _ = Send(HttpMethod.Post, "networks/create", stream.ToArray(), HttpStatusCode.Conflict);
    }

    /// <summary>Removes a network; one that is not there is fine.</summary>
    public void RemoveNetwork(string name)
    {
        using var _ = Send(HttpMethod.Delete, $"networks/{Uri.EscapeDataString(name)}", null, HttpStatusCode.NotFound);
    }

    /// <summary>The last lines that a container printed.</summary>
    public string Logs(string container, int lines)
    {
        using var answer = Send(HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"containers/{container}/logs?stdout=true&stderr=true&tail={lines}"), null, HttpStatusCode.NotFound);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return "";
        using var stream = answer.Content.ReadAsStream();
        var text = new StringBuilder();
        // Without a terminal, the two streams come in frames: one byte for the stream, three of nothing, four for the length.
        Span<byte> head = stackalloc byte[8];
        while (stream.ReadAtLeast(head, 8, throwOnEndOfStream: false) == 8)
        {
            var body = new byte[System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(head[4..])];
            stream.ReadExactly(body);
            text.Append(Encoding.UTF8.GetString(body));
        }

        return text.ToString();
    }

    private string ApiVersion()
    {
        if (_refusal is not null)
            throw _refusal;
        if (_version is not null)
            return _version;
        using var answer = Try(limit => _http.Send(new(HttpMethod.Get, "version"), limit));
        if (answer.StatusCode == HttpStatusCode.Forbidden)
            throw Forbidden(null);
        Require(answer);
        var text = Json(answer).GetProperty("ApiVersion").GetString()!;
        var theirs = Version.Parse(text);
        return theirs < Oldest
            ? throw new PgdException(ExitCode.MachineLacks, $"the Docker engine at {Socket} speaks API {text}, and {Oldest} is the oldest that pgd knows", "Install Docker 20.10 or newer.")
            : _version = (theirs < Known ? theirs : Known).ToString();
    }

    private HttpResponseMessage Send(HttpMethod method, string path, byte[]? json, params ReadOnlySpan<HttpStatusCode> expected)
    {
        using var request = new HttpRequestMessage(method, $"v{ApiVersion()}/{path}");
        if (json is not null)
            request.Content = new ByteArrayContent(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        var answer = Try(limit => _http.Send(request, limit));
        if (!answer.IsSuccessStatusCode && !expected.Contains(answer.StatusCode))
        {
            using (answer)
                throw Failure(answer);
        }

        return answer;
    }

    private HttpResponseMessage Try(Func<CancellationToken, HttpResponseMessage> send)
    {
        using var limit = new CancellationTokenSource(LongestAnswer);
        try
        {
            return send(limit.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new PgdException(ExitCode.Failed, $"the Docker engine at {Socket} has not answered for {LongestAnswer.TotalMinutes:0} minutes", "Look at its log: journalctl -u docker", e);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
    }

    private async Task<HttpResponseMessage> TryAsync(Func<Task<HttpResponseMessage>> send)
    {
        try
        {
            return await send().ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
    }

    private PgdException Unreachable(HttpRequestException e) => (e.InnerException as SocketException)?.SocketErrorCode switch
    {
        SocketError.AccessDenied => Forbidden(e),
        _ when !File.Exists(Socket) => new(ExitCode.MachineLacks, $"there is no Docker engine: {Socket} does not exist", "Install Docker, or start it: sudo systemctl start docker", e),
        _ => new(ExitCode.MachineLacks, $"the Docker engine at {Socket} does not answer: {e.InnerException?.Message ?? e.Message}", "Start it: sudo systemctl start docker", e),
    };

    private PgdException Forbidden(Exception? e) => new(ExitCode.MachineLacks, $"{Environment.UserName} may not use the Docker engine at {Socket}",
        $"sudo usermod --append --groups docker {Environment.UserName}, then log in again.", e);

    private static void Require(HttpResponseMessage answer)
    {
        if (!answer.IsSuccessStatusCode)
            throw Failure(answer);
    }

    private static PgdException Failure(HttpResponseMessage answer) =>
        new(ExitCode.Failed, $"the Docker engine answered {(int)answer.StatusCode} to {answer.RequestMessage?.RequestUri?.AbsolutePath}: {Message(answer)}");

    private static PgdException Missing(string image, string message) =>
        new(ExitCode.MachineLacks, $"the image {image} is not on this machine and cannot be had: {message.TrimEnd('.')}", $"Check its name, and try by hand: docker pull {image}");

    private static string Message(HttpResponseMessage answer)
    {
        using var reader = new StreamReader(answer.Content.ReadAsStream());
        var text = reader.ReadToEnd();
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.GetProperty("message").GetString() ?? text;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return text.Trim();
        }
    }

    private static JsonElement Json(HttpResponseMessage answer)
    {
        using var document = JsonDocument.Parse(answer.Content.ReadAsStream());
        return document.RootElement.Clone();
    }

    private static string LabelFilter(string label) => Uri.EscapeDataString($"{{\"label\":[\"{JsonEncodedText.Encode(label)}\"]}}");

    private static DockerNetwork Network(JsonElement json)
    {
        // The engine's own networks without addresses have none here.
        var addresses = json.GetProperty("IPAM").GetProperty("Config") is { ValueKind: JsonValueKind.Array } all
            ? all.EnumerateArray().FirstOrDefault(a => a.TryGetProperty("Subnet", out var subnet) && !subnet.GetString()!.Contains(':', StringComparison.Ordinal)) : default;
        return new(json.GetProperty("Id").GetString()!, json.GetProperty("Name").GetString()!, Text("Subnet"), Text("Gateway") is { Length: > 0 } told ? told : FirstAddress(Text("Subnet")), Labels(json.GetProperty("Labels")));

        string? Text(string name) => addresses.ValueKind == JsonValueKind.Object && addresses.TryGetProperty(name, out var value) ? value.GetString() : null;
    }

    // An engine that has never been restarted does not tell its default network's gateway, which is the subnet's first address.
    private static string? FirstAddress(string? subnet)
    {
        if (!IPNetwork.TryParse(subnet, out var network))
            return null;
        var address = network.BaseAddress.GetAddressBytes();
        address[^1]++;
        return new IPAddress(address).ToString();
    }

    private static Dictionary<string, string> Labels(JsonElement json)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        if (json.ValueKind == JsonValueKind.Object)
        {
            foreach (var label in json.EnumerateObject())
                labels[label.Name] = label.Value.GetString() ?? "";
        }

        return labels;
    }

    // Without a tag, the API would fetch all of them.
    private static string WithTag(string reference) => WithoutTag(reference) == reference ? $"{reference}:latest" : reference;

    // A colon before the last slash belongs to the registry's port.
    private static string WithoutTag(string reference) => reference.IndexOfAny(['@', ':'], reference.LastIndexOf('/') + 1) is var end and >= 0 ? reference[..end] : reference;
}

/// <summary>An image that is on this machine.</summary>
/// <param name="Id">Its content's digest: a tag may come to mean another one.</param>
internal sealed record DockerImage(string Id);

/// <summary>A network, with its addresses in IPv4.</summary>
internal sealed record DockerNetwork(string Id, string Name, string? Subnet, string? Gateway, IReadOnlyDictionary<string, string> Labels);

/// <summary>A container as it is now.</summary>
internal sealed record ContainerState(bool Running, string NetworkMode, IReadOnlyDictionary<string, string> Labels);

/// <summary>A container in a list.</summary>
internal sealed record ContainerSummary(string Id, string Name, bool Running, IReadOnlyDictionary<string, string> Labels);
