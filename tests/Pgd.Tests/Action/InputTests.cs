using Pgd.Action.Inputs;
using Pgd.Configuration;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class InputTests
{
    private static StoryInputs Read(RepositoryConfiguration? file = null, params (string Name, string Value)[] inputs) =>
        InputReader.Read(inputs.ToDictionary(i => i.Name, i => i.Value), file ?? new());

    private static PgdException Refused(string name, string value) =>
        Assert.Throws<PgdException>(() => Read(null, (InputReader.VariableOf(name), value)));

    [Fact]
    public void Without_inputs_the_defaults_hold()
    {
        var inputs = Read(null, ("PGD_INPUT_PROJECT", ""), ("PGD_INPUT_COMMENT", " "));

        Assert.Equal((null, StoryCommand.Auto, OnPush.Reset, CommentMode.True), (inputs.Project, inputs.Command, inputs.OnPush, inputs.Comment));
        Assert.Equal((ForkPolicy.Refuse, false, false, 20), (inputs.ForkPolicy, inputs.Drafts, inputs.KeepOnFailure, inputs.SweepLimit));
        Assert.Equal(TimeSpan.FromDays(7), inputs.TimeToLive);
    }

    [Fact]
    public void An_input_wins_over_the_file_and_the_file_over_the_default()
    {
        var file = new RepositoryConfiguration
        {
            Project = "file",
            Parent = "staging",
            Policy = new() { OnPush = "keep", Comment = "summary", TimeToLive = TimeSpan.FromHours(3), Drafts = true },
        };

        var inputs = Read(file, ("PGD_INPUT_PROJECT", "input"), ("PGD_INPUT_COMMENT", "False"), ("PGD_INPUT_TTL", "2d"), ("PGD_INPUT_DRAFTS", "false"));

        Assert.Equal(("input", "staging", OnPush.Keep, CommentMode.False), (inputs.Project, inputs.Parent, inputs.OnPush, inputs.Comment));
        Assert.Equal((TimeSpan.FromDays(2), false), (inputs.TimeToLive, inputs.Drafts));
    }

    [Fact]
    public void The_branch_may_be_any_ref()
    {
        Assert.Equal("feature-new-invoice-42fd32a49557", Read(new(), ("PGD_INPUT_BRANCH", "feature/new invoice")).Branch);
        Assert.Equal("preview", Read(new(), ("PGD_INPUT_BRANCH", "preview")).Branch);
    }

    [Fact]
    public void A_command_in_the_workflow_replaces_the_files_of_the_repository()
    {
        var file = new RepositoryConfiguration { Migrations = new() { Files = "db/*.sql", Ledger = "public.ledger" } };

        var inputs = Read(file, ("PGD_INPUT_MIGRATE", "make migrate"));

        Assert.Equal(("make migrate", null), (inputs.Migrate, inputs.MigrateFiles));
    }

    [Fact]
    public void The_way_back_is_that_of_a_command_and_files_have_theirs_beside_them()
    {
        var file = new RepositoryConfiguration { Migrations = new() { Command = "make up", Down = "make down", Rerun = true, Deadline = TimeSpan.FromMinutes(5) } };

        var (own, files) = (Read(file, ("PGD_INPUT_MIGRATE_DOWN", "make back"), ("PGD_INPUT_MIGRATE_DEADLINE", "1h")), Read(file, ("PGD_INPUT_MIGRATE_FILES", "*.sql")));

        Assert.Equal(("make up", "make back", true, TimeSpan.FromHours(1)), (own.Migrate, own.MigrateDown, own.MigrateRerun, own.MigrateDeadline));
        Assert.Equal((null, null, false, TimeSpan.FromMinutes(5)), (files.Migrate, files.MigrateDown, files.MigrateRerun, files.MigrateDeadline));
        Assert.Contains("without migrate", Refused("migrate-down", "make down").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Anonymization_files_come_one_on_each_line_and_in_their_order()
    {
        Assert.Equal(["b.sql", "a/*.sql"], Read(null, ("PGD_INPUT_ANONYMIZE", "b.sql\r\n\n  a/*.sql  \n")).Anonymize);
    }

    [Theory]
    [InlineData("on-push", "rebuild", "Allowed: reset, keep.")]
    [InlineData("comment", "yes", "Allowed: true, summary, false.")]
    [InlineData("fork-policy", "0", "Allowed: refuse, allow.")]
    [InlineData("command", "create", "Allowed: auto, up, down, sweep.")]
    [InlineData("drafts", "yes", "Allowed: true or false.")]
    [InlineData("keep-on-failure", "1", "Allowed: true or false.")]
    [InlineData("sweep-limit", "0", "Allowed: a whole number from 1.")]
    [InlineData("sweep-limit", "-5", "Allowed: a whole number from 1.")]
    [InlineData("ttl", "a week", "Allowed: a number and a unit (m, h, d, w), for example 7d, or never.")]
    public void A_value_that_is_not_allowed_is_refused_with_those_that_are(string input, string value, string allowed)
    {
        var refused = Refused(input, value);

        Assert.Equal((ExitCode.Misuse, allowed), (refused.ExitCode, refused.Hint));
        Assert.Contains($"the input {input}", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("project", "Prod")]
    [InlineData("project", "../etc")]
    [InlineData("branch", "main")]
    [InlineData("parent", "a\nb")]
    public void A_name_that_cannot_be_one_is_refused(string input, string value) => Assert.Equal(ExitCode.Misuse, Refused(input, value).ExitCode);

    [Fact]
    public void A_command_and_files_together_are_refused() =>
        Assert.Contains("both given", Assert.Throws<PgdException>(() => Read(null, ("PGD_INPUT_MIGRATE", "x"), ("PGD_INPUT_MIGRATE_FILES", "*.sql"))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_ledger_without_files_is_refused() =>
        Assert.Contains("without migrate-files", Refused("migrate-ledger", "public.ledger").Message, StringComparison.Ordinal);

    [Fact]
    public void Printing_the_inputs_does_not_print_the_token() =>
        Assert.DoesNotContain("ghs_secret", Read(null, ("PGD_INPUT_GITHUB_TOKEN", "ghs_secret")).ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("db/*.sql", "db/1.sql", true)]
    [InlineData("db/*.sql", "db/a/1.sql", false)]
    [InlineData("db/**/*.sql", "db/1.sql", true)]
    [InlineData("db/**/*.sql", "db/a/b/1.sql", true)]
    [InlineData("./db/*.sql", "db/1.sql", true)]
    [InlineData("db/1.sql", "db/1xsql", false)]
    [InlineData("db/*.sql\n!db/*.down.sql", "db/1.up.sql", true)]
    [InlineData("db/*.sql\n!db/*.down.sql", "db/1.down.sql", false)]
    public void A_pattern_matches_inside_a_folder_and_two_stars_over_folders(string pattern, string path, bool matches) =>
        Assert.Equal(matches, new FilePattern(pattern).Matches(path));
}
