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
