using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>One project for all tests of a class: making it takes longer than any of them. They leave <c>main</c> as it was.</summary>
public abstract class ShopFixture(string storage, string fileSystem, int major, string runtime = "native") : IAsyncLifetime
{
    private Shop? _shop;

    /// <summary>The project.</summary>
    public Shop Shop => _shop ?? throw new InvalidOperationException("The fixture has not been initialized.");

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _shop = await Shop.OpenAsync(storage, fileSystem, major, runtime);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_shop is not null)
            await _shop.DisposeAsync();
    }
}

/// <summary>btrfs, PostgreSQL 15.</summary>
public sealed class Btrfs15() : ShopFixture("btrfs", "btrfs", 15);

/// <summary>btrfs, PostgreSQL 17.</summary>
public sealed class Btrfs17() : ShopFixture("btrfs", "btrfs", 17);

/// <summary>btrfs, PostgreSQL 18.</summary>
public sealed class Btrfs18() : ShopFixture("btrfs", "btrfs", 18);

/// <summary>XFS, PostgreSQL 15.</summary>
public sealed class Reflink15() : ShopFixture("reflink", "xfs", 15);

/// <summary>XFS, PostgreSQL 17.</summary>
public sealed class Reflink17() : ShopFixture("reflink", "xfs", 17);

/// <summary>XFS, PostgreSQL 18.</summary>
public sealed class Reflink18() : ShopFixture("reflink", "xfs", 18);

/// <summary>ext4, PostgreSQL 15.</summary>
public sealed class Copy15() : ShopFixture("copy", "ext4", 15);

/// <summary>ext4, PostgreSQL 17.</summary>
public sealed class Copy17() : ShopFixture("copy", "ext4", 17);

/// <summary>ext4, PostgreSQL 18.</summary>
public sealed class Copy18() : ShopFixture("copy", "ext4", 18);

/// <summary>ZFS, PostgreSQL 15.</summary>
public sealed class Zfs15() : ShopFixture("zfs", "zfs", 15);

/// <summary>ZFS, PostgreSQL 17 in containers.</summary>
public sealed class ZfsDocker17() : ShopFixture("zfs", "zfs", 17, "docker");

/// <summary>btrfs, PostgreSQL 17 in containers.</summary>
public sealed class BtrfsDocker17() : ShopFixture("btrfs", "btrfs", 17, "docker");

/// <summary>btrfs, PostgreSQL 15 in containers.</summary>
public sealed class BtrfsDocker15() : ShopFixture("btrfs", "btrfs", 15, "docker");

/// <summary>XFS, PostgreSQL 17 in containers.</summary>
public sealed class ReflinkDocker17() : ShopFixture("reflink", "xfs", 17, "docker");

/// <summary>ext4, PostgreSQL 17 in containers.</summary>
public sealed class CopyDocker17() : ShopFixture("copy", "ext4", 17, "docker");
