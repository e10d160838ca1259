using System.Text;

namespace Pgd.Postgres;

/// <summary>
/// Hands a plain dump to psql without the few lines that cannot work on a new server. They are known by heart, instead of letting psql
/// go on after errors.
/// </summary>
internal static class DumpFilter
{
    public static async Task CopyAsync(Stream dump, Stream psql, string superuser, int serverMajor, CancellationToken cancellationToken)
    {
        var plain = superuser.Length > 0 && !char.IsAsciiDigit(superuser[0]) && superuser.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_');
        var quoted = plain ? superuser : $"\"{superuser.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        var role = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(quoted));
        var inData = false;
        // Not disposed when reading fails: the end of its input would make psql commit the half of the dump.
        var output = new BufferedStream(psql, 1 << 16);
        await foreach (var line in DumpLines.ReadAsync(dump, cancellationToken))
        {
            if (inData)
                inData = line != "\\.";
            else if (line.StartsWith("COPY ", StringComparison.Ordinal) && line.EndsWith(" FROM stdin;", StringComparison.Ordinal))
                inData = true;
            else if (IsDropped(line, role, serverMajor))
                continue;
            await output.WriteAsync(Encoding.Latin1.GetBytes(line + "\n"), cancellationToken);
        }

        await output.FlushAsync(cancellationToken);
    }

    private static bool IsDropped(string line, string superuser, int serverMajor) =>
        // pg_dumpall: the bootstrap superuser is there already, with the attributes that it needs.
        line == $"CREATE ROLE {superuser};" || line.StartsWith($"ALTER ROLE {superuser} WITH ", StringComparison.Ordinal)
        // pg_dump 17 writes it for every server; older servers do not know it.
        || (serverMajor < 17 && line == "SET transaction_timeout = 0;")
        // A branch has no tablespaces: they are folders outside of it.
        || (line.StartsWith("SET default_tablespace = ", StringComparison.Ordinal) && line != "SET default_tablespace = '';");
}
