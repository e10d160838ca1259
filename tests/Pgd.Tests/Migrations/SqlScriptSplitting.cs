using FsCheck;
using FsCheck.Fluent;
using Pgd.Migrations;
using Xunit;

namespace Pgd.Tests.Migrations;

public sealed class SqlScriptSplitting
{
    [Theory]
    [InlineData("select 1", "select 1")]
    [InlineData("select 1;", "select 1")]
    [InlineData(" ; ;; select 1 ; ", "select 1")]
    [InlineData("", "")]
    [InlineData("-- only a comment;\n/* and; another */", "")]
    [InlineData("select 1; select 2;", "select 1|select 2")]
    [InlineData("select ';'; select ';;'';'", "select ';'|select ';;'';'")]
    [InlineData("select '\\'; select 2", "select '\\'|select 2")]
    [InlineData("select E'\\';'; select e'a''\\\\';select 3", "select E'\\';'|select e'a''\\\\'|select 3")]
    [InlineData("select E'a'\n'b\\';c'; select 2", "select E'a'\n'b\\';c'|select 2")]
    [InlineData("select E'a' -- x\n -- y\n 'b\\';c'; select 2", "select E'a' -- x\n -- y\n 'b\\';c'|select 2")]
    [InlineData("select E'a' 'b'; select '\\'", "select E'a' 'b'|select '\\'")]
    [InlineData("select U&'\\0061;' UESCAPE '!'; select U&\"a;\"", "select U&'\\0061;' UESCAPE '!'|select U&\"a;\"")]
    [InlineData("select b'1', x'ff;', n';'; select 2", "select b'1', x'ff;', n';'|select 2")]
    [InlineData("select name'\\'; select 2", "select name'\\'|select 2")]
    [InlineData("select \"a;\"\"b;\"; select 2", "select \"a;\"\"b;\"|select 2")]
    [InlineData("select $$;$$; select $a$;$$;$b$;$a$; select 3", "select $$;$$|select $a$;$$;$b$;$a$|select 3")]
    [InlineData("select $таг$;$$;$таг$; select 2", "select $таг$;$$;$таг$|select 2")]
    [InlineData("select a$b$c; select d$b$", "select a$b$c|select d$b$")]
    [InlineData("prepare p as select $1; execute p(1)", "prepare p as select $1|execute p(1)")]
    [InlineData("select 1 /* ; /* ; */ ; */ ; select 2", "select 1|select 2")]
    [InlineData("select 1 -- ;\n; select 2", "select 1|select 2")]
    [InlineData("select 1 - - 2; select 4/2*3", "select 1 - - 2|select 4/2*3")]
    [InlineData("create rule r as on insert to t do also (insert into u values (1); insert into u values (2)); select 1",
        "create rule r as on insert to t do also (insert into u values (1); insert into u values (2))|select 1")]
    [InlineData("select 'a' :: text, x @> y, z ? 'k', f(a := 1), 1 <@ 2; select @-1", "select 'a' :: text, x @> y, z ? 'k', f(a := 1), 1 <@ 2|select @-1")]
    [InlineData("create function f() returns int begin atomic select 1; select 2; end; select 3", "create function f() returns int begin atomic select 1; select 2; end|select 3")]
    [InlineData("CREATE OR REPLACE PROCEDURE s.f() LANGUAGE SQL BEGIN ATOMIC SELECT CASE WHEN a THEN 1 ELSE 2 END; SELECT 2; END; SELECT 3",
        "CREATE OR REPLACE PROCEDURE s.f() LANGUAGE SQL BEGIN ATOMIC SELECT CASE WHEN a THEN 1 ELSE 2 END; SELECT 2; END|SELECT 3")]
    [InlineData("create function f() returns int begin /* c */ atomic select t.end, (case when 1 then 2 end) as end, \"end\" from t; end; select 3",
        "create function f() returns int begin /* c */ atomic select t.end, (case when 1 then 2 end) as end, \"end\" from t; end|select 3")]
    [InlineData("create table case_end (\"begin\" int); select case when true then 1 end; select 2", "create table case_end (\"begin\" int)|select case when true then 1 end|select 2")]
    [InlineData("create function f() returns int as $$ begin return 1; end $$ language plpgsql; select 1", "create function f() returns int as $$ begin return 1; end $$ language plpgsql|select 1")]
    [InlineData("do $$ begin perform 1; end $$; select 1", "do $$ begin perform 1; end $$|select 1")]
    [InlineData("select (1; select 2", "select (1; select 2")]
    [InlineData("select 1); select 2", "select 1)|select 2")]
    public void Statements_end_where_psql_ends_them(string script, string expected) =>
        Assert.Equal(expected, string.Join('|', SqlScript.Parse("a.sql", script).Statements.Select(statement => statement.Text)));

    [Fact]
    public void Every_statement_knows_its_line()
    {
        var script = SqlScript.Parse("a.sql", "-- one\n\nselect 1;\n/* four\n */ select\n 2; select 3;\n\nselect '\n\n'; select 4");

        Assert.Equal([3, 5, 6, 8, 10], script.Statements.Select(statement => statement.Line));
    }

