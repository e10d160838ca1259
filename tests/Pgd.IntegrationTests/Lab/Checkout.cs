namespace Pgd.IntegrationTests;

/// <summary>The working copy that these tests were built from.</summary>
public static class Checkout
{
    /// <summary>Its top folder.</summary>
    public static string Folder { get; } = Find();

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Pgd.sln")))
                return folder;
        }

        throw new InvalidOperationException($"{AppContext.BaseDirectory} is not inside a checkout.");
    }
}
