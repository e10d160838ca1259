using System.Globalization;
using System.Text;
using Xunit;

namespace Pgd.Tests.Docs;

/// <summary>The page of errors is the errors themselves.</summary>
public sealed class TroubleshootingPage
{
    private static readonly IReadOnlyDictionary<ExitCode, (string Title, string Advice)> Groups = new Dictionary<ExitCode, (string, string)>
    {
        [ExitCode.Failed] = ("failed", "Something did not work, and no other code names it. `dotnet pgd doctor` says what is wrong with the machine and the branches; `dotnet pgd branch logs PROJECT/BRANCH` shows the server's own words."),
        [ExitCode.Misuse] = ("wrong arguments or configuration", "Nothing was changed. Correct what is named, and run it again; `--help` has examples."),
        [ExitCode.MachineLacks] = ("the machine lacks something", "A program, a permission or a platform. `dotnet pgd doctor` checks all of them at once."),
        [ExitCode.NotFound] = ("no such thing", "`dotnet pgd project list`, `branch list` and `snapshot list` show what there is. `--if-exists` makes a deletion of nothing fine."),
        [ExitCode.Exists] = ("exists already", "`branch create --ensure` uses what is there."),
        [ExitCode.NoRoom] = ("no room", "Disk, memory, ports, or a limit of the configuration. `dotnet pgd gc` deletes branches whose time is up, `dotnet pgd snapshot cleanup` old snapshots."),
        [ExitCode.Unsafe] = ("refused, because it would be unsafe", "Nothing was changed. The message says what would be lost or spoiled."),
        [ExitCode.MigrationFailed] = ("a migration failed", "The branch itself is fine: look at it with `dotnet pgd branch psql PROJECT/BRANCH`."),
        [ExitCode.BudgetExceeded] = ("over the limit", "What was measured is more than what was allowed. Nothing is half-done."),
        [ExitCode.Locked] = ("locked by another operation", "`--wait-lock 10m` waits longer. Locks are the operating system's: they end with the process that holds them, so none is ever left over."),
        [ExitCode.Partial] = ("done in part", "What is left is named. Correct what hindered it, and run the same again."),
        [ExitCode.Interrupted] = ("interrupted", "What was begun was taken back, or nothing was."),
    };

    [Fact]
    public void Troubleshooting_is_what_the_source_says()
    {
        var (file, text) = (Path.Combine(Top(), "docs", "troubleshooting.md"), Page(ErrorMessages.In(Path.Combine(Top(), "src"))));
        if (Environment.GetEnvironmentVariable("PGD_UPDATE_DOCS") is { Length: > 0 })
            File.WriteAllText(file, text);

        Assert.True(File.Exists(file) && File.ReadAllText(file).ReplaceLineEndings("\n") == text, "docs/troubleshooting.md is not what the source says any more. Write it anew: ./build.sh docs --update");
    }

    [Fact]
    public void Each_way_to_make_an_error_is_read()
    {
        const string source = """
            class C
            {
                const string Again = "Run it again.";
                void M(BranchName parentName, Exception e, bool one, string[] names)
                {
                    throw new PgdException(ExitCode.NotFound, $"there is no branch {parentName}", $"Make it: dotnet pgd branch create {request.Name}");
                    throw new PgdException(ExitCode.Unsafe, $"{string.Join(", ", names)} {(one ? "was" : "were")} made from it" + Again, one ? "Do this." : null, e);
                    throw new PgdException(e.ExitCode, $"{parentName}: {e.Message}", e.Hint, e);
                    throw Wrong("file {x}", "it is empty");
                    throw Wrong("link", one ? "it is a link" : "it is a folder", hint: Again);
                    throw new InvalidOperationException("no");
                }

                private static PgdException Wrong(string what, string fault, string? hint = null) => new(ExitCode.Misuse, $"the {what} cannot be used: {fault}", hint);
            }
            """;

        Assert.Equal(
        [
            new(ExitCode.Misuse, "the file {x} cannot be used: it is empty", null),
            new(ExitCode.Misuse, "the link cannot be used: it is a folder", "Run it again."),
            new(ExitCode.NotFound, "there is no branch PARENT", "Make it: dotnet pgd branch create REQUEST"),
            new(ExitCode.Unsafe, "NAMES were made from itRun it again.", null),
            new(ExitCode.Unsafe, "NAMES were made from itRun it again.", "Do this."),
        ], ErrorMessages.In([source]));
    }

    private static string Page(IReadOnlyList<ErrorMessage> errors)
    {
        Assert.Empty(errors.Select(e => e.ExitCode).Except(Groups.Keys));
        var page = new StringBuilder("""
            <!-- Written by ./build.sh docs --update from the errors in the source; a test compares. Change them there. -->
            # Troubleshooting

            An error says what happened to what, and the hint below it what to type next. The command ends with the error's code; with `--json` the
            same is an object on standard error. These are the errors that pgd makes itself, by code. Capitals and … stand for what varies. Where to
            begin if nothing here fits: `dotnet pgd doctor`. `PGD_DEBUG=1` adds where an error came from.

            """.ReplaceLineEndings("\n"));
        foreach (var group in errors.GroupBy(e => e.ExitCode))
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {(int)group.Key}: {Groups[group.Key].Title}\n\n{Groups[group.Key].Advice}\n\n");
            // The same message with several hints is one error.
            foreach (var error in group.GroupBy(e => e.Message))
            {
                page.Append(CultureInfo.InvariantCulture, $"- {Code(error.Key)}\n");
                foreach (var hint in error.Select(e => e.Hint).OfType<string>())
                    page.Append(CultureInfo.InvariantCulture, $"  - → {Code(hint)}\n");
            }
        }

        return page.ToString();
    }

    private static string Code(string text) => text.Contains('`', StringComparison.Ordinal) ? $"`` {text} ``" : $"`{text}`";

    internal static string Top()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Pgd.sln")))
            folder = folder.Parent!;
        return folder.FullName;
    }
}
