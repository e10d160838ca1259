using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Backups;
using Pgd.Postgres;
using Pgd.Schema;

namespace Pgd.Replication;

/// <summary>What of a database is not in the rows of its tables, at its moment on both sides.</summary>
/// <param name="source">The source.</param>
/// <param name="target">The target.</param>
internal sealed partial class CatalogComparison(LogicalSource source, LogicalSource target)
{
    private const int LargeObjectPiece = 1 << 20;

    /// <summary>Definitions that differ; with owners and privileges, if they count.</summary>
    /// <param name="tables">The tables that are meant, with their indexes; null for all that there is.</param>
    /// <param name="withOwners">Whether owners and privileges count.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<IReadOnlyList<SchemaDifference>> SchemaAsync(IReadOnlySet<(string Schema, string Name)>? tables, bool withOwners, CancellationToken cancellationToken)
    {
        var (old, @new) = (ReadAsync(source), ReadAsync(target));
        await Task.WhenAll(old, @new).ConfigureAwait(false);
        return [.. SchemaDiff.Differences(await old.ConfigureAwait(false), await @new.ConfigureAwait(false))];

        async Task<IReadOnlyList<SchemaObject>> ReadAsync(LogicalSource of)
        {
            var meant = tables?.Select(table => Bare($"{table.Schema}.{table.Name}")).ToHashSet(StringComparer.Ordinal);
            // What is published where is no part of the data.
            IReadOnlyList<SchemaObject> all = [.. (await SchemaReader.ReadAsync(of.Url, LogicalSource.Application, of.Major, withOwners, cancellationToken).ConfigureAwait(false)).Where(one => one.Kind != SchemaKind.Publication && one.Name != ReplicaRecord.Schema && !one.Name.StartsWith(ReplicaRecord.Schema + ".", StringComparison.Ordinal) && (meant is null || (TableOf(one) is { } table && meant.Contains(table))))];
            // Nor is a reference to what is not meant, which cannot come along.
            foreach (var one in meant is null ? [] : all)
                one.Lines.RemoveAll(line => Reference().Match(line.Text) is { Success: true } match && !meant!.Contains(Bare(match.Groups[1].Value)));
            return all;
        }

        static string? TableOf(SchemaObject one) => one.Kind switch
        {
            SchemaKind.Table => Bare(one.Name),
            SchemaKind.Index when IndexedTable().Match(one.Text) is { Success: true } match => Bare(match.Groups[1].Value),
            _ => null,
        };

        // Whether a name is quoted depends on the version's words.
        static string Bare(string name) => name.Replace("\"", "", StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\bFOREIGN KEY \(.+?\) REFERENCES (.+?)\(", RegexOptions.Singleline)]
    private static partial Regex Reference();

    [GeneratedRegex(@"^CREATE (?:UNIQUE )?INDEX .+? ON (?:ONLY )?(.+?) USING ", RegexOptions.Singleline)]
    private static partial Regex IndexedTable();

    /// <summary>Sequences that are behind at the target.</summary>
    public async Task<IReadOnlyList<ComparedSequence>> SequencesAsync(bool ofTheTablesOnly, bool isFollowing, CancellationToken cancellationToken)
    {
        var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        var steps = (await session.QueryAsync("select n.nspname, c.relname, s.seqincrement::text from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace", cancellationToken).ConfigureAwait(false)).ToDictionary(row => (row[0]!, row[1]!), row => Int128.Parse(row[2]!, CultureInfo.InvariantCulture));
        var there = (await target.SequencesAsync(ofTheTablesOnly, cancellationToken).ConfigureAwait(false)).ToDictionary(sequence => (sequence.Schema, sequence.Name));
        var behind = new List<ComparedSequence>();
        foreach (var sequence in await source.SequencesAsync(ofTheTablesOnly, cancellationToken).ConfigureAwait(false))
        {
            var step = steps.GetValueOrDefault((sequence.Schema, sequence.Name), 1);
            var (here, other) = (Next(sequence, step), there.TryGetValue((sequence.Schema, sequence.Name), out var found) ? Next(found, step) : (Int128?)null);
            if (other is null || (step > 0 ? other < here : other > here))
                behind.Add(new($"{sequence.Schema}.{sequence.Name}", Shown(here), other is { } next ? Shown(next) : null, isFollowing));
        }

        return behind;

        static Int128 Next(BackedUpSequence sequence, Int128 step) => sequence.IsCalled ? sequence.Value + step : sequence.Value;

        static long Shown(Int128 value) => (long)Int128.Clamp(value, long.MinValue, long.MaxValue);
    }

    /// <summary>The large objects by their numbers and content.</summary>
    public async Task<ComparedLargeObjects?> LargeObjectsAsync(CancellationToken cancellationToken)
    {
        var both = await Task.WhenAll(HashesAsync(source), HashesAsync(target)).ConfigureAwait(false);
        var (here, there) = (both[0], both[1]);
        return new ComparedLargeObjects(here.Count, [.. here.Keys.Where(number => !there.ContainsKey(number)).Order()], [.. there.Keys.Where(number => !here.ContainsKey(number)).Order()], [.. here.Where(one => there.TryGetValue(one.Key, out var hash) && hash != one.Value).Select(one => one.Key).Order()]);

        // Piece by piece: one may have more bytes than a value can.
        async Task<Dictionary<long, string>> HashesAsync(LogicalSource of)
        {
            var session = await of.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            try
            {
                return (await session.QueryAsync(string.Create(CultureInfo.InvariantCulture, $"""
                    select m.oid::text, (with recursive pieces(piece, hash, is_full) as (
                            select 0::bigint, sha256(content), length(content) = {LargeObjectPiece} from lo_get(m.oid, 0, {LargeObjectPiece}) as content
                            union all select piece + 1, sha256(content), length(content) = {LargeObjectPiece} from pieces, lo_get(m.oid, (piece + 1) * {LargeObjectPiece}, {LargeObjectPiece}) as content where is_full)
                        select encode(sha256(string_agg(hash, '' order by piece)), 'hex') from pieces)
                    from pg_largeobject_metadata m
                    """), cancellationToken).ConfigureAwait(false)).ToDictionary(row => long.Parse(row[0]!, CultureInfo.InvariantCulture), row => row[1]!);
            }
            catch (PostgresException e)
            {
                throw of.Refused(e);
            }
        }
    }

    /// <summary>Roles of the source's database that the target's server does not have.</summary>
    public async Task<IReadOnlyList<string>> MissingRolesAsync(bool ofTheTablesOnly, CancellationToken cancellationToken)
    {
        var here = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = here.ConfigureAwait(false);
        var there = await target.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = there.ConfigureAwait(false);
        var needed = await here.QueryAsync("select distinct r.rolname from pg_shdepend d join pg_roles r on r.oid = d.refobjid where d.refclassid = 'pg_authid'::regclass and d.dbid = (select oid from pg_database where datname = current_database())" + (ofTheTablesOnly ? $" and d.classid = 'pg_class'::regclass and d.objid in ({string.Join(',', source.Tables.Concat(source.Partitioned).Select(table => table.Oid).DefaultIfEmpty("0"))})" : "") + " order by 1", cancellationToken).ConfigureAwait(false);
        var known = (await there.QueryAsync("select rolname from pg_roles", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        return [.. needed.Select(row => row[0]!).Where(role => !known.Contains(role))];
    }
}
