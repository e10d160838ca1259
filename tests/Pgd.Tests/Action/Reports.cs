using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Tests.Action;

/// <summary>What rehearsals found, as the engine tells it.</summary>
internal static class Reports
{
    /// <summary>Twenty million orders get a wider key: the statement that everybody has to wait for.</summary>
    public static MigrationReport Heavy => Of(new() { Duration = TimeSpan.FromSeconds(75.2) }) with
    {
        Trace = new()
        {
            Database = "shop",
            StartedAt = FakeEngine.Now,
            Duration = TimeSpan.FromSeconds(75.2),
            WalBytes = 3_221_225_472,
            LongestUnwatched = TimeSpan.FromMilliseconds(12),
            InvalidIndexes = [],
            UnvalidatedConstraints = [],
            Gaps = ["the locks could not be watched for a moment: the connection was lost"],
            Statements =
            [
                Statement(1, "set lock_timeout = '3s'", 0, 1, 0),
                Statement(2, "alter table orders alter column id type bigint", 1, 71_400, 3_000_000_000) with
                {
                    Rewrites = [new("public.orders", RelationKind.Table, 2_684_354_560), new("public.orders_pkey", RelationKind.Index, 449_839_104)],
                    Relations = ["public.orders", "public.orders_pkey"],
                    TemporaryBytes = 471_859_200,
                },
                Statement(3, "alter table orders drop column legacy_note -- <script>alert('x')</script> | @octocat", 71_401, 8, 12_288),
                Statement(4, "create index concurrently orders_status on orders (status)", 71_500, 3_700, 221_000_000) with { File = "db/0008_orders_index.sql", Line = 1, Rows = 20_000_000, Transaction = 2, WalIsApproximate = true },
            ],
            Locks =
            [
                Lock("public.orders", RelationKind.Table, LockMode.AccessExclusive, 1, 2, 2, 71_408),
                Lock("public.orders_pkey", RelationKind.Index, LockMode.AccessExclusive, 1, 2, 3, 71_407),
                Lock("public.orders", RelationKind.Table, LockMode.ShareUpdateExclusive, 2, 4, 71_500, 3_700),
            ],
            Tables = [new("public.orders", 3_000_000_000, 3_400_000_000, 20_000_000, 0), new("public.order_tags", null, 8192, 0, 0)],
        },
        Findings =
        [
            new()
            {
                Rule = "type-change",
                Level = FindingLevel.Error,
                Message = "public.orders is written anew (2.5 GB) while nobody can read it",
                Why = "The new type is stored differently, so the table and all its indexes are written anew, and nobody can read it meanwhile.",
                Instead = "Add a column of the new type, write both, fill it in batches, and switch.",
                Statement = 2,
                File = "db/0007_orders_status.sql",
                Line = 2,
            },
            new()
            {
                Rule = "drop-column",
                Level = FindingLevel.Warning,
                Message = "public.orders.legacy_note goes",
                Why = "What still runs may name the column, and its data is gone.",
                Instead = "First release what no longer uses it, then drop it.",
                Statement = 3,
                File = "db/0007_orders_status.sql",
                Line = 3,
                WaivedBecause = "nobody has read it since the spring",
            },
        ],
        Exceeded = [new("max-exclusive-lock", "2.00 s", "71.4 s, 69.4 s too long", "public.orders")],
        Schema = new()
        {
            Branch = BranchName.Parse("shop/pr-42"),
            Base = BranchName.Parse("shop/main"),
            Database = "shop",
            Groups = [new(SchemaKind.Column, SchemaChange.Changed, 1), new(SchemaKind.Index, SchemaChange.Added, 1)],
            Objects = [new(SchemaKind.Column, "public.orders.id", SchemaChange.Changed, "integer not null", "bigint not null")],
            Text = "@@ -1,3 +1,3 @@\n table public.orders\n-  id integer not null\n+  id bigint not null\n",
        },
    };

    /// <summary>A run of which nothing else is known.</summary>
    public static MigrationReport Of(MigrationRun run) => new()
    {
        Branch = BranchName.Parse("shop/pr-42"),
        Run = run,
        Trace = new() { Database = "shop", StartedAt = FakeEngine.Now, Duration = run.Duration, Statements = [], Locks = [], Tables = [], InvalidIndexes = [], UnvalidatedConstraints = [], WalBytes = 0, Gaps = [], LongestUnwatched = TimeSpan.Zero },
        Findings = [],
        Exceeded = [],
    };

    private static TracedStatement Statement(int number, string text, double start, double took, long wal) => new()
    {
        Number = number,
        Text = text,
        File = "db/0007_orders_status.sql",
        Line = number,
        Process = 4711,
        Application = "pgd migrate",
        Transaction = 1,
        Start = TimeSpan.FromMilliseconds(start),
        Duration = TimeSpan.FromMilliseconds(took),
        WalBytes = wal,
        WalIsApproximate = false,
        LockTimeout = TimeSpan.FromSeconds(3),
    };

    private static TracedLock Lock(string relation, RelationKind kind, LockMode mode, int transaction, int statement, double start, double held) => new()
    {
        Relation = relation,
        Kind = kind,
        Mode = mode,
        Transaction = transaction,
        Statement = statement,
        Start = TimeSpan.FromMilliseconds(start),
        Held = TimeSpan.FromMilliseconds(held),
        Waited = TimeSpan.Zero,
    };
}
