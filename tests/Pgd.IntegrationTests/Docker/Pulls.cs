using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>An image that this machine does not have is fetched from its registry.</summary>
public sealed class Pulls
{
    [Fact]
    public async Task An_image_is_pulled_with_its_progress_and_kept_by_its_digest()
    {
        const int noise = 16 << 20;
        // A layer that the engine does not have, or there would be nothing to fetch.
        var image = Lab.Current.Docker.Variant(17, "pulled", $"head --bytes={noise} /dev/urandom >/var/tmp/noise");
        await using var registry = await LoopbackRegistry.StartAsync(image);
        LabCommand.Run("docker", "image", "rm", image);
        var heard = new Progressing();
        var workspace = new Workspace(new() { Root = Lab.Current.FileSystem("btrfs").NewRoot(), PortRange = Shop.NewPorts() }, heard);
        try
        {
            var before = Inventory.Take(workspace.Root);

            await workspace.Projects.CreateAsync(new() { Name = "shop", Image = registry.Reference }, CancellationToken.None);

            Assert.Contains($"pulling {registry.Reference}", heard.Steps);
            var (done, total) = heard.Last($"pulling {registry.Reference}");
            Assert.InRange(total, noise, long.MaxValue);
            Assert.InRange(done, noise / 2, total);
            Assert.Equal((long)100, 100 * heard.Last($"unpacking {registry.Reference}").Done / heard.Last($"unpacking {registry.Reference}").Total);
            var kept = workspace.State.RequireProject("shop").Image!;
            Assert.Equal((registry.Reference, LabCommand.Run("docker", "image", "inspect", "--format", "{{.Id}}", registry.Reference).Trim()), (kept.Reference, kept.Id));

            // What the tag comes to mean later does not matter, and without the image nothing is lost.
            await workspace.Branches.StopAsync(Shop.Main, CancellationToken.None);
            LabCommand.Run("docker", "image", "rm", registry.Reference);
            var gone = await Assert.ThrowsAsync<PgdException>(() => workspace.Branches.StartAsync(Shop.Main, CancellationToken.None));
            Assert.Equal(ExitCode.MachineLacks, gone.ExitCode);
            Assert.StartsWith($"the image {registry.Reference} ({kept.Id}) is gone from this machine", gone.Message, StringComparison.Ordinal);
            Assert.Contains($"docker pull {registry.Reference[..^3]}@sha256:", gone.Hint, StringComparison.Ordinal);
            LabCommand.Run("docker", "pull", registry.Reference);
            await workspace.Branches.StartAsync(Shop.Main, CancellationToken.None);

            await workspace.Projects.DeleteAsync("shop", force: false, CancellationToken.None);
            Assert.DoesNotContain(Inventory.Difference(before, Inventory.Take(workspace.Root)), line => line.StartsWith("+ container", StringComparison.Ordinal));
        }
        finally
        {
            LabCommand.Try("docker", "image", "rm", registry.Reference);
        }
    }

    private sealed class Progressing : IReporter
    {
        private readonly Dictionary<string, (long Done, long Total)> _last = [];

        public List<string> Steps { get; } = [];

        public (long Done, long Total) Last(string text) => _last[text];

        public void Step(string text) => Steps.Add(text);

        public void Progress(string text, long done, long total)
        {
            // A bar that goes back tells nothing.
            Assert.InRange(done, _last.GetValueOrDefault(text).Done, total);
            _last[text] = (done, total);
        }

        public void Warn(string text)
        {
        }
    }
}
