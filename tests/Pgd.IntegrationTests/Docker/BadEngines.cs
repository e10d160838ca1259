using System.Net;
using System.Net.Sockets;
using System.Text;
using Pgd.Docker;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>What is wrong with the engine, an image or a port is told, and nothing is left.</summary>
public sealed class BadEngines(BtrfsDocker17 fixture) : IClassFixture<BtrfsDocker17>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public void An_engine_that_is_not_there_is_told_with_what_to_type()
    {
        using var engine = DockerEngine.At("unix:///nonexistent/docker.sock");

        var refusal = engine.Unavailable();

        Assert.Equal((ExitCode.MachineLacks, "there is no Docker engine: /nonexistent/docker.sock does not exist"), (refusal!.ExitCode, refusal.Message));
        Assert.Contains("systemctl start docker", refusal.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void An_engine_on_another_machine_is_refused_with_the_reason()
    {
        using var engine = DockerEngine.At("tcp://127.0.0.1:2375");

        var refused = Assert.Throws<PgdException>(() => engine.Find("anything"));

        Assert.Equal(ExitCode.MachineLacks, refused.ExitCode);
        Assert.Contains("their data is mounted from its disks", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_that_is_too_old_or_says_nothing_useful_is_told()
    {
        Assert.Contains("speaks API 1.24", (await AnswerAsync("""HTTP/1.1 200 OK|Content-Type: application/json|Content-Length: 21||{"ApiVersion":"1.24"}"""))!.Message, StringComparison.Ordinal);
        Assert.Contains("may not use the Docker engine", (await AnswerAsync("HTTP/1.1 403 Forbidden|Content-Length: 0||"))!.Message, StringComparison.Ordinal);
        Assert.Contains("answered 500 to /version: out of order", (await AnswerAsync("""HTTP/1.1 500 Oh|Content-Length: 26||{"message":"out of order"}"""))!.Message, StringComparison.Ordinal);
        Assert.Contains("does not answer", (await AnswerAsync(""))!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_is_nowhere_is_named_and_nothing_is_left()
    {
        var refused = await _shop.RefusedAsync(ExitCode.MachineLacks, () => _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Image = "localhost:1/none:17" }, CancellationToken.None));

        Assert.Contains("the image localhost:1/none:17 is not on this machine and cannot be had", refused.Message, StringComparison.Ordinal);
        Assert.Contains("docker pull localhost:1/none:17", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_without_PostgreSQL_or_with_another_version_is_refused()
    {
        var image = Lab.Current.Docker.Image(17);
        // The same without its programs on the path.
        var container = LabCommand.Run("docker", "create", image).Trim();
        LabCommand.Run("docker", "commit", "--change", "ENV PATH=/usr/bin:/bin", container, "pgd-test:empty");
        LabCommand.Run("docker", "rm", container);

        var without = await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Image = "pgd-test:empty" }, CancellationToken.None));
        var older = await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Image = image, PostgresMajor = 15 }, CancellationToken.None));

        Assert.Contains("the image pgd-test:empty has no PostgreSQL server", without.Message, StringComparison.Ordinal);
        Assert.Contains($"the image {image} has PostgreSQL 17, not 15", older.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_somebody_else_takes_is_not_used_and_a_branch_that_has_it_says_so()
    {
        var branch = await _shop.CreateAsync("first");
        using (var stranger = new TcpListener(IPAddress.Loopback, branch.Port + 1))
        {
            stranger.Start();
            Assert.NotEqual(branch.Port + 1, (await _shop.CreateAsync("second")).Port);
        }

        await _shop.StopAsync("first");
        using (var stranger = new TcpListener(IPAddress.Loopback, branch.Port))
        {
            stranger.Start();
            var before = _shop.Take();
            var taken = await Assert.ThrowsAsync<PgdException>(() => _shop.StartAsync("first"));
            Assert.Contains(branch.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), taken.Message, StringComparison.Ordinal);
            Assert.Empty(_shop.Since(before));
        }

        await _shop.StartAsync("first");
        await _shop.DeleteAsync("first", "second");
    }

    [Fact]
    public async Task A_container_of_another_that_has_a_branchs_name_is_left_alone()
    {
        var branch = await _shop.CreateAsync("named");
        await _shop.StopAsync("named");
        var name = $"pgd-{branch.Id}-g1";
        LabCommand.Run("docker", "create", "--name", name, Lab.Current.Docker.Image(17));

        var refused = await Assert.ThrowsAsync<PgdException>(() => _shop.StartAsync("named"));

        Assert.Equal((ExitCode.Exists, $"there is a container {name} already"), (refused.ExitCode, refused.Message));
        Assert.Contains(name, LabCommand.Run("docker", "ps", "--all", "--format", "{{.Names}}"), StringComparison.Ordinal);
        LabCommand.Run("docker", "rm", name);
        await _shop.DeleteAsync("named");
    }

    [Fact]
    public async Task What_a_killed_process_left_in_the_engine_is_removed_by_the_doctor_and_nothing_else()
    {
        var branch = await _shop.CreateAsync("kept");
        await _shop.StopAsync("kept");
        var before = _shop.Take();
        foreach (var labels in (string[][])[["pgd.id=0123456789ab"], [$"pgd.id={branch.Id}"], ["pgd.maker=999999999"], [$"pgd.maker={Environment.ProcessId}"]])
            LabCommand.Run("docker", ["create", "--label", $"pgd.root={_shop.Root}", .. labels.SelectMany(label => (string[])["--label", label]), "--name", $"pgd-test-{labels[0].Split('=')[0][4..]}-{labels[0].Split('=')[1]}", Lab.Current.Docker.Image(17)]);

        var planned = await _shop.Workspace.Doctor.FixAsync(dryRun: true, CancellationToken.None);
        var done = await _shop.Workspace.Doctor.FixAsync(dryRun: false, CancellationToken.None);

        Assert.Equal(["pgd-test-id-0123456789ab", "pgd-test-maker-999999999"], done.Select(repair => repair.Subject).Order());
        Assert.Equal(planned, done);
        Assert.Equal([$"+ container pgd-test-id-{branch.Id} created", $"+ container pgd-test-maker-{Environment.ProcessId} created"], _shop.Since(before).Order());
        LabCommand.Run("docker", "rm", $"pgd-test-id-{branch.Id}", $"pgd-test-maker-{Environment.ProcessId}");
        await _shop.DeleteAsync("kept");
    }

    // An engine that gives one answer, whatever it is asked.
    private static async Task<PgdException?> AnswerAsync(string answer)
    {
        var path = Path.Combine(Path.GetTempPath(), $"pgd-engine-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        try
        {
            using var end = new CancellationTokenSource();
            var serving = Task.Run(async () =>
            {
                // Who gets no answer may ask again.
                while (true)
                {
                    using var connection = await listener.AcceptAsync(end.Token);
                    await connection.ReceiveAsync(new byte[4096]);
                    await connection.SendAsync(Encoding.ASCII.GetBytes(answer.Replace("|", "\r\n", StringComparison.Ordinal)));
                }
            });
            using var engine = DockerEngine.At($"unix://{path}");
            var refusal = engine.Unavailable();
            await end.CancelAsync();
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return refusal;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
