namespace Pgd.Libpq;

/// <summary>
/// Errors in connection strings. A character that was not escaped can put a piece of the password anywhere, even where a port or a
/// parameter's name should be; so no error repeats a piece of the text.
/// </summary>
internal static class Malformed
{
    public static PgdException Uri(string fault) =>
        new(ExitCode.Misuse, $"The connection URL is malformed: {fault}",
            "Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in user and password, percent-encode : / ? # [ ] @ % and blanks.");

    public static PgdException KeywordValue(string fault) =>
        new(ExitCode.Misuse, $"The connection string is malformed: {fault}",
            "Write it as host=HOST port=PORT dbname=DATABASE user=USER, with values in '…' when they have blanks; or as postgresql://…");

    public static PgdException Parameter(string fault) => new(ExitCode.Misuse, $"The connection cannot be used: {fault}");
}
