using System.Text;
using Pgd.Postgres;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Postgres;

public sealed class DumpRecognition
{
    public static TheoryData<byte[], string> NoDumps => new()
    {
        { [], "empty" },
        { [0xFD, .. "7zXZ"u8], "xz" },
        { [.. "BZh9"u8], "bzip2" },
        { [.. "PK"u8, 3, 4], "zip" },
        { [0xFF, 0xFE, 0x2D, 0], "UTF-16" },
        { [1, 2, 3, 0, 5], "neither text nor" },
        { [.. new byte[257], .. "ustar"u8, .. new byte[100]], "tar" },
    };

    [Theory]
    [MemberData(nameof(NoDumps))]
    public void What_is_no_dump_is_refused_by_what_it_is(byte[] head, string named)
    {
        var error = Assert.Throws<PgdException>(() => DumpKind.Of(head, "file.sql"));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ALTER TABLE public.t OWNER TO app;", "app")]
    [InlineData("ALTER TABLE public.t OWNER TO \"My \"\"App\";", "My \"App")]
    [InlineData("GRANT SELECT,INSERT ON TABLE public.t TO reader WITH GRANT OPTION;", "reader")]
    [InlineData("GRANT SELECT(a),UPDATE(b) ON TABLE public.t TO PUBLIC;", "")]
    [InlineData("REVOKE ALL ON SCHEMA public FROM gone;", "gone")]
    [InlineData("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA public GRANT SELECT ON TABLES TO b;", "a b")]
    [InlineData("CREATE POLICY p ON public.t FOR SELECT TO a, b USING ((x = 'to c'::text));", "a b")]
    [InlineData("CREATE USER MAPPING FOR a SERVER s OPTIONS (\n    \"user\" 'x'\n);", "a")]
    [InlineData("SET SESSION AUTHORIZATION 'it''s';", "it's")]
    [InlineData("SET SESSION AUTHORIZATION DEFAULT;", "")]
    [InlineData("GRANT SELECT ON TABLE t TO pg_read_all_data;", "")]
    [InlineData("GRANT a TO b WITH INHERIT TRUE GRANTED BY c;", "b c")]
    [InlineData("CREATE ROLE a;\nALTER TABLE t OWNER TO a;", "")]
    [InlineData("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\nGRANT x ON y TO z;\n$$;\nALTER FUNCTION f() OWNER TO a;", "a")]
    [InlineData("COPY public.t (a) FROM stdin;\nGRANT x ON y TO z;\n\\.\n\n\nALTER TABLE t OWNER TO a;", "a")]
    [InlineData("COMMENT ON TABLE t IS 'x;\nALTER TABLE t OWNER TO z;\n';\nALTER TABLE t OWNER TO a;", "a")]
    [InlineData("ALTER TABLE t OWNER TO \"h\u00c3\u00bcgel\";", "hügel")]
    public void Owners_and_grantees_are_found(string sql, string roles) => Assert.Equal(roles, string.Join(' ', Read(sql).Roles));

    [Fact]
    public void Databases_and_versions_are_found()
    {
        var text = Read(
            """
            -- PostgreSQL database cluster dump
            -- Dumped from database version 9.6.24
            -- Dumped by pg_dump version 17.2 (Debian 17.2-1)
            CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8';
            \connect app
            \connect -reuse-previous=on "dbname='my app'"
            \restrict abc
            CREATE TABLESPACE fast OWNER postgres LOCATION '/mnt/fast';
            """);

        Assert.Equal(["app", "my app"], text.Databases);
        Assert.Equal((true, 9, 17, "fast"), (text.IsCluster, text.ServerMajor!.Value, text.DumpMajor!.Value, text.Tablespace!));
    }

    [Fact]
    public async Task Only_lines_that_cannot_work_are_left_out()
    {
        var dump = "CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'x';\nALTER ROLE postgres SET work_mem = '1MB';\nSET transaction_timeout = 0;\nSET default_tablespace = fast;\nSET default_tablespace = '';\n"
            + "COPY t (a) FROM stdin;\nCREATE ROLE postgres;\n\xe9\r\n\\.\nCREATE ROLE postgres2;\n";
        using var output = new MemoryStream();

        await DumpFilter.CopyAsync(new MemoryStream(Encoding.Latin1.GetBytes(dump)), output, "postgres", 15, TestContext.Current.CancellationToken);

        Assert.Equal("ALTER ROLE postgres SET work_mem = '1MB';\nSET default_tablespace = '';\nCOPY t (a) FROM stdin;\nCREATE ROLE postgres;\n\xe9\r\n\\.\nCREATE ROLE postgres2;\n",
            Encoding.Latin1.GetString(output.ToArray()));
    }

    [Fact]
    public async Task A_folder_or_file_that_is_not_there_or_no_dump_is_misuse()
    {
        using var folder = new TemporaryFolder();
        var clients = new DumpClients([]);
        folder.Write("data/PG_VERSION", "15");

        foreach (var path in new[] { folder.Path + "/none", folder.Path + "/data", folder.Path })
            Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => DumpFile.OpenAsync(path, null, folder.Path, clients, TestContext.Current.CancellationToken))).ExitCode);
    }

    [Fact]
    public void The_servers_own_version_is_preferred_and_an_older_one_never_taken()
    {
        var clients = new DumpClients([new(14, "/14"), new(15, "/15"), new(17, "/17")]);

        Assert.Equal(["/15", "/17", "/17", "/14"], [clients.For(14, 15), clients.For(16, 16), clients.For(17, 15), clients.For(0, 13)]);
        Assert.Contains("14, 15, 17", Assert.Throws<PgdException>(() => clients.For(18, 18)).Message, StringComparison.Ordinal);
    }

    private static DumpText Read(string sql)
    {
        var text = new DumpText();
        foreach (var line in sql.Split('\n'))
            text.Add(line);
        return text;
    }
}
