using Pgd.Libpq;
using Xunit;

namespace Pgd.Tests.Libpq;

public sealed class ConnectionUrlReading
{
    private static readonly LibpqEnvironment Bare = LibpqEnvironment.None with { UserName = "me", SocketFolder = "/var/run/postgresql" };

    private static LibpqEnvironment With(params (string Name, string Value)[] variables) =>
        Bare with { Variable = name => variables.FirstOrDefault(pair => pair.Name == name).Value };

    [Theory]
    [InlineData("postgresql://uri-user:secret@host:12345/db", "host:12345", "db", "uri-user", "secret")]
    [InlineData("postgres://uri-user@host/db", "host:5432", "db", "uri-user", null)]
    [InlineData("postgresql://host", "host:5432", "me", "me", null)]
    [InlineData("postgresql://host/", "host:5432", "me", "me", null)]
    [InlineData("postgresql://", "/var/run/postgresql:5432", "me", "me", null)]
    [InlineData("postgresql:///db", "/var/run/postgresql:5432", "db", "me", null)]
    [InlineData("postgresql://u@host?dbname=d&port=1", "host:1", "d", "u", null)]
    [InlineData("postgresql://[::1]:12345/db", "::1:12345", "db", "me", null)]
    [InlineData("postgresql://[2001:db8::1234]/", "2001:db8::1234:5432", "me", "me", null)]
    [InlineData("postgresql://%2Fvar%2Flib%2Fpg/dbname", "/var/lib/pg:5432", "dbname", "me", null)]
    [InlineData("postgresql:///db?host=/path/to/socket/dir", "/path/to/socket/dir:5432", "db", "me", null)]
    [InlineData("postgresql://h1:1,h2,h3:3/db", "h1:1 h2:5432 h3:3", "db", "me", null)]
    [InlineData("postgresql://h1,h2/db?port=7", "h1:7 h2:7", "db", "me", null)]
    [InlineData("postgresql://us%65r:p%40ss%2Fw%3Ard@host/d%20b", "host:5432", "d b", "user", "p@ss/w:rd")]
    [InlineData("postgresql://user:p:w@host", "host:5432", "user", "user", "p:w")]
    [InlineData("postgresql://:secret@host/db", "host:5432", "db", "me", "secret")]
    [InlineData("postgresql://host?  user = uri-user & port  = 12345 ", "host:12345", "uri-user", "uri-user", null)]
    [InlineData("postgresql://h%C3%BCgel@host/db", "host:5432", "db", "hügel", null)]
    [InlineData("host=h port=1 dbname=d user=u password=p", "h:1", "d", "u", "p")]
    [InlineData("host = h port= 1 dbname =d user='u v' password='it\\'s \\\\'", "h:1", "d", "u v", "it's \\")]
    [InlineData("host=h password=a\\ b user=u", "h:5432", "u", "u", "a b")]
    [InlineData("host='h'user='u'", "h:5432", "u", "u", null)]
    [InlineData("hostaddr=10.0.0.1", "10.0.0.1:5432", "me", "me", null)]
    [InlineData("host='' port='' dbname='' user=''", "/var/run/postgresql:5432", "me", "me", null)]
    [InlineData("host=a host=b", "b:5432", "me", "me", null)]
    public void What_libpq_reads_is_read_the_same(string text, string hosts, string database, string user, string? password)
    {
        var url = ConnectionUrl.Parse(text, Bare);

        Assert.Equal(hosts, string.Join(' ', url.Hosts.Select(host => $"{host.Name}:{host.Port}")));
        Assert.Equal((database, user, password), (url.Database, url.User, url.Password));
    }

