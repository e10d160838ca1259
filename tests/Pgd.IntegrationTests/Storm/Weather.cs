using FsCheck;
using FsCheck.Fluent;

namespace Pgd.IntegrationTests.Storm;

/// <summary>What happens at the code host, how it is told, and what goes wrong on the way.</summary>
/// <param name="HasToken">Whether jobs may ask the host; without a token they know what their events say.</param>
/// <param name="NeedsLabel">Whether only pull requests with a label get branches.</param>
/// <param name="Happenings">In the order in which they happen.</param>
internal sealed record Weather(bool HasToken, bool NeedsLabel, IReadOnlyList<Happening> Happenings)
{
    private const int MostGusts = 12;

    // To make it smaller takes the whole story each time, and a race does not show itself each time.
    private const int MostShrinks = 150;

    /// <summary>Storms of all sizes, and how to make one smaller.</summary>
    public static Arbitrary<Weather> Any()
    {
        var shrinks = 0;
        return Arb.From(Storms(), weather => weather.Smaller().TakeWhile(_ => shrinks++ < MostShrinks));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(HasToken ? "with" : "without")} a token{(NeedsLabel ? ", for labeled pull requests" : "")}\n{string.Join('\n', Happenings.Select((happening, index) => $"  {index}. {happening}"))}\n";

    private static Gen<Weather> Storms() =>
        from token in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
        from label in Gen.Frequency((4, Gen.Constant(false)), (1, Gen.Constant(true)))
        from count in Gen.Choose(2, MostGusts)
        from gusts in Gen.ListOf(Gen.Frequency((9, OneHappening().Select(happening => (IReadOnlyList<Happening>)[happening])), (1, ReopenedDuringSweep())), count)
        select new Weather(token, label, [.. gusts.SelectMany(gust => gust)]);

    // What a sweep was told is no longer true when it hears it. By chance that would hardly ever happen.
    private static Gen<IReadOnlyList<Happening>> ReopenedDuringSweep() =>
        from requests in Gen.Choose(1, 2)
        from late in Gen.Choose(1, 2)
        select (IReadOnlyList<Happening>)
        [
            new Happening(Kind.Closed, 1, 1, Happening.WhenAllIsQuiet, []),
            new Happening(Kind.Scheduled, 1, 1, Happening.WhenAllIsQuiet, [new(0, new(OutageKind.Late, late, 1), null)]),
            new Happening(Kind.Reopened, 1, 1, requests, [new(0, null, null)]),
        ];

    private static Gen<Happening> OneHappening() =>
        from kind in Gen.Frequency((2, Gen.Constant(Kind.Opened)), (3, Gen.Constant(Kind.Pushed)), (4, Gen.Constant(Kind.Closed)), (4, Gen.Constant(Kind.Reopened)), (2, Gen.Constant(Kind.Labeled)), (2, Gen.Constant(Kind.Scheduled)))
        // Events that meet are those of one pull request.
        from pull in Gen.Frequency((5, Gen.Constant(1)), (2, Gen.Constant(2)), (1, Gen.Constant(3)))
        from seconds in Gen.Choose(0, 2)
        from after in Gen.Frequency((3, Gen.Constant(0)), (4, Gen.Choose(1, 8)), (3, Gen.Constant(Happening.WhenAllIsQuiet)))
        from copies in Gen.Frequency((kind == Kind.Closed ? 4 : 0, Gen.Constant(0)), (12, Gen.Constant(1)), (5, Gen.Constant(2)), (1, Gen.Constant(3)))
        from deliveries in Gen.ListOf(OneDelivery(kind), copies)
        select new Happening(kind, pull, seconds, after, deliveries);

    private static Gen<Delivery> OneDelivery(Kind kind) =>
        from later in Gen.Frequency((6, Gen.Constant(0)), (4, Gen.Choose(1, 4)))
        from killed in Gen.Frequency((15, Gen.Constant<Kill?>(null)), (1, Kills(kind)))
        from outage in Gen.Frequency((kind == Kind.Scheduled ? 2 : 5, Gen.Constant<Outage?>(null)), (4, killed is null ? Outages() : Gen.Constant<Outage?>(null)))
        select new Delivery(later, outage, killed);

    private static Gen<Kill?> Kills(Kind kind) =>
        from place in Gen.Elements(kind is Kind.Closed or Kind.Scheduled ? Kill.PlacesOfDeleting : Kill.PlacesOfMaking)
        from time in Gen.Frequency((7, Gen.Constant(1)), (1, Gen.Choose(2, 5)))
        select (Kill?)new Kill(place, time);

    private static Gen<Outage?> Outages() =>
        from kind in Gen.Frequency((4, Gen.Constant(OutageKind.Late)), (1, Gen.Constant(OutageKind.ServerError)), (1, Gen.Constant(OutageKind.RateLimit)), (1, Gen.Constant(OutageKind.Dropped)))
        from first in Gen.Choose(1, 4)
        // A request is sent five times before it is given up.
        from count in Gen.Elements(1, 2, 5, 5, 20)
        select (Outage?)new Outage(kind, first, count);

