using System.Runtime.InteropServices;
using Pgd.State;

namespace Pgd.Postgres;

/// <summary>
/// Whether what serves a branch sorts text as what its data was made with. If not, indexes on text give wrong answers and unique ones take what
/// is there already. A project's image is kept by its digest, so that its own data always meets its own libraries; data that came from
/// elsewhere need not. PostgreSQL records versions per database since 15.
/// </summary>
internal static class Collations
{
    private const int OldestRecording = 15;

    /// <summary>The C library that a project's servers run with: <c>glibc</c> or <c>musl</c>.</summary>
    public static string LibcOf(ProjectRecord project) =>
        project.Image?.Libc ?? (RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal) ? "musl" : "glibc");

    /// <summary>Refuses data of another C library, and warns of other versions of the same.</summary>
    /// <exception cref="PgdException">The data was made with glibc and would be served with musl, or the other way round (<see cref="ExitCode.Unsafe"/>).</exception>
    public static void Check(AdminConnection connection, ProjectRecord project, BranchName name, IReporter reporter, CancellationToken cancellationToken)
    {
        if (project.PostgresMajor < OldestRecording)
            return;
        // Sorting by bytes has no version, whichever library is asked.
        var rows = connection.Query(
            """
            select datname::text, datcollversion, pg_database_collation_actual_version(oid), (datlocprovider = 'c')::text
              from pg_database
             where datallowconn and (datlocprovider <> 'c' or datcollate !~* '^(c|posix)(\.|$)')
             order by 1
            """, cancellationToken);
        var (serving, server) = (LibcOf(project), ServerOf(project));
        // Only glibc tells a version.
        foreach (var row in rows.Where(r => r[3] == "true"))
        {
            if ((row[1] is null ? "musl" : "glibc") is var made && made != serving)
            {
                throw new PgdException(ExitCode.Unsafe, $"the database {row[0]} of {name} was made with {made}, and {server} has {serving}, which sorts text in another order: its indexes would be wrong",
                    $"Make the project with an image that has {made}, for example --image postgres:{project.PostgresMajor}{(made == "musl" ? "-alpine" : "")}. Or fill it from a dump: --from-dump.");
            }
        }

        foreach (var versions in rows.Where(r => r[1] is not null && r[2] is not null && r[1] != r[2]).GroupBy(r => (Made: r[1], Serving: r[2])))
        {
            var commands = versions.Select(r => AdminConnection.QuoteIdentifier(r[0]!)).Select(database => $"REINDEX DATABASE {database}; ALTER DATABASE {database} REFRESH COLLATION VERSION;");
            reporter.Warn($"text in {string.Join(", ", versions.Select(r => r[0]))} of {name} was sorted by version {versions.Key.Made} of its collation, and {server} has {versions.Key.Serving}: "
                + $"indexes on text may be wrong until you type, connected to each: {string.Join(' ', commands)}");
        }
    }

    /// <summary>What runs a project's servers, in words.</summary>
    public static string ServerOf(ProjectRecord project) => project.Image is { } image ? $"the image {image.Reference}" : "this machine";
}
