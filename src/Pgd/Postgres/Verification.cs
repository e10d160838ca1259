using Npgsql;
using Pgd.State;

namespace Pgd.Postgres;

/// <summary>Reads everything that a branch has and looks for what cannot be right: checksums, the structure of tables and of their B-trees, and whether each row is in its indexes.</summary>
/// <remarks>By the extension amcheck, which is installed inside a transaction that is rolled back: nothing of the branch changes.</remarks>
internal sealed class Verification(BranchServer server, ProjectRecord project, BranchName name, IReporter reporter, CancellationToken cancellationToken)
{
    private const int OldestWithHeap = 14;
    private readonly List<string> _problems = [];
    private int _databases, _tables, _indexes, _others;

    public Verified Run(AdminConnection connection)
    {
        var databases = connection.Query("select datname::text from pg_database where datallowconn order by 1", cancellationToken);
        foreach (var database in databases.Select(row => row[0]!))
        {
            reporter.Step($"verifying {database} of {name}");
            var inside = server.Connect(cancellationToken, database);
            try
            {
                Database(ref inside, database);
            }
            finally
            {
                inside.Dispose();
            }
        }

        return new(_databases, _tables, _indexes, _others, _problems);
    }

    private void Database(ref AdminConnection inside, string database)
    {
        var schema = Begin(inside);
        _databases++;
        var relations = inside.Query(
            """
            select c.oid::text, c.oid::regclass::text, case when c.relkind = 'i' then a.amname::text else 'table' end
              from pg_class c left join pg_index i on i.indexrelid = c.oid left join pg_am a on a.oid = c.relam
             where c.relpersistence <> 't'
               and (c.relkind in ('r', 'm', 't') and a.amname = 'heap' or c.relkind = 'i' and i.indisready and i.indisvalid)
             order by c.relkind desc, c.oid
            """, cancellationToken);
        foreach (var relation in relations)
        {
            var (oid, title, kind) = (relation[0]!, relation[1]!, relation[2]!);
            switch (kind)
            {
                case "table":
                    _tables++;
                    Check(ref inside, database, title, project.PostgresMajor >= OldestWithHeap
                        ? $"select distinct 'block ' || blkno || coalesce(', row ' || offnum, '') || ': ' || msg from {schema}.verify_heapam({oid}, check_toast => true) limit 10"
                        // Reading each page compares its checksum.
                        : $"select null from {title} having count(*) < 0");
                    break;
                case "btree":
                    _indexes++;
                    Check(ref inside, database, title, $"select null where {schema}.bt_index_check({oid}, true)::text <> ''");
                    break;
                default:
                    _others++;
                    break;
            }
        }

        inside.Execute("rollback", cancellationToken);
    }

    private string Begin(AdminConnection inside)
    {
        inside.Execute("begin", cancellationToken);
        const string find = "select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'amcheck'";
        if (inside.Scalar(find, cancellationToken) is { } there)
            return there;
        try
        {
            inside.Execute("create schema pgd_verification; create extension amcheck schema pgd_verification", cancellationToken);
            return "pgd_verification";
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedFile or PostgresErrorCodes.FeatureNotSupported)
        {
            throw new PgdException(ExitCode.MachineLacks, $"{Collations.ServerOf(project)} has no extension amcheck, by which branches are verified", "Install PostgreSQL's contrib modules, or choose an image that has them.", e);
        }
    }

    private void Check(ref AdminConnection inside, string database, string title, string sql)
    {
        inside.Execute("savepoint one", cancellationToken);
        try
        {
            foreach (var row in inside.Query(sql, cancellationToken))
                Add(row[0]!);
            inside.Execute("release savepoint one", cancellationToken);
        }
        catch (PostgresException e)
        {
            Add(e.MessageText);
            if (inside.Connection.State == System.Data.ConnectionState.Open)
            {
                inside.Execute("rollback to savepoint one", cancellationToken);
                return;
            }

            // The driver leaves a server that speaks of damage.
            inside.Dispose();
            inside = server.Connect(cancellationToken, database);
            Begin(inside);
        }

        void Add(string what) => _problems.Add($"{database}: {title}: {what}");
    }
}
