using Pgd.Docker;
using Xunit;

namespace Pgd.Tests.Postgres;

public sealed class OwnContainers
{
    private const string Id = "6939f6f9036ba1c36e767982123eb9d0ee681cef940d4829b35b6739718602a8";

    [Fact]
    public void A_containers_id_is_told_by_what_its_engine_laid_into_it() => Assert.Equal(Id, OwnContainer.Find(
    [
        "1 0 0:60 / / rw - overlay overlay rw",
        $"2 1 254:1 /var/lib/docker/containers/{Id}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw",
    ]));

    [Theory]
    [InlineData($"2 1 0:61 / /var/lib/docker/containers/{Id}/mounts/shm rw - tmpfs shm rw")]
    [InlineData("2 1 254:1 /resolv.conf /etc/resolv.conf rw - ext4 /dev/vda1 rw")]
    public void Who_sees_the_containers_of_others_is_in_none(string line) => Assert.Null(OwnContainer.Find([line, ""]));
}
