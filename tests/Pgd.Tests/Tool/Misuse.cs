using Xunit;

namespace Pgd.Tests.Tool;

public sealed class Misuse
{
    [Theory]
    [InlineData("brnch list", "unknown command \"brnch\" for \"pgd\"", "Did you mean \"branch\"?")]
    [InlineData("branch lst", "unknown command \"lst\" for \"pgd branch\"", "Did you mean \"list\"?")]
    [InlineData("branch xyzzy", "unknown command \"xyzzy\" for \"pgd branch\"", "See: dotnet pgd branch --help")]
    [InlineData("branch list --jsno", "unknown option --jsno for \"pgd branch list\"", "Did you mean \"--json\"?")]
    [InlineData("branch create prod/dev --tll=5m", "unknown option --tll for \"pgd branch create\"", "Did you mean \"--ttl\"?")]
    [InlineData("--jsno", "unknown option --jsno for \"pgd\"", "Did you mean \"--json\"?")]
    [InlineData("branch delete --froce prod/dev", "unknown option --froce for \"pgd branch delete\"", "See: dotnet pgd branch delete --help")]
    [InlineData("branch create", "PROJECT/BRANCH is missing for \"pgd branch create\"", "See: dotnet pgd branch create --help")]
    [InlineData("branch exec prod/dev", "COMMAND is missing for \"pgd branch exec\"", "See: dotnet pgd branch exec --help")]
    [InlineData("branch exec prod/dev make -j4", "unknown option -j4 for \"pgd branch exec\"", "Put -- before what is meant for the other program.")]
    [InlineData("branch get prod/dev extra", "unexpected argument \"extra\" for \"pgd branch get\"", "See: dotnet pgd branch get --help")]
    [InlineData("branch get prod/dev -- --json", "unexpected argument \"--json\" for \"pgd branch get\"", "See: dotnet pgd branch get --help")]
    [InlineData("branch url prod/dev --format odbc", "--format cannot be \"odbc\": it is one of libpq, npgsql, jdbc, env, dotenv", "See: dotnet pgd branch url --help")]
    [InlineData("branch create prod/dev --ttl", "required argument missing for option: '--ttl'", "See: dotnet pgd branch create --help")]
    [InlineData("branch create prod/dev --ttl 5x", "\"5x\" is not a duration", "Write a number and a unit (s, m, h, d, w), for example 30m, 12h or 7d; never or 0 for none.")]
    [InlineData("branch create prod/dev --label owner", "\"owner\" is not a label", "Write it as KEY=VALUE, for example --label owner=ada.")]
    [InlineData("branch create prod/dev --from other/main", "prod/dev cannot be made from other/main: they belong to different projects", "Choose a branch of prod: dotnet pgd branch list prod")]
    [InlineData("branch create prod/dev --anonymize gone.sql", "there is no file gone.sql", "Check the path given with --anonymize.")]
    [InlineData("branch create dev", "\"dev\" is not the name of a branch", "Write it as PROJECT/BRANCH, for example prod/dev.")]
    [InlineData("branch list prod/dev", "\"prod/dev\" cannot be the name of a project: it has the character '/'", "Use 1 to 50 lower-case letters, digits and inner hyphens, for example pr-42.")]
    [InlineData("branch logs prod/dev --lines many", "\"many\" is not a number of lines", "Write a whole number, for example --lines 20.")]
    [InlineData("project create prod --pg-version new", "\"new\" is not a major version of PostgreSQL", "Write a whole number, for example --pg-version 17.")]
    [InlineData("project create prod --port-range 80-90", "\"80-90\" is not a range of ports", "Write it as FIRST-LAST between 1024 and 65535, for example 21000-21999.")]
    [InlineData("snapshot cleanup --days 3", "it is not said whose snapshots to clean up", "Name a project or a branch, or write --all.")]
    [InlineData("snapshot cleanup prod --all --days 3", "--all and prod do not go together", "Name a project or a branch, or write --all.")]
    [InlineData("snapshot cleanup prod", "it is not said which snapshots stay", "Write one of them, for example --days 30 or --keep last=3,daily=7.")]
    [InlineData("snapshot cleanup prod --days 3 --keep last=1", "--days and --keep do not go together", "Write one of them, for example --days 30 or --keep last=3,daily=7.")]
    [InlineData("snapshot cleanup prod --days few", "\"few\" is not a number of days", "Write a whole number, for example --days 30.")]
    [InlineData("snapshot cleanup prod --days 0", "snapshots cannot be kept for 0 days", "Write a number from 1 to 36500.")]
    [InlineData("snapshot cleanup prod --keep last=0", "\"last=0\" does not say how many to keep", "Write a number from 1 to 36500, or leave the rule out.")]
    [InlineData("snapshot run prod", "\"prod\" is not the name of a branch", "Write it as PROJECT/BRANCH, for example prod/dev.")]
    [InlineData("setup --undo --schedule hourly", "--undo goes with --dry-run and --root only: what is to be removed was noted", "Write: sudo dotnet pgd setup --undo")]
    [InlineData("setup --undo --data-dir /srv/pg --loop 20G", "--loop does not go with --data-dir and --undo: what is to be removed was noted", "Leave out --loop.")]
    [InlineData("setup --data-dir /srv/pg --filesystem xfs --loop 20G --schedule daily", "--schedule does not go with --data-dir", "Leave out --schedule.")]
    [InlineData("setup --device /dev/sdb", "--device goes with --data-dir", "Write, for example: sudo dotnet pgd setup --data-dir /srv/pg --filesystem btrfs --loop 20G")]
    [InlineData("setup --data-dir /srv/pg --loop 20G", "it is not said which file system /srv/pg is to be on", "Choose one with --filesystem: btrfs, xfs or zfs.")]
    [InlineData("setup --data-dir /srv/pg --filesystem ext4 --loop 20G", "--filesystem cannot be \"ext4\": it is one of btrfs, xfs, zfs", "See: dotnet pgd setup --help")]
    [InlineData("setup --data-dir /srv/pg/ --filesystem xfs", "it is not said where the file system of /srv/pg is to be", "Name an empty device (--device /dev/sdb), or say how large a file beside the directory may become (--loop 20G).")]
    [InlineData("setup --data-dir /srv/pg --filesystem xfs --loop 20G --device /dev/sdb", "it is not said where the file system of /srv/pg is to be: on a device or in a file, not both", "Name an empty device (--device /dev/sdb), or say how large a file beside the directory may become (--loop 20G).")]
    [InlineData("setup --data-dir /srv/pg --filesystem xfs --loop 20G --pool tank", "a pool is for zfs, not for xfs", "Leave out --pool, or write --filesystem zfs.")]
    [InlineData("project set prod", "there is nothing to set", "Say what, for example --pitr 7d.")]
    [InlineData("project set prod --pitr on", "\"on\" is not a duration", "Write a number and a unit (s, m, h, d, w), for example 30m, 12h or 7d; never or 0 for none.")]
    [InlineData("wal cleanup prod/main --days -1", "\"-1\" is not a number of days", "Write a whole number, for example --days 7.")]
    [InlineData("doctor --dry-run", "--dry-run goes with --fix", "Write: dotnet pgd doctor --fix --dry-run")]
    [InlineData("branch diff prod/dev dev", "\"dev\" is not the name of a branch", "Write it as PROJECT/BRANCH, for example prod/dev.")]
    [InlineData("completion tcsh", "there is no completion for \"tcsh\"", "Choose one of bash, zsh, fish.")]
    [InlineData("replicate verify", "it is not said which server is the source", "Name it with --source postgresql://USER@HOST/DATABASE, or in PGD_SOURCE_URL.")]
    [InlineData("replicate verify --source postgresql://db/shop", "it is not said which server is the target", "Name it with --target postgresql://USER@HOST/DATABASE, or in PGD_TARGET_URL.")]
    [InlineData("replicate verify --source postgresql://a/shop --target postgresql://b --include-tables ,", "--include-tables is empty", null)]
    [InlineData("replicate verify --source postgresql://a/shop --target postgresql://b --jobs 0", "--jobs cannot be \"0\": it is a number from 1 on", null)]
    [InlineData("status --wait-lock soon", "\"soon\" is not a duration", "Write a number and a unit (s, m, h, d, w), for example 30m, 12h or 7d; never or 0 for none.")]
    public async Task Is_told_with_what_to_type_and_exit_status_2(string line, string message, string? hint)
    {
        var run = await ToolRun.OfAsync(line);

        Assert.Equal($"error: {message}\n{(hint is null ? "" : $"hint: {hint}\n")}", run.Error);
        Assert.Empty(run.Output);
        Assert.Equal(2, run.Status);
    }

