using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The stand-in with Prism in front of it. Every test has repositories of its own there.</summary>
public sealed class GitHubFixture : IAsyncLifetime
{
    private static long _lastId = 186_853_002;
    private Prism? _prism;
    private FakeGitHub? _fake;

    internal FakeGitHub Fake => _fake!;

    internal Prism Prism => _prism!;

    /// <summary>A repository that no other test knows.</summary>
    internal FakeRepository NewRepository(string owner = "octo-org")
    {
        var id = Interlocked.Increment(ref _lastId);
        return Fake.AddRepository($"{owner}/shop-{id}", id);
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _fake = await FakeGitHub.StartAsync();
        _prism = await Prism.StartAsync(_fake.Address);
        _fake.PublicAddress = _prism.Address;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_prism is not null)
            await _prism.DisposeAsync();
        if (_fake is not null)
            await _fake.DisposeAsync();
    }
}
