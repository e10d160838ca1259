using System.Text;

namespace Pgd.Postgres;

/// <summary>The lines of a dump as Latin-1, so that every byte comes back as it was; a line ends at a line feed alone.</summary>
internal static class DumpLines
{
    public static async IAsyncEnumerable<string> ReadAsync(Stream stream, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 16];
        var pending = new StringBuilder();
        int count;
        while ((count = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            var at = 0;
            while (at < count)
            {
                var end = Array.IndexOf(buffer, (byte)'\n', at, count - at);
                pending.Append(Encoding.Latin1.GetString(buffer, at, (end < 0 ? count : end) - at));
                if (end < 0)
                    break;
                yield return pending.ToString();
                pending.Clear();
                at = end + 1;
            }
        }

        if (pending.Length > 0)
            yield return pending.ToString();
    }
}
