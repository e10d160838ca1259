using Pgd.Linux;
using Xunit;

namespace Pgd.Tests.Linux;

/// <summary>Folders and links are found without a question to any file.</summary>
public sealed class FolderListingTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("pgd-listing-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>Also in folders inside, and never behind a link.</summary>
    [Fact]
    public void Folders_and_links_are_told_and_what_a_link_leads_to_is_not()
    {
        Directory.CreateDirectory($"{_root}/base/1");
        Directory.CreateDirectory($"{_root}/.hidden");
        File.WriteAllText($"{_root}/base/1/1259", "");
        File.WriteAllText($"{_root}/PG_VERSION", "17");
        File.CreateSymbolicLink($"{_root}/base/1/größe", "/nowhere");
        Directory.CreateSymbolicLink($"{_root}/pg_wal", $"{_root}/base");

        var found = FolderListing.FoldersAndLinks(_root, changing: false).Select(e => $"{Path.GetRelativePath(_root, e.Path)}{(e.IsLink ? " ->" : "")}").Order(StringComparer.Ordinal);

        Assert.Equal([".hidden", "base", "base/1", "base/1/größe ->", "pg_wal ->"], found);
    }

    /// <summary>A running server makes and removes folders all the time.</summary>
    [Fact]
    public void A_folder_that_vanishes_is_left_out_where_that_may_happen()
    {
        Directory.CreateDirectory($"{_root}/base/1");

        Assert.Equal([$"{_root}/base", $"{_root}/base/1"], Vanishing(changing: true));
        Directory.CreateDirectory($"{_root}/base/1");
        Assert.Throws<IOException>(() => Vanishing(changing: false));
        Assert.Throws<IOException>(() => FolderListing.FoldersAndLinks($"{_root}/none", changing: true).ToList());
    }

    private List<string> Vanishing(bool changing)
    {
        var found = new List<string>();
        foreach (var entry in FolderListing.FoldersAndLinks(_root, changing))
        {
            found.Add(entry.Path);
            if (entry.Path == $"{_root}/base/1")
                Directory.Delete(entry.Path);
        }

        return found;
    }
}
