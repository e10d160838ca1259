using System.Diagnostics;
using System.Security.Cryptography;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The npm packages of <c>tests/node</c>: GitHub's payloads, API description and parsers, and Prism.</summary>
internal static class NodePackages
{
    private static readonly Version OldestNode = new(20, 6);
    private static readonly Lazy<string?> Failure = new(Install);

    /// <summary>The folder of our scripts; the packages are in it.</summary>
    public static string Folder
    {
        get
        {
            Lab.Require(Failure.Value is null, $"The npm packages are not here: {Failure.Value}");
            return Path.Combine(Checkout.Folder, "tests", "node");
        }
    }

    /// <summary>A file of a package.</summary>
    public static string File(string path) => Path.Combine(Folder, "node_modules", path);

    /// <summary>Starts one of our scripts. It ends when its input does, hence no later than the tests.</summary>
    public static Process Start(string script, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo("node")
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            // What newer versions dislike about other people's packages would come between the tests' lines.
            Environment = { ["NODE_NO_WARNINGS"] = "1" },
        };
        start.ArgumentList.Add("--import");
        start.ArgumentList.Add("./lib/json-modules.mjs");
        start.ArgumentList.Add(script);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private static string? Install()
    {
        if (!LabCommand.Exists("node") || !LabCommand.Exists("npm"))
            return "npm is not installed.";
        var version = LabCommand.Try("node", "--version").Output.Trim();
        if (!Version.TryParse(version.TrimStart('v'), out var node) || node < OldestNode)
            return $"Node {OldestNode} is needed, and here is {version}.";
        var folder = Path.Combine(Checkout.Folder, "tests", "node");
        var installed = Path.Combine(folder, "node_modules", ".pgd-installed");
        var wanted = Convert.ToHexString(SHA256.HashData(System.IO.File.ReadAllBytes(Path.Combine(folder, "package-lock.json"))));
        var artifacts = Path.Combine(Checkout.Folder, "artifacts");
        Directory.CreateDirectory(artifacts);
        // Two runs of the tests must not install into one folder at the same time.
        using var oneAtATime = LabFolder.WaitForLock(Path.Combine(artifacts, "node-packages.lock"));
        if (System.IO.File.Exists(installed) && System.IO.File.ReadAllText(installed) == wanted)
            return null;
        var (status, output, error) = LabCommand.Try("npm", "ci", "--prefix", folder);
        if (status != 0)
            return $"{error} {output}".Trim();
        System.IO.File.WriteAllText(installed, wanted);
        return null;
    }
}
