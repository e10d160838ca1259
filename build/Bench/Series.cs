namespace Pgd.Bench;

/// <summary>Measurements of one thing, in milliseconds.</summary>
internal sealed class Series
{
    private readonly List<double> _values = [];

    public IReadOnlyList<double> Values => _values;

    /// <summary>Half of the measurements were faster. The first is left out: it warms up what the others find warm.</summary>
    public double Median => Quantile(0.5);

    /// <summary>Half the distance between the quartiles: what the median may be off by.</summary>
    public double Spread => (Quantile(0.75) - Quantile(0.25)) / 2;

    public void Add(double value) => _values.Add(value);

    private double Quantile(double part)
    {
        var sorted = _values.Skip(_values.Count > 1 ? 1 : 0).Order().ToList();
        var at = part * (sorted.Count - 1);
        var below = sorted[(int)Math.Floor(at)];
        return below + ((sorted[(int)Math.Ceiling(at)] - below) * (at - Math.Floor(at)));
    }
}
