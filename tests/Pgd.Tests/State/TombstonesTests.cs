using Pgd.State;
using Xunit;

namespace Pgd.Tests.State;

/// <summary>Closed pull requests are remembered for as long as events may be late.</summary>
public sealed class TombstonesTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(DateTimeOffset.UtcNow.Date, TimeSpan.Zero);
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("pgd-tombstones-");

    /// <inheritdoc/>
    public void Dispose() => _root.Delete(recursive: true);

    /// <summary>By its repository and number, and the later of two closings.</summary>
    [Fact]
    public void The_last_closing_is_remembered_in_whatever_order_they_are_told()
    {
        _root.CreateSubdirectory("state");
        var tombstones = new Tombstones(new(_root.FullName));
        Assert.Null(tombstones.ClosedAt(1, 42));

        tombstones.Write(1, 42, Noon);
        tombstones.Write(1, 42, Noon.AddHours(-1));
        Assert.Equal(Noon, tombstones.ClosedAt(1, 42));
        tombstones.Write(1, 42, Noon.AddSeconds(5));
        Assert.Equal(Noon.AddSeconds(5), tombstones.ClosedAt(1, 42));
        Assert.Null(tombstones.ClosedAt(14, 2));
        // They are no project.
        Assert.Empty(new StateStore(new(_root.FullName)).ProjectFolders());
    }

    /// <summary>No event is a month late.</summary>
    [Fact]
    public void Old_ones_are_forgotten()
    {
        _root.CreateSubdirectory("state");
        var tombstones = new Tombstones(new(_root.FullName));
        tombstones.Write(1, 1, Noon.AddDays(-40));

        tombstones.Write(1, 2, Noon);

        Assert.Equal((null, Noon), (tombstones.ClosedAt(1, 1), tombstones.ClosedAt(1, 2)));
    }

    /// <summary>An event that is looked at in just this moment must not be taken for one from before the closing.</summary>
    [Fact]
    public async Task Who_asks_while_a_closing_is_written_is_told_the_time_of_one_that_was()
    {
        _root.CreateSubdirectory("state");
        var tombstones = new Tombstones(new(_root.FullName));
        var (first, last) = (Noon.AddDays(-2), Noon.AddDays(-1));
        tombstones.Write(1, 42, first);

        var writing = Task.Run(() =>
        {
            for (var at = first; at <= last; at = at.AddMinutes(1))
                tombstones.Write(1, 42, at);
        }, TestContext.Current.CancellationToken);
        while (!writing.IsCompleted)
            Assert.InRange(tombstones.ClosedAt(1, 42) ?? DateTimeOffset.MinValue, first, last);
        await writing;

        Assert.Equal(last, tombstones.ClosedAt(1, 42));
        Assert.Single(Directory.GetFiles(Path.Combine(_root.FullName, "state", "~closed")));
    }

    /// <summary>The branch goes whether this can be remembered or not.</summary>
    [Fact]
    public void Without_a_root_or_a_folder_nothing_is_made_and_nothing_fails()
    {
        var tombstones = new Tombstones(new(_root.FullName));
        tombstones.Write(1, 1, Noon);
        Assert.Empty(_root.GetFileSystemInfos());

        File.WriteAllText(Path.Combine(_root.CreateSubdirectory("state").FullName, "~closed"), "in its place");
        tombstones.Write(1, 1, Noon);
        Assert.Null(tombstones.ClosedAt(1, 1));
    }
}
