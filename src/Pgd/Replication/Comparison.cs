using System.Diagnostics;
using Pgd.Libpq;

namespace Pgd.Replication;

/// <summary>
/// Whether what one server has is on another one: every row of every table, definitions, sequences, large objects, owners and privileges. Both are only read. A target that follows the source by a subscription is behind it; what differs for that reason alone
/// is read again when it has arrived.
/// </summary>
public sealed record Comparison
{
    /// <summary>Where the data is.</summary>
    public required ConnectionUrl Source { get; init; }

    /// <summary>Where it went.</summary>
    public required ConnectionUrl Target { get; init; }

    /// <summary>What of it.</summary>
    public ReplicationFilter Filter { get; init; } = ReplicationFilter.None;

    /// <summary>Whether rows are compared to the last bit: 1.0 is not 1.00 then. It takes about three times as long.</summary>
    public bool Strict { get; init; }

    /// <summary>Whether owners and privileges count.</summary>
    public bool WithOwners { get; init; } = true;

    /// <summary>Of each table, how many of the rows that differ are told with their values.</summary>
    public int ShownRows { get; init; }

    /// <summary>How long the target has for what is on its way to it.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How many tables are read at the same time; null for as many as this machine has processors, and 8 at most.</summary>
    public int? Jobs { get; init; }

    /// <summary>Gets the statements that make the target's rows equal; null for nowhere. They have values of rows in them.</summary>
    public TextWriter? SqlFix { get; init; }

    /// <summary>How rows are hashed, in place of what fits both servers.</summary>
    internal RowHash? Hash { get; init; }

    /// <summary>Compares them.</summary>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">
    /// A server does not answer, or the target does not catch up (<see cref="ExitCode.Failed"/>), may not be read (<see cref="ExitCode.Unsafe"/>, with what to grant), or a pattern of the filter matches nothing (<see cref="ExitCode.NotFound"/>).
    /// </exception>
    public async Task<Compared> RunAsync(IReporter reporter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reporter);
        if ((Source.Host, Source.Port, Source.Database) == (Target.Host, Target.Port, Target.Database))
            throw new PgdException(ExitCode.Misuse, $"{Target} is both the source and the target", "Name two: --source URL --target URL");
        var watch = Stopwatch.StartNew();
        var names = await Filter.DatabasesAsync(Source, cancellationToken).ConfigureAwait(false);
        var databases = new List<ComparedDatabase>();
        foreach (var name in names)
            databases.Add(await new DatabaseComparison(this, Source with { Database = name }, ReplicationFilter.TargetOf(Source, Target, names, name), isOneOfSeveral: names.Count > 1, reporter).RunAsync(cancellationToken).ConfigureAwait(false));
        return new() { Source = Source.ToString(), Target = Target.ToString(), Databases = databases, Strict = Strict, Seconds = Math.Round(watch.Elapsed.TotalSeconds, 3) };
    }
}
