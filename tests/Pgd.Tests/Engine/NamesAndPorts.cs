using FsCheck;
using FsCheck.Fluent;
using Pgd.Postgres;
using Xunit;

namespace Pgd.Tests.Engine;

public sealed class NamesAndPorts
{
    [Theory]
    [InlineData("prod/dev", "prod", "dev")]
    [InlineData("prod/pr-42", "prod", "pr-42")]
    [InlineData("0/1", "0", "1")]
    public void A_name_is_a_project_and_a_branch(string text, string project, string branch)
    {
        var name = BranchName.Parse(text);

        Assert.Equal((project, branch, text), (name.Project, name.Branch, name.ToString()));
        Assert.Equal(BranchName.Of(project, branch), name);
        Assert.True(BranchName.Of("prod", "main").IsMain);
        Assert.False(name.IsMain);
    }

    /// <summary>Scripts and comments know them: they never change.</summary>
    [Theory]
    [InlineData("dev", "dev")]
    [InlineData("pr-42", "pr-42")]
    [InlineData("Dev", "dev-9c24f45a7ea9")]
    [InlineData("feature/new invoice", "feature-new-invoice-42fd32a49557")]
    [InlineData("feature-new-invoice", "feature-new-invoice")]
    [InlineData("main", "main-0d6e4079e367")]
    [InlineData("dev-0123456789ab", "dev-0123456789ab-3fbd299b231b")]
    [InlineData("dependabot/npm_and_yarn/packages/a-very-long-package-name-1.2.3", "dependabot-npm-and-yarn-packages-a-v-00b4e483b674")]
    [InlineData("", "ref-e3b0c44298fc")]
    [InlineData("日本語", "ref-77710aedc74e")]
    public void A_ref_has_a_name_that_never_changes(string reference, string name) => Assert.Equal(name, BranchName.ForRef(reference));

