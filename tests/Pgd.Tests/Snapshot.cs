using System.Runtime.CompilerServices;
using Xunit;

namespace Pgd.Tests;

/// <summary>
/// What people read is kept beside its test, in <c>Class.Method.verified.txt</c>. A test that reads otherwise writes
/// <c>Class.Method.received.txt</c> and fails; to accept the new text, rename it.
/// </summary>
internal static class Snapshot
{
    public static void Match(string text, [CallerFilePath] string file = "", [CallerMemberName] string method = "")
    {
        var name = Path.Combine(FolderOf(file), $"{Path.GetFileNameWithoutExtension(file)}.{method}");
        var verified = name + ".verified.txt";
        var received = name + ".received.txt";
        text = text.ReplaceLineEndings("\n");
        var expected = File.Exists(verified) ? File.ReadAllText(verified).ReplaceLineEndings("\n") : null;
        if (text == expected)
        {
            File.Delete(received);
            return;
        }

        File.WriteAllText(received, text);
        if (expected is null)
            Assert.Fail($"There is no {Path.GetFileName(verified)} yet. To accept the text: mv {Path.GetFileName(received)} {Path.GetFileName(verified)}");
        Assert.Equal(expected, text);
    }

    // A compiler that is told to forget where it ran writes another path than this machine's.
    private static string FolderOf(string file)
    {
        var folder = Path.GetDirectoryName(file)!;
        if (Directory.Exists(folder))
            return folder;
        var top = new DirectoryInfo(AppContext.BaseDirectory);
        while (top is not null && !File.Exists(Path.Combine(top.FullName, "Pgd.sln")))
            top = top.Parent;
        var inside = file.Replace('\\', '/');
        return Path.Combine(top!.FullName, Path.GetDirectoryName(inside[inside.IndexOf("tests/Pgd.Tests/", StringComparison.Ordinal)..])!);
    }
}
