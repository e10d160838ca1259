using Pgd.Migrations;
using Xunit;

namespace Pgd.Tests.Migrations;

/// <summary>Leave to break a rule, given in the SQL.</summary>
public sealed class Waivers
{
    [Fact]
    public void A_comment_before_in_or_behind_a_statement_is_about_that_statement()
    {
        var statements = SqlScript.Parse("a.sql", """
            -- pgd: allow drop-column, rename because nobody reads it
            alter table a drop column b;
            alter table a -- pgd: allow set-not-null because it is small
                alter column c set not null;
            truncate a; -- pgd: allow truncate because it is a cache
            truncate b;
            """).Statements;

        Assert.Equal(["drop-column: nobody reads it, rename: nobody reads it", "set-not-null: it is small", "truncate: it is a cache", ""],
            statements.Select(s => string.Join(", ", s.Waivers.Select(w => $"{w.Rule}: {w.Reason}"))));
    }

    [Theory]
    [InlineData("-- pgd: allow drop-column\nselect 1")]
    [InlineData("-- pgd: allow drop-column because \nselect 1")]
    [InlineData("-- pgd: alow drop-column because it is small\nselect 1")]
    public void One_without_a_reason_or_misspelled_is_refused_with_the_form_that_it_has(string script) =>
        Assert.Contains("allow RULE because REASON", Assert.Throws<PgdException>(() => SqlScript.Parse("a.sql", script)).Hint, StringComparison.Ordinal);

    [Fact]
    public void A_text_that_was_sent_already_is_taken_as_it_is() =>
        Assert.Equal(["begin", "copy a from stdin", "commit"], SqlScript.Split("begin; copy a from stdin; -- pgd: alow\ncommit").Select(s => s.Text));
}