    [Theory]
    [InlineData("postgresql://u:S3CRET/x@host/db")]
    [InlineData("postgresql://u:S3CRET%zz@host/db")]
    [InlineData("postgresql://u:S3CRET%00@host/db")]
    [InlineData("postgresql://u:S3CRET%ff@host/db")]
    [InlineData("postgresql://u:S3CRET x@host/db")]
    [InlineData("postgresql://u:a/b?S3CRET=1@host/db")]
    [InlineData("postgresql://u:S3CRET@host:0/db")]
    [InlineData("postgresql://u:S3CRET@host:65536/db")]
    [InlineData("postgresql://u:S3CRET@[::1/db")]
    [InlineData("postgresql://u:S3CRET@[]/db")]
    [InlineData("postgresql://u:S3CRET@[::1]z/db")]
    [InlineData("postgresql://u:S3CRET@host/db?sslmod=require")]
    [InlineData("postgresql://u:S3CRET@host/db?sslmode=maybe")]
    [InlineData("postgresql://u:S3CRET@host/db?sslmode")]
    [InlineData("postgresql://u:S3CRET@host/db?options=a=b")]
    [InlineData("postgresql://u:S3CRET@a,b,c:1,2/db?port=1,2")]
    [InlineData("mysql://u:S3CRET@host/db")]
    [InlineData("jdbc:postgresql://host/db?password=S3CRET")]
    [InlineData("host=h password=my S3CRET")]
    [InlineData("host=h password=my S3CRET=x")]
    [InlineData("host=h password='S3CRET")]
    [InlineData("S3CRET")]
    [InlineData("")]
    [InlineData("   ")]
    public void What_is_malformed_is_misuse_and_shows_nothing_of_the_password(string text)
    {
        var error = Assert.Throws<PgdException>(() => ConnectionUrl.Parse(text, Bare));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.DoesNotContain("S3CRET", error.ToString() + error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mistyped_parameter_is_answered_with_the_right_one() =>
        Assert.Contains("sslmode", Assert.Throws<PgdException>(() => ConnectionUrl.Parse("postgresql://h/?sslmod=require", Bare)).Message, StringComparison.Ordinal);

    [Fact]
    public void Other_parameters_are_kept()
    {
        var url = ConnectionUrl.Parse("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20work_mem%3D64MB&passfile=/p", Bare);

        Assert.Equal(["options=-c work_mem=64MB", "passfile=/p", "sslmode=verify-full", "sslrootcert=/ca.pem"],
            url.Parameters.Select(pair => $"{pair.Key}={pair.Value}"));
    }

    [Theory]
    [InlineData("postgresql://h?ssl=true", "require")]
    [InlineData("host=h requiressl=1", "require")]
    [InlineData("host=h requiressl=0", "prefer")]
    [InlineData("host=h sslrootcert=system", "verify-full")]
    public void Older_and_implied_ways_to_ask_for_encryption_are_understood(string text, string mode) =>
        Assert.Equal(mode, ConnectionUrl.Parse(text, Bare).Parameters["sslmode"]);

    [Fact]
    public void Variables_fill_in_what_the_text_leaves_out()
    {
        var environment = With(("PGHOST", "envhost"), ("PGPORT", "6000"), ("PGUSER", "envuser"), ("PGDATABASE", "envdb"), ("PGPASSWORD", "pw"), ("PGSSLMODE", "require"));

        Assert.Equal("postgresql://envuser:pw@envhost:6000/envdb?sslmode=require", ConnectionUrl.Parse("postgresql://", environment).Format(UrlFormat.Libpq));
        Assert.Equal("postgresql://u:pw@h:6000/envdb?sslmode=require", ConnectionUrl.Parse("postgresql://u@h", environment).Format(UrlFormat.Libpq));
    }

    [Fact]
    public void A_service_fills_in_before_the_variables_do()
    {
        using var folder = new TemporaryFolder();
        folder.Write(".pg_service.conf", "# comment\n[other]\nhost=wrong\n\n[mine]\nhost=servicehost\nport=6543\n  user=serviceuser  \nhost=second\n[later]\nhost=wrong\n");
        var environment = With(("PGHOST", "envhost"), ("PGDATABASE", "envdb")) with { Home = folder.Path };

        Assert.Equal("postgresql://u@servicehost:6543/envdb", ConnectionUrl.Parse("service=mine user=u", environment).Format(UrlFormat.Libpq));
        Assert.Equal("postgresql://serviceuser@servicehost:6543/envdb", ConnectionUrl.Parse("postgresql://?service=mine", environment).Format(UrlFormat.Libpq));
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => ConnectionUrl.Parse("service=none", environment)).ExitCode);
    }

    [Theory]
    [InlineData("host:5432:db:user:pw", "pw")]
    [InlineData("*:*:*:user:pw", "pw")]
    [InlineData("#host:5432:db:user:no\nother:5432:db:user:no\nhost:*:db:user:pw\n*:*:*:*:late", "pw")]
    [InlineData("host:5432:db:user:p\\:w\\\\", "p:w\\")]
    [InlineData("host:5432:db:other:no", null)]
    [InlineData("hos:5432:db:user:no", null)]
    [InlineData("host:5432:db", null)]
    public void The_password_file_is_asked_last(string content, string? password)
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write(".pgpass", content);
        TemporaryFolder.SetMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.Equal(password, ConnectionUrl.Parse("postgresql://user@host/db", Bare with { Home = folder.Path }).Password);
        Assert.Equal("own", ConnectionUrl.Parse("postgresql://user:own@host/db", Bare with { Home = folder.Path }).Password);
    }

    [Fact]
    public void A_password_for_localhost_serves_the_default_socket()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("p", "localhost:5432:db:user:pw");
        TemporaryFolder.SetMode(file, UnixFileMode.UserRead);

        Assert.Equal("pw", ConnectionUrl.Parse($"postgresql://user@/db?passfile={file}", Bare).Password);
    }

    [Fact]
    public void A_password_file_that_others_can_read_is_not_used()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write(".pgpass", "*:*:*:*:pw");
        TemporaryFolder.SetMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead);

        Assert.Null(ConnectionUrl.Parse("postgresql://user@host/db", Bare with { Home = folder.Path }).Password);
    }
}
