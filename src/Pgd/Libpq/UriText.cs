using System.Globalization;
using System.Text;

namespace Pgd.Libpq;

/// <summary>libpq's URIs, read by the rules of conninfo_uri_parse in fe-connect.c, which differ from RFC 3986: several hosts, empty hosts.</summary>
internal static class UriText
{
    private static readonly string[] Prefixes = ["postgresql://", "postgres://"];

    public static bool IsUri(string text) => Prefixes.Any(prefix => text.StartsWith(prefix, StringComparison.Ordinal));

    public static Dictionary<string, string> Read(string text)
    {
        var given = new Dictionary<string, string>(StringComparer.Ordinal);
        var rest = text.AsSpan(Prefixes.First(prefix => text.StartsWith(prefix, StringComparison.Ordinal)).Length);

        var end = rest.IndexOfAny('@', '/');
        if (end >= 0 && rest[end] == '@')
        {
            var login = rest[..end];
            var colon = login.IndexOf(':');
            Store(given, "user", colon < 0 ? login : login[..colon]);
            if (colon >= 0)
                Store(given, "password", login[(colon + 1)..]);
            rest = rest[(end + 1)..];
        }

        rest = ReadHosts(given, rest);
        if (rest is ['/', ..])
        {
            var query = rest.IndexOf('?');
            Store(given, "dbname", query < 0 ? rest[1..] : rest[1..query]);
            rest = query < 0 ? [] : rest[query..];
        }

        if (rest is ['?', ..])
            ReadParameters(given, rest[1..]);
        return given;
    }

    public static string Write(ConnectionUrl url)
    {
        // Sockets go into the query: an encoded slash in the place of a host is a syntax error to many URL parsers.
        var sockets = url.Hosts.Any(host => host.IsSocket);
        var text = new StringBuilder("postgresql://").Append(Uri.EscapeDataString(url.User));
        if (url.Password is { Length: > 0 } password)
            text.Append(':').Append(password == Secrets.Mask ? password : Uri.EscapeDataString(password));
        text.Append('@');
        if (!sockets)
            text.AppendJoin(',', url.Hosts.Select(host => string.Create(CultureInfo.InvariantCulture, $"{HostPart(host.Name)}:{host.Port}")));
        text.Append('/').Append(Uri.EscapeDataString(url.Database));

        IEnumerable<KeyValuePair<string, string>> parameters = url.Parameters;
        if (sockets)
        {
            parameters =
            [
                new("host", string.Join(',', url.Hosts.Select(host => host.Name))),
                new("port", string.Join(',', url.Hosts.Select(host => host.Port))),
                .. parameters,
            ];
        }

        var separator = '?';
        foreach (var (keyword, value) in parameters)
        {
            text.Append(separator).Append(keyword).Append('=').Append(value == Secrets.Mask ? value : Uri.EscapeDataString(value));
            separator = '&';
        }

        return text.ToString();
    }

    public static string HostPart(string host) => host.Contains(':') ? $"[{host.Replace("%", "%25", StringComparison.Ordinal)}]" : Uri.EscapeDataString(host);

    private static ReadOnlySpan<char> ReadHosts(Dictionary<string, string> given, ReadOnlySpan<char> rest)
    {
        var hosts = new StringBuilder();
        var ports = new StringBuilder();
        while (true)
        {
            int end;
            if (rest is ['[', ..])
            {
                var bracket = rest.IndexOf(']');
                if (bracket < 0)
                    throw Malformed.Uri("the \"]\" of an IPv6 address is missing.");
                if (bracket == 1)
                    throw Malformed.Uri("the IPv6 address is empty.");
                hosts.Append(rest[1..bracket]);
                rest = rest[(bracket + 1)..];
                if (rest.Length > 0 && rest[0] is not (':' or '/' or '?' or ','))
                    throw Malformed.Uri("something other than \":\", \"/\", \"?\" or \",\" follows the \"]\" of an IPv6 address.");
            }
            else
            {
                end = EndOf(rest, ":/?,");
                hosts.Append(rest[..end]);
                rest = rest[end..];
            }

            if (rest is [':', ..])
            {
                end = EndOf(rest, "/?,");
                ports.Append(rest[1..end]);
                rest = rest[end..];
            }

            if (rest is not [',', ..])
                break;
            hosts.Append(',');
            ports.Append(',');
            rest = rest[1..];
        }

        Store(given, "host", hosts.ToString());
        Store(given, "port", ports.ToString());
        return rest;
    }

    private static void ReadParameters(Dictionary<string, string> given, ReadOnlySpan<char> query)
    {
        while (query.Length > 0)
        {
            var end = EndOf(query, "&");
            var parameter = query[..end];
            query = end < query.Length ? query[(end + 1)..] : [];
            var separator = parameter.IndexOf('=');
            if (separator < 0)
                throw Malformed.Uri("a parameter has no \"=\".");
            if (parameter[(separator + 1)..].Contains('='))
                throw Malformed.Uri("a parameter has more than one \"=\"; write %3D inside a value.");
            var keyword = Decode(parameter[..separator]);
            var value = Decode(parameter[(separator + 1)..]);
            if (keyword == "ssl" && value == "true")
                (keyword, value) = ("sslmode", "require");
            if (!LibpqParameters.IsKnown(keyword) && keyword != "requiressl")
            {
                throw Malformed.Uri(LibpqParameters.Nearest(keyword) is { } nearest
                    ? $"a parameter is unknown; did you mean {nearest}?"
                    : "a parameter is unknown to libpq.");
            }

            KeywordValueText.Store(given, keyword, value);
        }
    }

    // libpq does not store what is empty: an empty value would count as given, and keep PGDATABASE and its like from being asked.
    private static void Store(Dictionary<string, string> given, string keyword, ReadOnlySpan<char> encoded)
    {
        if (!encoded.IsEmpty)
            KeywordValueText.Store(given, keyword, Decode(encoded));
    }

    private static string Decode(ReadOnlySpan<char> encoded)
    {
        encoded = encoded.Trim(' ');
        var bytes = new List<byte>(encoded.Length);
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = 0; i < encoded.Length;)
        {
            if (encoded[i] == ' ')
                throw Malformed.Uri("it has a blank; write %20.");
            if (encoded[i] != '%')
            {
                if (Rune.DecodeFromUtf16(encoded[i..], out var rune, out var used) != System.Buffers.OperationStatus.Done)
                    throw Malformed.Uri("it is not valid Unicode.");
                foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
                    bytes.Add(b);
                i += used;
                continue;
            }

            if (i + 3 > encoded.Length || !byte.TryParse(encoded.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
                throw Malformed.Uri("a \"%\" is not followed by two hexadecimal digits; write %25 for the character itself.");
            if (value == 0)
                throw Malformed.Uri("%00 is not allowed.");
            bytes.Add(value);
            i += 3;
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString([.. bytes]);
        }
        catch (DecoderFallbackException)
        {
            throw Malformed.Uri("its percent-encoded bytes are not UTF-8.");
        }
    }

    private static int EndOf(ReadOnlySpan<char> text, ReadOnlySpan<char> terminators)
    {
        var end = text.IndexOfAny(terminators);
        return end < 0 ? text.Length : end;
    }
}