    [Fact]
    public void Names_for_any_refs_are_valid_and_distinct_wherever_they_are_used()
    {
        var count = Environment.GetEnvironmentVariable("PGD_SOAK") is null ? 10_000 : 100_000;
        var random = new Random(20_260_301);
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var reference = RandomRef(random);
            var name = BranchName.ForRef(reference);

            Assert.True(BranchName.IsWellFormed(name), name);
            Assert.NotEqual(BranchName.Main, name);
            Assert.Equal(name, BranchName.ForRef(reference));
            if (!names.TryAdd(name, reference))
                Assert.Equal(names[name], reference);
        }
    }

    [Fact]
    public void Two_branches_never_meet_in_a_file_or_a_lock()
    {
        var layout = new Pgd.State.Layout("/var/lib/pgd");
        string[] parts = ["a", "a-b", "b-c", "c", "b", "a-b-c", "main", "pr-1", "pr", "1"];
        var all = (from project in parts from branch in parts select BranchName.Of(project, branch)).ToList();

        Assert.Equal(all.Count, all.Select(layout.BranchFile).Distinct().Count());
        Assert.Equal(all.Count, all.Select(n => Pgd.State.LockRequest.Branch(n, exclusive: true).Name).Distinct().Count());
    }

    private static string RandomRef(Random random)
    {
        const string likely = "abcdefghijklmnopqrstuvwxyz0123456789-----////___...ABCXYZ";
        var length = random.Next(1, 80);
        return string.Concat(Enumerable.Range(0, length).Select(_ => random.Next(20) == 0 ? char.ConvertFromUtf32(random.Next(0x20, 0xD7FF)) : likely[random.Next(likely.Length)].ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("prod")]
    [InlineData("prod/")]
    [InlineData("/dev")]
    [InlineData("prod/dev/1")]
    [InlineData("prod/../dev")]
    [InlineData("../dev")]
    [InlineData("prod/.")]
    [InlineData("prod/-dev")]
    [InlineData("prod/dev-")]
    [InlineData("--force/dev")]
    [InlineData("prod/Dev")]
    [InlineData("prod/de v")]
    [InlineData("prod/dev\n")]
    [InlineData("prod/dev\0")]
    [InlineData("prod/dév")]
    [InlineData("prod/d'v")]
    [InlineData("prod/d_v")]
    [InlineData("prod/💥")]
    [InlineData("prod/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void What_could_not_stand_as_a_folder_a_host_and_a_database_alike_is_misuse(string text)
    {
        var error = Assert.Throws<PgdException>(() => BranchName.Parse(text));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.NotNull(error.Hint);
        // The message itself is safe to print.
        Assert.DoesNotContain(error.Message, char.IsControl);
    }

    [Fact]
    public void Fifty_characters_are_a_name_and_one_more_are_not()
    {
        Assert.True(BranchName.IsWellFormed(new('a', BranchName.MaximumLength)));
        Assert.False(BranchName.IsWellFormed(new('a', BranchName.MaximumLength + 1)));
        Assert.False(BranchName.IsWellFormed(null));
    }

    [Fact]
    public void Any_text_is_either_refused_as_misuse_or_a_name_that_reads_back_and_stays_in_its_folder() =>
        Prop.ForAll(ArbMap.Default.ArbFor<string?>(), text =>
        {
            try
            {
                var name = BranchName.Parse($"{text}/{text}");
                return BranchName.Parse(name.ToString()) == name && Path.GetFullPath($"/root/{name}") == $"/root/{name}";
            }
            catch (PgdException e)
            {
                return e.ExitCode == ExitCode.Misuse;
            }
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("21000-21999", 21000, 21999)]
    [InlineData("1024-65535", 1024, 65535)]
    [InlineData("5000-5000", 5000, 5000)]
    public void A_range_of_ports_reads_and_writes_the_same(string text, int first, int last)
    {
        var range = PortRange.Parse(text);

        Assert.Equal(new PortRange(first, last), range);
        Assert.Equal(text, range.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("21000")]
    [InlineData("21999-21000")]
    [InlineData("80-90")]
    [InlineData("1024-65536")]
    [InlineData("-5-10")]
    [InlineData("1024-2000-3000")]
    [InlineData("a-b")]
    public void What_is_no_range_of_ports_is_misuse(string text) => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => PortRange.Parse(text)).ExitCode);

    [Theory]
    [InlineData("000000010000000000000001", "000000010000000000000001", 16, "000000010000000000000001")]
    [InlineData("0000000100000000000000FE", "000000010000000100000001", 16, "0000000100000000000000FE 0000000100000000000000FF 000000010000000100000000 000000010000000100000001")]
    [InlineData("0000000A0000000100000003", "0000000A0000000200000000", 1024, "0000000A0000000100000003 0000000A0000000200000000")]
    [InlineData("0000000100000000000003FF", "000000010000000000000400", 1, "0000000100000000000003FF 000000010000000000000400")]
    public void The_segments_of_a_backup_run_from_its_first_to_its_last_over_the_edge_of_a_log(string first, string last, long megabytes, string expected) =>
        Assert.Equal(expected.Split(' '), BackupBracket.Segments(first, last, megabytes << 20));

    [Theory]
    [InlineData("postmaster.pid")]
    [InlineData("backup_label")]
    [InlineData("tablespace_map.old")]
    [InlineData("global/pg_control")]
    [InlineData("pg_wal/000000010000000000000001")]
    [InlineData("pg_wal/archive_status/000000010000000000000001.ready")]
    [InlineData("pg_replslot/standby")]
    [InlineData("pg_replslot/standby/state")]
    [InlineData("pg_stat_tmp/global.stat")]
    [InlineData("base/pgsql_tmp")]
    [InlineData("base/pgsql_tmp/pgsql_tmp1.0")]
    [InlineData("base/pgsql_tmp/pgsql_tmp1.0.sharedfileset/i0of8.p0.0")]
    [InlineData("base/1/pg_internal.init")]
    [InlineData("global/pg_internal.init.123")]
    public void A_copy_of_a_running_server_leaves_out(string path) => Assert.True(DataDirectory.IsLeftOut(path));

    [Theory]
    [InlineData("PG_VERSION")]
    [InlineData("postgresql.auto.conf")]
    [InlineData("pg_wal")]
    [InlineData("pg_wal/archive_status")]
    [InlineData("pg_wal/summaries")]
    [InlineData("pg_replslot")]
    [InlineData("pg_logical/mappings")]
    [InlineData("pg_twophase/00000001")]
    [InlineData("base/1/1259")]
    [InlineData("base/1/backup_label")]
    [InlineData("base/1/t3_16384")]
    [InlineData("global/1262")]
    public void A_copy_of_a_running_server_has(string path) => Assert.False(DataDirectory.IsLeftOut(path));
}