    [Fact]
    public async Task Passwords_are_taken_from_standard_input_and_not_from_the_command_line()
    {
        var refused = await ToolRun.OfAsync("replicate verify --source postgresql://a/shop --target postgresql://b --password secret");
        Assert.True(refused.Status == 2 && refused.Error.Contains("--password is refused", StringComparison.Ordinal) && !refused.Error.Contains("secret", StringComparison.Ordinal), refused.Error);
        var empty = await ToolRun.OfAsync("replicate verify --source postgresql://a/shop --target postgresql://b --passwords-stdin");
        Assert.True(empty.Status == 2 && empty.Error.Contains("--passwords-stdin found no password", StringComparison.Ordinal), empty.Error);
    }

    [Fact]
    public async Task Is_an_object_on_standard_error_when_json_is_asked_for()
    {
        var run = await ToolRun.OfAsync("branch lst --json");

        Assert.Equal("""{"error":{"code":"misuse","exitCode":2,"message":"unknown command \"lst\" for \"pgd branch\"","hint":"Did you mean \"list\"?"}}""" + "\n", run.Error);
        Assert.Empty(run.Output);
        Assert.Equal(2, run.Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("prod/")]
    [InlineData("prod/-dev")]
    [InlineData("prod/de'v")]
    [InlineData("prod/../x")]
    [InlineData("prod/de\nv")]
    [InlineData("Prod/dev")]
    public async Task With_a_malformed_name_changes_nothing(string name)
    {
        foreach (var verb in new[] { "create", "reset", "get", "delete", "url", "logs", "start", "stop", "restart" })
        {
            var run = await ToolRun.OfAsync(["branch", verb, name]);

            Assert.Equal(2, run.Status);
            Assert.StartsWith("error: \"", run.Error, StringComparison.Ordinal);
            Assert.Equal(2, run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        }
    }

    [Fact]
    public async Task In_an_environment_variable_names_it()
    {
        var run = await ToolRun.OfAsync(["branch", "list"], session => session with
        {
            Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent", ["PGD_DEFAULT_TTL"] = "soon" },
        });

        Assert.StartsWith("error: PGD_DEFAULT_TTL: \"soon\" is not a duration\n", run.Error, StringComparison.Ordinal);
        Assert.Equal(2, run.Status);
    }
}
