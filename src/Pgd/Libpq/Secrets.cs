using System.Text;
using System.Text.Encodings.Web;
using System.Text.RegularExpressions;

namespace Pgd.Libpq;

/// <summary>What must not be printed, in every form that it could be printed in.</summary>
internal static partial class Secrets
{
    /// <summary>What is printed instead.</summary>
    public const string Mask = "***";

    public static ConnectionUrl Redact(ConnectionUrl url) => url with
    {
        Password = url.Password is { Length: > 0 } ? Mask : null,
        Parameters = url.Parameters.SetItems(LibpqParameters.Secret.Where(url.Parameters.ContainsKey).Select(keyword => KeyValuePair.Create(keyword, Mask))),
    };

    public static IReadOnlyList<string> FormsOf(ConnectionUrl url)
    {
        var forms = new HashSet<string>(StringComparer.Ordinal);
        if (url.Password is { Length: > 0 } password)
        {
            AddForms(forms, password);
            AddBase64(forms, $"{url.User}:{password}");
        }

        foreach (var keyword in LibpqParameters.Secret)
        {
            if (url.Parameters.GetValueOrDefault(keyword) is { Length: > 0 } secret)
                AddForms(forms, secret);
        }

        // Longest first: masking a short form would leave the rest of a longer one behind.
        return [.. forms.OrderByDescending(form => form.Length).ThenBy(form => form, StringComparer.Ordinal)];
    }

    private static void AddForms(HashSet<string> forms, string secret)
    {
        forms.Add(secret);
        var encoded = Uri.EscapeDataString(secret);
        forms.Add(encoded);
        forms.Add(Percent().Replace(encoded, match => match.Value.ToLowerInvariant()));
        forms.Add(encoded.Replace("%20", "+", StringComparison.Ordinal));
        forms.Add(Inner(EnvironmentText.ShellQuote(secret), '\''));
        forms.Add(Inner(Inner(EnvironmentText.DotenvQuote(secret), '\''), '"'));
        forms.Add(secret.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal));
        forms.Add(secret.Replace("'", "''", StringComparison.Ordinal));
        forms.Add(secret.Replace("\"", "\"\"", StringComparison.Ordinal));
        forms.Add(JavaScriptEncoder.Default.Encode(secret));
        forms.Add(JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(secret));
        AddBase64(forms, secret);
    }

    private static void AddBase64(HashSet<string> forms, string secret)
    {
        var bytes = Encoding.UTF8.GetBytes(secret);
        Add(bytes);
        // Inside something longer that is encoded, such as a whole URL, a secret begins at any place of a group of three bytes. What it shares
        // with its neighbors at the ends differs from text to text.
        for (var skip = 0; skip < 3; skip++)
        {
            if ((bytes.Length - skip) / 3 is >= 3 and var groups)
                Add(bytes.AsSpan(skip, groups * 3));
        }

        void Add(ReadOnlySpan<byte> part)
        {
            var base64 = Convert.ToBase64String(part);
            forms.Add(base64);
            forms.Add(base64.TrimEnd('=').Replace('+', '-').Replace('/', '_'));
        }
    }

    private static string Inner(string text, char quote) => text.Length > 2 && text[0] == quote && text[^1] == quote ? text[1..^1] : text;

    [GeneratedRegex("%[0-9A-F]{2}")]
    private static partial Regex Percent();
}
