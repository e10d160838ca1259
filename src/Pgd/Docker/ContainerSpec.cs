using System.Globalization;
using System.Text.Json;

// The API's names are not those of our properties, also where they are alike.
#pragma warning disable CA1507

namespace Pgd.Docker;

/// <summary>A container to make: what it runs, as whom, and what it sees of this machine.</summary>
internal sealed record ContainerSpec
{
    public required string Name { get; init; }

    /// <summary>The image, by the digest of its content.</summary>
    public required string Image { get; init; }

    /// <summary>What people call it.</summary>
    public required string ImageName { get; init; }

    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>User and group as numbers: the image need not know them.</summary>
    public required string User { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Folders and files of this machine, seen at the same path.</summary>
    public IReadOnlyList<Mount> Mounts { get; init; } = [];

    /// <summary>The port inside, and the address and port outside that lead there.</summary>
    public PublishedPort? Port { get; init; }

    /// <summary>The network; null for the engine's default one, "none" for none.</summary>
    public string? Network { get; init; }

    /// <summary>The bytes of memory that it may use; null for as much as there is.</summary>
    public long? Memory { get; init; }

    /// <summary>Its address in the network; null for any.</summary>
    public string? Address { get; init; }

    /// <summary>As the engine's API wants it.</summary>
    public byte[] ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("Image", Image);
            json.WriteString("User", User);
            // The image's own would do more than start a server.
            json.WriteStartArray("Entrypoint");
            json.WriteStringValue(Command[0]);
            json.WriteEndArray();
            WriteList(json, "Cmd", Command.Skip(1));
            WriteList(json, "Env", Environment);
            json.WriteString("WorkingDir", "/");
            json.WriteStartObject("Labels");
            foreach (var (name, value) in Labels)
                json.WriteString(name, value);
            json.WriteEndObject();
            var inside = string.Create(CultureInfo.InvariantCulture, $"{Port?.Inside}/tcp");
            if (Port is not null)
            {
                json.WriteStartObject("ExposedPorts");
                json.WriteStartObject(inside);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteStartObject("HostConfig");
            if (Network is not null)
                json.WriteString("NetworkMode", Network);
            if (Memory is not null)
                json.WriteNumber("Memory", Memory.Value);
            // Parallel queries share memory there; the engine's default of 64 MB is too little for one of them.
            json.WriteNumber("ShmSize", 1L << 30);
            WriteList(json, "SecurityOpt", ["no-new-privileges"]);
            json.WriteStartObject("LogConfig");
            json.WriteString("Type", "json-file");
            json.WriteStartObject("Config");
            json.WriteString("max-size", "1m");
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteStartArray("Mounts");
            foreach (var mount in Mounts)
            {
                json.WriteStartObject();
                json.WriteString("Type", "bind");
                json.WriteString("Source", mount.Source);
                json.WriteString("Target", mount.Target);
                json.WriteBoolean("ReadOnly", mount.ReadOnly);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (Port is not null)
            {
                json.WriteStartObject("PortBindings");
                json.WriteStartArray(inside);
                json.WriteStartObject();
                json.WriteString("HostIp", Port.Address);
                json.WriteString("HostPort", Port.Outside.ToString(CultureInfo.InvariantCulture));
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
            if (Network is not null && Address is not null)
            {
                json.WriteStartObject("NetworkingConfig");
                json.WriteStartObject("EndpointsConfig");
                json.WriteStartObject(Network);
                json.WriteStartObject("IPAMConfig");
                json.WriteString("IPv4Address", Address);
                json.WriteEndObject();
                json.WriteEndObject();
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}

/// <summary>Something of this machine that a container sees.</summary>
internal sealed record Mount(string Source, string Target, bool ReadOnly = false);

/// <summary>A port of a container that leads there from this machine.</summary>
internal sealed record PublishedPort(int Inside, string Address, int Outside);