    private IEnumerable<Weather> Smaller()
    {
        for (var i = 0; i < Happenings.Count; i++)
            yield return this with { Happenings = [.. Happenings.Where((_, index) => index != i)] };
        for (var i = 0; i < Happenings.Count; i++)
        {
            foreach (var smaller in Happenings[i].Smaller())
                yield return this with { Happenings = [.. Happenings.Select((happening, index) => index == i ? smaller : happening)] };
        }

        if (NeedsLabel)
            yield return this with { NeedsLabel = false };
    }
}

/// <summary>Something that somebody does at the code host.</summary>
/// <param name="Kind">What; where it is impossible, because a pull request is not open or open already, its nearest relative.</param>
/// <param name="Pull">The pull request's number.</param>
/// <param name="Seconds">How long after what happened before, on the host's clock.</param>
/// <param name="After">How many requests of the jobs that run the host has answered by then, whether they have heard it or not; as many as they like for <see cref="WhenAllIsQuiet"/>.</param>
/// <param name="Deliveries">When its event arrives; not at all, once or several times.</param>
internal sealed record Happening(Kind Kind, int Pull, int Seconds, int After, IReadOnlyList<Delivery> Deliveries)
{
    public const int WhenAllIsQuiet = 1000;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(After == 0 ? "at once" : After == WhenAllIsQuiet ? "when all is quiet" : $"after {After} requests")}, {Seconds} s later: {Kind} {(Kind == Kind.Scheduled ? "" : $"#{Pull} ")}"
        + $"→ {(Deliveries.Count == 0 ? "lost" : string.Join("; ", Deliveries))}";

    public IEnumerable<Happening> Smaller()
    {
        for (var i = 0; i < Deliveries.Count && Deliveries.Count > 1; i++)
            yield return this with { Deliveries = [.. Deliveries.Where((_, index) => index != i)] };
        for (var i = 0; i < Deliveries.Count; i++)
        {
            foreach (var smaller in Deliveries[i].Smaller())
                yield return this with { Deliveries = [.. Deliveries.Select((delivery, index) => index == i ? smaller : delivery)] };
        }

        if (After is not (0 or WhenAllIsQuiet))
            yield return this with { After = WhenAllIsQuiet };
        if (Seconds == 0)
            yield return this with { Seconds = 1 };
    }
}

internal enum Kind
{
    Opened,
    Pushed,
    Closed,
    Reopened,
    Labeled,
    Scheduled,
}

/// <summary>An event's way to us.</summary>
/// <param name="Later">After how many further happenings it arrives.</param>
/// <param name="Outage">What its job's requests to the host meet.</param>
/// <param name="Kill">Where its job is killed.</param>
internal sealed record Delivery(int Later, Outage? Outage, Kill? Kill)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(Later == 0 ? "delivered" : $"delivered {Later} later")}{(Outage is null ? "" : $", {Outage}")}{(Kill is null ? "" : $", killed at {Kill}")}";

    public IEnumerable<Delivery> Smaller()
    {
        if (Kill is not null)
            yield return this with { Kill = null };
        if (Outage is not null)
            yield return this with { Outage = null };
        if (Later > 0)
            yield return this with { Later = 0 };
    }
}

/// <summary>What some requests of a job meet, from the <paramref name="First"/>th on.</summary>
internal sealed record Outage(OutageKind Kind, int First, int Count)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind} from request {First} on, {Count} times";
}

internal enum OutageKind
{
    /// <summary>Answered, and the answer takes its time.</summary>
    Late,
    ServerError,
    RateLimit,
    Dropped,
}

/// <summary>A place in the code and how often it is passed before the process dies there.</summary>
internal sealed record Kill(string Place, int Time)
{
    public static readonly string[] PlacesOfMaking =
    [
        "record:beside", "create:record", "volume:beside", "volume:made", "copy:folders", "copy:half", "create:cloned", "file:beside", "start:folder", "start:log", "start:launched",
        "settle:started", "settle:rotated", "door:written", "create:opened", "create:ready", "reset:record", "reset:cloned", "reset:settled", "stop:asking", "stop:asked", "stop:gone", "reset:stopping",
        "reset:switching", "reset:proved", "reset:switched", "destroy:stopped", "remove:data", "remove:moved", "remove:folder",
    ];

    public static readonly string[] PlacesOfDeleting =
        ["record:beside", "delete:record", "stop:asking", "stop:asked", "stop:gone", "destroy:stopped", "remove:data", "remove:part", "remove:moved", "remove:file", "remove:folder", "delete:data"];

    /// <inheritdoc/>
    public override string ToString() => $"{Place}#{Time}";
}
