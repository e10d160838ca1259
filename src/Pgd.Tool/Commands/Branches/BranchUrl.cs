using System.CommandLine;
using Pgd.Libpq;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchUrl
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var format = Arguments.OneOf("--format", "Dialect (default: libpq)", "libpq", "npgsql", "jdbc", "env", "dotenv");
        var database = Arguments.Database();
        var role = Arguments.Role();
        return new Verb(surface, "url", "Print where to connect, with the password. A login first proves that this very branch answers there.",
            "branch url prod/dev",
            "branch url prod/dev --format npgsql --database shop",
            "# Set PGHOST, PGPORT, … and DATABASE_URL in this shell",
            "branch url prod/dev --format env > env.sh && . ./env.sh")
            .With(name, format, database, role)
            .Does(async (run, cancellationToken) =>
            {
                var url = await run.Workspace.Branches.ConnectAsync(run.Branch(name), run[database], run[role], cancellationToken);
                run.Show(Connection.Of(run.Branch(name), url, url.Format(Dialect(run[format]))), () => JsonShapes.All.Connection,
                    static (connection, sheet) => sheet.Line(connection.Url.TrimEnd('\n')));
            });
    }

    private static UrlFormat Dialect(string? text) => text switch
    {
        "npgsql" => UrlFormat.Npgsql,
        "jdbc" => UrlFormat.Jdbc,
        "env" => UrlFormat.Env,
        "dotenv" => UrlFormat.Dotenv,
        _ => UrlFormat.Libpq,
    };
}
