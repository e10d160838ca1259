using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Pgd.IntegrationTests.Docker;

/// <summary>
/// A registry with one image, on the loopback interface, where engines take them without a certificate: the routes of the Distribution API
/// that a pull needs.
/// </summary>
internal sealed class LoopbackRegistry : IAsyncDisposable
{
    private const string ManifestType = "application/vnd.docker.distribution.manifest.v2+json";
    private readonly WebApplication _server;
    private readonly string _folder;
    private readonly Dictionary<string, string> _blobs = [];
    private byte[] _manifest = [];

    private LoopbackRegistry(WebApplication server, string folder) => (_server, _folder) = (server, folder);

    /// <summary>What to pull.</summary>
    public string Reference => $"{new Uri(_server.Urls.Single()).Authority}/team/shop:17";

    /// <summary>Takes an image out of the engine and offers it.</summary>
    public static async Task<LoopbackRegistry> StartAsync(string image)
    {
        // On disk: images are large.
        var folder = Directory.CreateDirectory($"/var/tmp/pgd-registry-{Guid.NewGuid():N}").FullName;
        LabCommand.Run("sh", "-c", $"docker save {image} | tar --extract --directory {folder}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var registry = new LoopbackRegistry(builder.Build(), folder);
        registry.Read();
        registry.Map();
        await registry._server.StartAsync();
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private void Read()
    {
        var saved = JsonNode.Parse(File.ReadAllText($"{_folder}/manifest.json"))![0]!;
        _manifest = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ManifestType,
            ["config"] = Blob((string)saved["Config"]!, "application/vnd.docker.container.image.v1+json"),
            ["layers"] = new JsonArray([.. saved["Layers"]!.AsArray().Select(layer => Blob((string)layer!, "application/vnd.docker.image.rootfs.diff.tar.gzip"))]),
        });
    }

    private JsonObject Blob(string file, string type)
    {
        var path = Path.Combine(_folder, file);
        using var content = File.OpenRead(path);
        var digest = Digest(SHA256.HashData(content));
        _blobs[digest] = path;
        return new() { ["mediaType"] = type, ["size"] = content.Length, ["digest"] = digest };
    }

    private void Map()
    {
        string[] methods = ["GET", "HEAD"];
        _server.MapMethods("/v2/", methods, () => Results.Ok());
        _server.MapMethods("/v2/team/shop/manifests/{reference}", methods, (HttpContext context) =>
        {
            context.Response.Headers["Docker-Content-Digest"] = Digest(SHA256.HashData(_manifest));
            return Results.Bytes(_manifest, ManifestType);
        });
        _server.MapMethods("/v2/team/shop/blobs/{digest}", methods, (string digest) => _blobs.TryGetValue(digest, out var path) ? Results.File(path, "application/octet-stream") : Results.NotFound());
    }

    private static string Digest(byte[] hash) => $"sha256:{Convert.ToHexStringLower(hash)}";
}