    [Fact]
    public void A_position_from_the_server_counts_characters_not_utf16_units()
    {
        var statement = SqlScript.Parse("a.sql", "\n\nselect '😀😀😀',\n 1,\nfoo").Statements.Single();

        Assert.Equal((3, 4, 5), (statement.LineAt(1), statement.LineAt(16), statement.LineAt(19)));
    }

    [Theory]
    [InlineData("select 1;\n\\copy t from 'x'", 2, "\\copy")]
    [InlineData("\\set x 1", 1, "\\set")]
    [InlineData("select 1 \\gexec", 1, "\\gexec")]
    [InlineData("\n\ncopy t (a, b) from stdin;\n1\t'\n\\.\n", 3, "COPY FROM STDIN")]
    [InlineData("COPY t FROM STDIN WITH (FORMAT csv)", 1, "COPY FROM STDIN")]
    [InlineData("copy (select 1) to stdout", 1, "COPY TO STDOUT")]
    [InlineData("select 1;\nselect 'x", 2, "string")]
    [InlineData("select $a$ $$ $b$", 1, "string")]
    [InlineData("\nselect \"x", 2, "identifier")]
    [InlineData("select 1; /* /* */", 1, "comment")]
    [InlineData("-- pgd: notransaction", 1, "pgd: notransaction")]
    [InlineData("select 1;\nBEGIN;", 2, "BEGIN")]
    [InlineData("start transaction", 1, "START")]
    [InlineData("select 1; commit and chain", 1, "COMMIT")]
    [InlineData("end", 1, "END")]
    [InlineData("rollback work", 1, "ROLLBACK")]
    [InlineData("prepare transaction 'x'", 1, "PREPARE")]
    [InlineData("-- pgd: no-transaction\nbegin;\nselect 1;", 2, "transaction")]
    public void What_cannot_be_run_is_refused_by_file_and_line(string script, int line, string named)
    {
        var error = Assert.Throws<PgdException>(() => SqlScript.Parse("db/a.sql", script));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.StartsWith($"db/a.sql, line {line}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("savepoint a; rollback to a; rollback work to savepoint a; release a")]
    [InlineData("prepare p as select 1; commit prepared 'x'")]
    [InlineData("copy t from '/file'; copy t to program 'cat'")]
    [InlineData("select 'begin'; -- commit\n")]
    public void What_only_looks_like_transaction_control_or_inline_data_is_fine(string script) => Assert.True(SqlScript.Parse("a.sql", script).Transaction);

    [Theory]
    [InlineData("-- pgd: no-transaction\nselect 1", false)]
    [InlineData("select 1;\n  --pgd:no-transaction  \n", false)]
    [InlineData("-- pgd: no-transaction\nbegin; select 1; commit; vacuum", false)]
    [InlineData("select '\n-- pgd: no-transaction\n'", true)]
    [InlineData("-- about pgd: no-transaction\nselect 1", true)]
    public void Only_a_comment_of_its_own_turns_the_transaction_off(string script, bool transaction) =>
        Assert.Equal(transaction, SqlScript.Parse("a.sql", script).Transaction);

    [Fact]
    public void The_pieces_of_any_text_joined_are_the_text()
    {
        var fragments = Gen.Elements("'", "\"", "$$", "$a$", ";", "--", "\n", "/*", "*/", "E'", "\\", "begin atomic", "case", " end ", "create function f()", "(", ")", "x", " ", "1", "é", "😀", "$1", "copy", "\r");
        Prop.ForAll(fragments.ListOf().Select(list => string.Concat(list)).ToArbitrary(), text =>
        {
            try
            {
                var script = SqlScript.Parse("a.sql", text);
                return string.Concat(script.Pieces) == text && script.Statements.All(statement => text.Contains(statement.Text, StringComparison.Ordinal));
            }
            catch (PgdException)
            {
                return true;
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void No_literal_or_comment_is_ever_cut()
    {
        var inside = Gen.Elements(";", "--", "/", "*", "begin", "commit", " ", "\n", "x", "(", "é", "|").ListOf().Select(list => string.Concat(list));
        var literal = Gen.OneOf(
            inside.Select(text => $"'{text}'"),
            inside.Select(text => $"E'\\'{text}\\\\'"),
            inside.Select(text => $"\"{text}\""),
            inside.Select(text => $"$q${text}$q$"),
            inside.Select(text => $"/* {text.Replace("/", "", StringComparison.Ordinal)} */ 1"),
            inside.Select(text => $"-- {text.Replace("\n", "", StringComparison.Ordinal)}\n1"));
        Prop.ForAll(literal.NonEmptyListOf().ToArbitrary(), literals =>
        {
            var statements = literals.Select(text => $"select {text} as x").ToList();
            return SqlScript.Parse("a.sql", string.Join(" ; ", statements)).Statements.Select(statement => statement.Text).SequenceEqual(statements);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_large_script_is_split_in_linear_time() =>
        Assert.Equal(200_000, SqlScript.Parse("a.sql", string.Concat(Enumerable.Repeat("insert into t values ('x');\n", 200_000))).Statements.Count);
}
