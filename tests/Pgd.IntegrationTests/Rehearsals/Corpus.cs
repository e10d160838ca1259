using Pgd.Tracing;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>
/// Migrations with the locks and rewrites that PostgreSQL's manual says they have: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES and the pages of the
/// commands. <c>{s}</c> is a schema of the case's own, with <c>items (id, name, price, since)</c> of 1,000 rows, <c>orders (id, item)</c>, and what <see cref="Case.Setup"/> adds.
/// </summary>
internal static class Corpus
{
    private const LockMode RowShare = LockMode.RowShare, RowExclusive = LockMode.RowExclusive, ShareUpdateExclusive = LockMode.ShareUpdateExclusive, Share = LockMode.Share, ShareRowExclusive = LockMode.ShareRowExclusive,
        Exclusive = LockMode.Exclusive, AccessExclusive = LockMode.AccessExclusive;

    public static IReadOnlyList<Case> Cases { get; } =
    [
        // ALTER TABLE: "An ACCESS EXCLUSIVE lock is acquired unless explicitly noted."
        new("a column is added", "alter table {s}.items add note text", [("items", AccessExclusive)]),
        new("a column is added with a constant default", "alter table {s}.items add stock int not null default 0", [("items", AccessExclusive)]),
        new("a column is added with a stable default", "alter table {s}.items add made timestamptz default now()", [("items", AccessExclusive)]),
        // "Adding a column with a volatile DEFAULT … will require the entire table and its indexes to be rewritten."
        new("a column is added with a volatile default", "alter table {s}.items add token uuid default gen_random_uuid()", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["volatile-default"]),
        new("a stored generated column is added", "alter table {s}.items add double int generated always as (price * 2) stored", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["volatile-default"]),
        new("an identity column is added", "alter table {s}.items add number int generated always as identity", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["volatile-default"]),
        new("a column is dropped", "alter table {s}.items drop column price", [("items", AccessExclusive)], Rules: ["drop-column"]),
        new("a type is changed", "alter table {s}.items alter column price type bigint", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["type-change"]),
        // "… if the old type is either binary coercible to the new type or an unconstrained domain over the new type, a table rewrite is not needed."
        new("a varchar is widened", "alter table {s}.items alter column name type varchar(80)", [("items", AccessExclusive)]),
        new("a varchar becomes text", "alter table {s}.items alter column name type text", [("items", AccessExclusive)]),
        new("a varchar is narrowed", "alter table {s}.items alter column name type varchar(30)", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["type-change"]),
        new("a time becomes one with a zone, in another zone than UTC", "set local timezone = 'Europe/Berlin'; alter table {s}.items alter column since type timestamptz", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["type-change"]),
        new("a time becomes one with a zone, in UTC", "set local timezone = 'UTC'; alter table {s}.items alter column since type timestamptz", [("items", AccessExclusive)]),
        new("a column must not be null", "alter table {s}.items alter column price set not null", [("items", AccessExclusive)], Rules: ["set-not-null"]),
        new("a column may be null", "alter table {s}.items alter column name drop not null", [("items", AccessExclusive)]),
        new("a default is set", "alter table {s}.items alter column price set default 1", [("items", AccessExclusive)]),
        new("a column is renamed", "alter table {s}.items rename column price to cost", [("items", AccessExclusive)], Rules: ["rename"]),
        new("a table is renamed", "alter table {s}.items rename to things", [("items", AccessExclusive)], Rules: ["rename"]),
        new("a table gets another schema", "create schema {s}b; alter table {s}.items set schema {s}b", [("items", AccessExclusive)]),
        new("a table becomes unlogged", "alter table {s}.orders set unlogged", [("orders", AccessExclusive)], Rewrites: ["orders", "orders_pkey"], Rules: ["table-rewrite"]),
        new("row security is enabled", "alter table {s}.items enable row level security", [("items", AccessExclusive)]),
        new("a policy is made", "create policy own on {s}.items using (true)", [("items", AccessExclusive)]),
        new("a rule is made", "create rule never as on delete to {s}.items do instead nothing", [("items", AccessExclusive)]),
        // "SHARE UPDATE EXCLUSIVE … SET STATISTICS", "… for fillfactor, toast and autovacuum storage parameters".
        new("statistics are set", "alter table {s}.items alter column price set statistics 500", [("items", ShareUpdateExclusive)]),
        new("a fill factor is set", "alter table {s}.items set (fillfactor = 80)", [("items", ShareUpdateExclusive)]),
        new("statistics are made", "create statistics {s}.both on price, name from {s}.items", [("items", ShareUpdateExclusive)]),
        new("a comment is made", "comment on table {s}.items is 'what is sold'", [("items", ShareUpdateExclusive)]),
        // Constraints.
        new("a check is added", "alter table {s}.items add constraint positive check (price >= 0)", [("items", AccessExclusive)], Rules: ["check-validates"]),
        new("a check is added that is not validated", "alter table {s}.items add constraint positive check (price >= 0) not valid", [("items", AccessExclusive)], Unvalidated: ["positive"], Rules: ["constraint-not-validated"]),
        new("a check is validated", "alter table {s}.items validate constraint positive", [("items", ShareUpdateExclusive)], "alter table {s}.items add constraint positive check (price >= 0) not valid"),
        // "… acquires a SHARE ROW EXCLUSIVE lock on the referenced table, in addition to the lock on the table on which the constraint is declared."
        new("a foreign key is added", "alter table {s}.orders add constraint of foreign key (item) references {s}.items", [("orders", ShareRowExclusive), ("items", ShareRowExclusive)], Rules: ["foreign-key-validates", "many-heavy-locks"]),
        new("a foreign key is added that is not validated", "alter table {s}.orders add constraint of foreign key (item) references {s}.items not valid", [("orders", ShareRowExclusive), ("items", ShareRowExclusive)], Unvalidated: ["of"], Rules: ["many-heavy-locks", "constraint-not-validated"]),
        new("a foreign key is validated", "alter table {s}.orders validate constraint of", [("orders", ShareUpdateExclusive), ("items", RowShare)], "alter table {s}.orders add constraint of foreign key (item) references {s}.items not valid"),
        new("a foreign key is dropped", "alter table {s}.orders drop constraint of", [("orders", AccessExclusive), ("items", AccessExclusive)], "alter table {s}.orders add constraint of foreign key (item) references {s}.items", Rules: ["many-heavy-locks"]),
        new("a unique constraint is added", "alter table {s}.items add unique (name)", [("items", AccessExclusive)], Rules: ["unique-constraint"]),
        new("a unique constraint takes an index over", "alter table {s}.items add constraint one unique using index ready", [("items", AccessExclusive)], "create unique index ready on {s}.items (name)"),
        // Indexes.
        new("an index is made", "create index on {s}.items (price)", [("items", Share)], Rules: ["index-not-concurrent"]),
        new("an index is made concurrently", "create index concurrently on {s}.items (price)", [("items", ShareUpdateExclusive)], NoTransaction: true, Large: true),
        new("an index is dropped", "drop index {s}.named", [("items", AccessExclusive), ("named", AccessExclusive)], "create index named on {s}.items (price)", Rules: ["drop-index-not-concurrent"]),
        new("an index is dropped concurrently", "drop index concurrently {s}.named", [("items", ShareUpdateExclusive)], "create index named on {s}.items (price)", NoTransaction: true),
        // "REINDEX locks out writes but not reads of the index's parent table. It also takes an ACCESS EXCLUSIVE lock on the specific index being processed."
        new("an index is made anew", "reindex index {s}.items_pkey", [("items", Share), ("items_pkey", AccessExclusive)], Rewrites: ["items_pkey"], Large: true, Rules: ["reindex-not-concurrent"]),
        new("all indexes of a table are made anew", "reindex table {s}.items", [("items", Share), ("items_pkey", AccessExclusive)], Rewrites: ["items_pkey"], Large: true, Rules: ["reindex-not-concurrent"]),
        new("an index is made anew concurrently", "reindex index concurrently {s}.items_pkey", [("items", ShareUpdateExclusive)], NoTransaction: true, Large: true),
        // Triggers.
        new("a trigger is made", "create trigger t before insert on {s}.items for each row execute function suppress_redundant_updates_trigger()", [("items", ShareRowExclusive)]),
        new("a trigger is disabled", "alter table {s}.items disable trigger user", [("items", ShareRowExclusive)]),
        new("a trigger is dropped", "drop trigger t on {s}.items", [("items", AccessExclusive)], "create trigger t before update on {s}.items for each row execute function suppress_redundant_updates_trigger()"),
        // Whole tables.
        new("a table is dropped", "drop table {s}.orders", [("orders", AccessExclusive)], Rules: ["drop-table"]),
        new("a table is emptied", "truncate {s}.orders", [("orders", AccessExclusive)], Rewrites: ["orders", "orders_pkey"], Rules: ["truncate"]),
        new("a table is locked", "lock table {s}.items in exclusive mode; select pg_sleep(0.1)", [("items", Exclusive)]),
        new("a table is vacuumed in full", "vacuum full {s}.items", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], NoTransaction: true, Rules: ["vacuum-full"]),
        new("a table is vacuumed", "vacuum {s}.items", [("items", ShareUpdateExclusive)], NoTransaction: true, Large: true),
        new("a table is analyzed", "analyze {s}.items", [("items", ShareUpdateExclusive)], Large: true),
        new("a table is clustered", "cluster {s}.items using items_pkey", [("items", AccessExclusive)], Rewrites: ["items", "items_pkey"], Rules: ["table-rewrite"]),
        new("a materialized view is refreshed", "refresh materialized view {s}.dear", [("dear", AccessExclusive)], "create materialized view {s}.dear as select * from {s}.items", Rewrites: ["dear"], Rules: ["refresh-not-concurrent"]),
        new("a materialized view is refreshed concurrently", "refresh materialized view concurrently {s}.dear", [("dear", Exclusive)], "create materialized view {s}.dear as select * from {s}.items; create unique index on {s}.dear (id)", Large: true),
        // Partitions: "Attaching a partition acquires a SHARE UPDATE EXCLUSIVE lock on the parent table, in addition to the ACCESS EXCLUSIVE locks on the table being attached".
        new("a partition is attached", "alter table {s}.parts attach partition {s}.second for values from (10) to (20)", [("parts", ShareUpdateExclusive), ("second", AccessExclusive)], "create table {s}.parts (n int) partition by range (n); create table {s}.second (n int)"),
        new("a partition is made", "create table {s}.first partition of {s}.parts for values from (0) to (10)", [("parts", AccessExclusive)], "create table {s}.parts (n int) partition by range (n)"),
        new("a partition is detached", "alter table {s}.parts detach partition {s}.first", [("parts", AccessExclusive), ("first", AccessExclusive)], "create table {s}.parts (n int) partition by range (n); create table {s}.first partition of {s}.parts for values from (0) to (10)", Rules: ["many-heavy-locks"]),
        new("a partition is detached concurrently", "alter table {s}.parts detach partition {s}.first concurrently", [("parts", ShareUpdateExclusive), ("first", AccessExclusive)],
            "create table {s}.parts (n int) partition by range (n); create table {s}.first partition of {s}.parts for values from (0) to (10)", NoTransaction: true),
        new("a child is made to inherit", "alter table {s}.child inherit {s}.items", [("items", ShareUpdateExclusive), ("child", AccessExclusive)], "create table {s}.child (like {s}.items)"),
        // Data.
        new("rows are changed", "update {s}.items set price = price + 1; select pg_sleep(0.1)", [("items", RowExclusive)]),
        new("rows are locked", "select count(*) from (select from {s}.items for update) l; select pg_sleep(0.1)", [("items", RowShare)]),
        // What locks no table of yours.
        new("a table is made", "create table {s}.fresh (n int)", []),
        new("an enumeration gets a value beside others", "alter type {s}.size add value 'XL'; select 1", [], "create type {s}.size as enum ('S', 'M')", Rules: ["enum-in-transaction"]),
        new("an enumeration gets a value", "alter type {s}.size add value 'XL'", [], "create type {s}.size as enum ('S', 'M')"),
        new("a function is made", "create function {s}.one() returns int language sql as 'select 1'", []),
        // A command inside a function belongs to what calls it.
        new("a block changes a table", "do $$ begin execute 'alter table {s}.items add note text'; perform pg_sleep(0.05); end $$", [("items", AccessExclusive)]),
    ];
}

/// <summary>A migration, and what it must be seen to do.</summary>
/// <param name="Name">What it does, in words.</param>
/// <param name="Sql">The migration.</param>
/// <param name="Locks">Of each table and index that was there before, the strongest lock that matters.</param>
/// <param name="Setup">What has to be there before.</param>
/// <param name="Rewrites">The tables and indexes that it has written anew.</param>
/// <param name="Unvalidated">Constraints that it leaves unvalidated.</param>
/// <param name="Rules">The rules that it breaks, beside that of a missing time limit for locks: every one breaks that which keeps others out.</param>
/// <param name="NoTransaction">Whether it cannot run in a transaction.</param>
/// <param name="Large">Whether it is over before it is looked at, unless there are more rows.</param>
internal sealed record Case(string Name, string Sql, IReadOnlyList<(string Relation, LockMode Mode)> Locks, string Setup = "", IReadOnlyList<string>? Rewrites = null, IReadOnlyList<string>? Unvalidated = null, IReadOnlyList<string>? Rules = null, bool NoTransaction = false, bool Large = false);
