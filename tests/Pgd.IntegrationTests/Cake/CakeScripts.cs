using System.Diagnostics;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Cake;

/// <summary>Cake itself runs scripts with the packed addin: as the README says, and from a folder.</summary>
public sealed class CakeScripts(CakeScripts.PackedAddin addin) : IClassFixture<CakeScripts.PackedAddin>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_line_of_the_README_loads_the_addin_and_a_build_makes_migrates_reports_and_deletes()
    {
        // That very line, with the version that was packed.
        var line = Regex.Match(await File.ReadAllTextAsync(Path.Combine(Checkout.Folder, "README.md")), "^#addin nuget:\\?package=Cake\\.Pgd&version=.*$", RegexOptions.Multiline).Value;
        Assert.NotEmpty(line);
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("db/1.sql", "set lock_timeout = '3s';\nalter table orders add column flag text;\ncreate index on orders (flag);\n");

        var (status, output) = Cake(root, Regex.Replace(line, "version=[^&]*", $"version={addin.Version}"), """
            PgdBranchEnsure("shop/kept");
            PgdBranchReset("shop/kept");
            PgdSnapshotCreate("shop/kept", "before");
            Information("snapshots: {0}", PgdSnapshotList("shop").Count);
            PgdSnapshotDelete("shop/kept@before");
            PgdWithBranch("shop/build", db =>
            {
                var report = PgdMigrate(db.Name, new PgdMigrateSettings { Files = "db/*.sql", Role = "postgres", Report = "first" });
                PgdMigrationReport(report, "second");
                Information("{0}: {1} statements, {2}", db.Name, report.Trace.Statements.Count, report.Findings[0].Rule);
                Information("branches: {0}, {1}", PgdBranchList("shop").Count, PgdBranchGet(db.Name).Status);
                Information("a connection: {0}", PgdBranchUrl(db.Name));
            });
            PgdBranchDelete("shop/kept");
            Information("projects: {0}, {1}", PgdProjectList().Count, PgdProjectGet("shop").Storage);
            """);

        Assert.True(status == 0, output);
        foreach (var told in (string[])["snapshots: 1", "shop/build: 3 statements, index-not-concurrent", "branches: 3, Running", "projects: 1, reflink", "The migration ran in "])
            Assert.Contains(told, output, StringComparison.Ordinal);
        Assert.False(output.Contains("Could not load", StringComparison.Ordinal), output);
        Assert.Matches("a connection: postgresql://[a-z]+:\\*+@", output);
        Assert.True(File.Exists(Path.Combine(_folder.Path, "first", "report.html")));
        Assert.True(File.Exists(Path.Combine(_folder.Path, "second", "report.json")));
        Assert.Equal(before, root.SteadyListing());
    }

    [Fact]
    public async Task What_fails_in_the_middle_fails_the_build_with_our_status_and_leaves_nothing()
    {
        (string Work, int? Status, string Told)[] failures =
        [
            ("throw new Exception(\"in the middle\");", null, "in the middle"),
            ("PgdMigrate(db.Name, new PgdMigrateSettings { Command = \"exit 3\" });", 8, "ended with exit status 3"),
            ("PgdMigrate(db.Name, new PgdMigrateSettings { Files = \"db/*.sql\", Role = \"postgres\", Budget = new MigrationBudget { Deny = new[] { \"drop-column\" } } });", 9, "over 1 budget"),
            ("PgdMigrate(db.Name, new PgdMigrateSettings { });", 2, "PgdMigrateSettings says neither Command nor Files"),
            ("PgdMigrate(db.Name, new PgdMigrateSettings { Files = \"db/*.sql\", Rerun = true });", 2, "PgdMigrateSettings.Rerun is about a Command"),
            ("PgdBranchCreate(\"shop/nowhere\", new PgdBranchSettings { From = \"missing\" });", 4, "shop/missing"),
        ];
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("db/1.sql", "alter table orders drop column note;\n");

        // Referenced as a file, with what it needs beside it.
        var (status, output) = Cake(root, AsFiles, $$"""
            Exception failure = null;
            {{string.Concat(failures.Select((failure, i) => $$"""
                try
                {
                    PgdWithBranch("shop/build", db =>
                    {
                        {{failure.Work}}
                    });
                }
                catch (Exception e)
                {
                    Information("{{i}} ended with {0}: {1}", (e as CakeException)?.ExitCode, e.Message);
                    failure = e;
                }

                """))}}
            throw failure;
            """);

        // Cake itself ends with 1 whatever a task throws.
        Assert.True(status == 1, output);
        foreach (var (i, failure) in failures.Index())
        {
            var line = Assert.Single(output.Split('\n'), line => line.StartsWith($"{i} ended with ", StringComparison.Ordinal));
            Assert.StartsWith($"{i} ended with {failure.Status?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "[NULL]"}: ", line, StringComparison.Ordinal);
            Assert.Contains(failure.Told, output[output.IndexOf(line, StringComparison.Ordinal)..], StringComparison.Ordinal);
        }

        Assert.Equal(before, root.SteadyListing());
    }

    [Fact]
    public async Task A_pull_request_gets_its_branch_its_comment_and_its_teardown_and_a_wrong_setting_is_named()
    {
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("pgd.yml", "project: shop\nrole: postgres\nmigrations:\n  files: db/*.sql\n  ledger: public.ledger\nbudget:\n  deny: [drop-column]\n");
        _folder.Write("db/1.sql", "alter table orders drop column note;\n");

        var (status, output) = Cake(root, AsFiles, """
            var about = new PgdPullRequestSettings { Repository = "octo/shop", Number = 42, CommentFile = "comment.md", Results = "out", FailsBuild = false };
            var up = PgdPullRequestUp(about);
            Information("{0}: {1}, {2}, exceeds {3}", up.Branch, up.Outcome, up.ExitCode, up.Exceeded[0].Name);
            void Refused(Action work)
            {
                try { work(); } catch (CakeException e) { Information("{0}: {1}", e.ExitCode, e.Message); }
            }
            Refused(() => PgdPullRequestUp(about with { FailsBuild = true }));
            Refused(() => PgdPullRequestUp(about with { Number = 0 }));
            Refused(() => PgdPullRequestUp(about with { Number = null }));
            Information("deleted: {0}", PgdPullRequestDown(about with { CommentFile = null }).Deleted[0]);
            Information("swept: {0}", PgdPullRequestSweep(about with { CommentFile = null }).Deleted.Count);
            System.Environment.SetEnvironmentVariable("GITHUB_ACTIONS", "true");
            Refused(() => PgdPullRequestUp(about));
            """);

        Assert.True(status == 0, output);
        foreach (var told in (string[])["shop/pr-42: Created, BudgetExceeded, exceeds deny", "9: ", "2: PgdPullRequestSettings.Number is 0", "2: it is not said which pull request this is about", "deleted: shop/pr-42", "swept: 0",
            "2: PgdPullRequestSettings.Repository is for where GitHub does not say it"])
            Assert.Contains(told, output, StringComparison.Ordinal);
        Assert.Contains("over 1 budget", File.ReadAllText(Path.Combine(_folder.Path, "comment.md")), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(_folder.Path, "out/pgd-migration-shop-pr-42/report.html")));
        Assert.Equal(before, root.SteadyListing());
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task A_build_that_is_interrupted_takes_its_branch_with_it(string signal, int expected)
    {
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        var reached = Path.Combine(_folder.Path, "reached");
        Prepare(AsFiles, $$"""
            PgdWithBranch("shop/build", db =>
            {
                System.IO.File.WriteAllText("{{reached}}", db.Name);
                System.Threading.Thread.Sleep(System.TimeSpan.FromMinutes(5));
            });
            """);

        // As from a terminal: the signal is for all that was started.
        using var build = Process.Start(new ProcessStartInfo("setsid", Command(root)) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (build.StandardOutput.ReadToEndAsync(), build.StandardError.ReadToEndAsync());
        await Until.TrueAsync(() => File.Exists(reached) || build.HasExited, "the build has its branch");
        LabCommand.Run("kill", "-s", signal, "--", $"-{build.Id}");
        await build.WaitForExitAsync();

        Assert.True(build.ExitCode == expected, $"{build.ExitCode}: {await output}{await error}");
        Assert.Equal(before, root.SteadyListing());
    }

    internal static string AsFiles => $"#r \"{Path.Combine(Checkout.Folder, "artifacts/bin/Pgd.Cake/release/Cake.Pgd.dll")}\"\n#r \"{Path.Combine(Checkout.Folder, "artifacts/bin/Pgd.Cake/release/Pgd.dll")}\"";

    private (int Status, string Output) Cake(ToolRoot root, string preamble, string script)
    {
        Prepare(preamble, script);
        var command = Command(root);
        var (status, output, error) = LabCommand.Try(command[0], command[1..]);
        PasswordScan.Refuse("what a build prints", output + error);
        return (status, Regex.Replace(output + error, "\u001b\\[[0-9;]*m", ""));
    }

    private string[] Command(ToolRoot root) => ["env", $"--chdir={_folder.Path}", .. root.Variables.Select(v => $"{v.Key}={v.Value}"), "dotnet", "cake"];

    private void Prepare(string preamble, string script)
    {
        _folder.Write(".config/dotnet-tools.json", File.ReadAllText(Path.Combine(Checkout.Folder, ".config", "dotnet-tools.json")));
        _folder.Write("nuget.config", $"<configuration><packageSources><clear /><add key=\"packed\" value=\"{addin.Feed}\" /></packageSources></configuration>");
        _folder.Write("build.cake", $"{preamble}\n\nTask(\"Default\").Does(() =>\n{{\n{script}\n}});\nRunTarget(\"Default\");\n");
    }

    /// <summary>The addin's package in a feed of its own.</summary>
    public sealed class PackedAddin : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        /// <summary>Packs it.</summary>
        public PackedAddin()
        {
            LabCommand.Run("dotnet", "pack", Path.Combine(Checkout.Folder, "src", "Pgd.Cake"), "--configuration", "Release", "--no-build", "-p:BuildProjectReferences=false", "--output", Feed, "-nologo", "-v", "quiet");
            Version = Path.GetFileNameWithoutExtension(Directory.GetFiles(Feed).Single())["Cake.Pgd.".Length..];
        }

        /// <summary>Where it is.</summary>
        public string Feed => Path.Combine(_folder.Path, "feed");

        /// <summary>Its version.</summary>
        public string Version { get; }

        /// <inheritdoc/>
        public void Dispose() => _folder.Dispose();
    }
}
