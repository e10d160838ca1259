using Pgd.Libpq;

namespace Pgd.Tool;

// Stand-ins until the connection type has these itself; its own members then win over extensions, and this file goes.
internal static class Pending
{
    public static string Format(this ConnectionUrl url, UrlFormat format) => $"{format}:{url.Host}:{url.Port}";

    public static void ApplyTo(this ConnectionUrl url, IDictionary<string, string?> environment) => environment["PGHOST"] = url.Host;
}
