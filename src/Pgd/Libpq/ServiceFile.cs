namespace Pgd.Libpq;

/// <summary>
/// <c>pg_service.conf</c>: named sets of parameters. https://www.postgresql.org/docs/current/libpq-pgservice.html
/// </summary>
internal static class ServiceFile
{
    public static Dictionary<string, string> Find(string service, string? file, LibpqEnvironment environment)
    {
        foreach (var candidate in Candidates(file, environment))
        {
            if (File.Exists(candidate) && Read(candidate, service) is { } values)
                return values;
        }

        throw new PgdException(ExitCode.Misuse, $"the connection service \"{service}\" is not defined",
            $"Define it under [{service}] in {file ?? environment.Variable("PGSERVICEFILE") ?? "~/.pg_service.conf"}.");
    }

    // A service that the user's own file defines is not looked for in the system's.
    private static IEnumerable<string> Candidates(string? file, LibpqEnvironment environment)
    {
        if ((file ?? environment.Variable("PGSERVICEFILE") ?? environment.ServiceFile) is { Length: > 0 } own)
            yield return own;
        foreach (var folder in environment.Variable("PGSYSCONFDIR") is { Length: > 0 } system ? [system] : environment.SystemFolders)
            yield return Path.Combine(folder, "pg_service.conf");
    }

    private static Dictionary<string, string>? Read(string file, string service)
    {
        Dictionary<string, string>? values = null;
        var number = 0;
        foreach (var raw in File.ReadLines(file))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line[0] == '[')
            {
                if (values is not null)
                    break;
                if (line == $"[{service}]")
                    values = new(StringComparer.Ordinal);
                continue;
            }

            if (values is null)
                continue;
            var separator = line.IndexOf('=');
            var keyword = separator < 0 ? line : line[..separator];
            if (line.StartsWith("ldap", StringComparison.Ordinal))
                throw Fault(file, number, "LDAP look-ups are not supported");
            if (separator < 0)
                throw Fault(file, number, "a line has no \"=\"");
            if (keyword is "service" or "servicefile")
                throw Fault(file, number, "a service cannot name another one");
            if (!LibpqParameters.IsKnown(keyword))
                throw Fault(file, number, "the keyword is unknown");
            values.TryAdd(keyword, line[(separator + 1)..]);
        }

        return values;
    }

    private static PgdException Fault(string file, int line, string fault) => new(ExitCode.Misuse, $"{file}, line {line}: {fault}");
}
