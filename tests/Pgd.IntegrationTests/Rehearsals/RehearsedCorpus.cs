using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Pgd.Migrations;
using Pgd.Tracing;
using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>The trace is right, not plausible: what the manual says of each migration is what is seen of it.</summary>
public abstract class RehearsedCorpus(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task Each_migration_takes_the_locks_and_rewrites_what_the_manual_says()
    {
        await _shop.CreateAsync("corpus");
        var folder = Directory.CreateTempSubdirectory("pgd-corpus-").FullName;
        try
        {
            for (var i = 0; i < Corpus.Cases.Count; i++)
            {
                var (one, schema) = (Corpus.Cases[i], Schema(i));
                await _shop.AskAsync("corpus", $"""
                    create schema {schema};
                    create table {schema}.items (id int primary key, name varchar(40) not null, price int, since timestamp default now());
                    insert into {schema}.items select i, 'item ' || i, i from generate_series(1, {(one.Large ? 200_000 : 1000)}) i;
                    create table {schema}.orders (id int primary key, item int);
                    insert into {schema}.orders select i, i from generate_series(1, 1000) i;
                    {one.Setup.Replace("{s}", schema, StringComparison.Ordinal)}
                    """);
                await File.WriteAllTextAsync(Path.Combine(folder, $"{schema}.sql"), $"{(one.NoTransaction ? "-- pgd: no-transaction\n" : "")}{one.Sql.Replace("{s}", schema, StringComparison.Ordinal)};\n");
            }

            var connection = await _shop.ConnectAsync("corpus");
            var report = await _shop.Workspace.Migrations.RehearseAsync(new()
            {
                Branch = Shop.Name("corpus"),
                Connection = connection,
                Files = new() { Branch = Shop.Name("corpus"), Connection = connection, WorkingDirectory = folder, Pattern = "*.sql", Added = null, Output = _ => { } },
            }, default);

            Assert.Null(report.Run.Error);
            Assert.Empty(report.Trace.Gaps);
            var differences = Corpus.Cases.SelectMany((one, i) => Differences(one, Schema(i), report)).ToList();
            Assert.True(differences.Count == 0, string.Join(Environment.NewLine, differences));
            Assert.All(report.Trace.Statements, s => Assert.True(s.Line > 0 || s.Text == "COMMIT", s.Text));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            await _shop.DeleteAsync("corpus");
        }
    }

    private static string Schema(int number) => string.Create(CultureInfo.InvariantCulture, $"c{number + 1:00}");

    private static IEnumerable<string> Differences(Case one, string schema, MigrationReport report)
    {
        var trace = report.Trace;
        var statements = trace.Statements.Where(s => s.File == $"{schema}.sql").ToList();
        var transactions = statements.Select(s => s.Transaction).ToHashSet();
        var locks = trace.Locks.Where(l => transactions.Contains(l.Transaction)).ToList();
        foreach (var (relation, mode) in one.Locks)
        {
            var seen = locks.Where(l => l.Relation == $"{schema}.{relation}").ToList();
            if (seen.Count == 0 || seen.Max(l => l.Mode) != mode)
                yield return $"{schema} {one.Name}: {relation} was locked {(seen.Count == 0 ? "not at all" : seen.Max(l => l.Mode).Sql())}, not {mode.Sql()}";
            else if (seen.MaxBy(l => l.Mode)!.Statement == 0)
                yield return $"{schema} {one.Name}: no statement took the lock on {relation}";
        }

        // Whoever is told of too much stops reading.
        foreach (var extra in locks.Where(l => l.Kind is RelationKind.Table or RelationKind.MaterializedView && (l.Blocks & (Blocks.Reads | Blocks.Writes)) != 0 && one.Locks.All(e => $"{schema}.{e.Relation}" != l.Relation)))
            yield return $"{schema} {one.Name}: {extra.Relation} was locked {extra.Mode.Sql()}, which the manual does not say";
        var rewritten = statements.SelectMany(s => s.Rewrites).Select(r => r.Relation).Order(StringComparer.Ordinal).ToList();
        var expected = (one.Rewrites ?? []).Select(r => $"{schema}.{r}").Order(StringComparer.Ordinal).ToList();
        if (!rewritten.SequenceEqual(expected))
            yield return $"{schema} {one.Name}: rewritten was [{string.Join(", ", rewritten)}], not [{string.Join(", ", expected)}]";
        var broken = report.Findings.Where(f => f.File == $"{schema}.sql" || (f.Statement == 0 && f.Message.Contains($" {schema}.", StringComparison.Ordinal))).Select(f => f.Rule).Order(StringComparer.Ordinal).ToList();
        string[] rules = [.. one.Rules ?? [], .. locks.Any(l => l.Kind is RelationKind.Table or RelationKind.MaterializedView && (l.Blocks & (Blocks.Reads | Blocks.Writes)) != 0) ? ["missing-lock-timeout"] : Array.Empty<string>()];
        if (!broken.SequenceEqual(rules.Order(StringComparer.Ordinal)))
            yield return $"{schema} {one.Name}: broken was [{string.Join(", ", broken)}], not [{string.Join(", ", rules)}]";
        foreach (var constraint in one.Unvalidated ?? [])
        {
            if (!trace.UnvalidatedConstraints.Any(c => c.StartsWith(constraint + " on " + schema, StringComparison.Ordinal)))
                yield return $"{schema} {one.Name}: {constraint} is not told as unvalidated";
        }
    }
}

[Collection("rehearsals")]
[Trait("Only", "soak")]
public sealed class RehearsedCorpusOnBtrfs15(Btrfs15 fixture) : RehearsedCorpus(fixture), IClassFixture<Btrfs15>;

[Collection("rehearsals")]
public sealed class RehearsedCorpusOnBtrfs17(Btrfs17 fixture) : RehearsedCorpus(fixture), IClassFixture<Btrfs17>;
