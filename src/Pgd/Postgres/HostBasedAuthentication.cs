using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>Who may come in: our own <c>pg_hba.conf</c> and <c>pg_ident.conf</c>, beside the data directory and never the source's.</summary>
internal static class HostBasedAuthentication
{
    /// <summary>No one but the administrator over the socket.</summary>
    public static void WriteClosed(Volume volume, string superuser) => Write(volume, superuser, "host    all          all  all  reject\n");

    /// <summary>Everyone with a password, from this host or, if the branch is published or the server does not see where its clients come from, from anywhere; with TLS nobody without.</summary>
    public static void WriteOpen(Volume volume, string superuser, string host, bool seesClients, bool tls)
    {
        var door = tls ? "hostssl" : "host   ";
        Write(volume, superuser, "host    replication  all  all           reject\n" + (seesClients && Addresses.IsLoopback(host)
            ? $"{door} all          all  127.0.0.1/32  scram-sha-256\n{door} all          all  ::1/128       scram-sha-256\n"
            : $"{door} all          all  all           scram-sha-256\n"));
    }

    private static void Write(Volume volume, string superuser, string hostLines)
    {
        var quoted = Quote(superuser);
        DataDirectory.Write(volume, volume.UserNameMap, $"# Written by pgd; replaced whenever the server starts.\npgd  {Quote(Environment.UserName)}  {quoted}\n");
        DataDirectory.Write(volume, volume.HostBasedAuthentication, $"# Written by pgd; replaced whenever the server starts.\nlocal   all          {quoted}  peer map=pgd\nlocal   all          all  reject\n{hostLines}");
    }

    // In quotes a name such as "all" is only a name.
    private static string Quote(string name) => '"' + name.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';
}

/// <summary>Addresses that branches are published on.</summary>
internal static class Addresses
{
    /// <summary>What asks for an address that whoever makes the branch can reach, and as few others as possible.</summary>
    public const string Auto = "auto";

    public static bool IsLoopback(string host) => host is "localhost" || (System.Net.IPAddress.TryParse(host, out var address) && System.Net.IPAddress.IsLoopback(address));

    /// <summary>What the server listens on for clients of that host name or address.</summary>
    public static string Listen(string host) => IsLoopback(host) ? "127.0.0.1" : "*";
}
