using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using Npgsql;
using Pgd.Libpq;
using Xunit;

namespace Pgd.Tests.Libpq;

public sealed class ConnectionUrlWriting
{
    private const string Ugly = "p@s/s:w?o r#d%'\"\\$&+=é;";

    private static readonly ConnectionUrl Url = new() { Host = "127.0.0.1", Port = 21001, Database = "my db", User = "o'brien", Password = Ugly };

    [Fact]
    public void Every_dialect_says_the_same()
    {
        var simple = new ConnectionUrl { Host = "127.0.0.1", Port = 21001, Database = "app", User = "app", Password = "ABC234" };

        Assert.Equal("postgresql://app:ABC234@127.0.0.1:21001/app", simple.Format(UrlFormat.Libpq));
        Assert.Equal("Host=127.0.0.1;Port=21001;Database=app;Username=app;Password=ABC234", simple.Format(UrlFormat.Npgsql));
        Assert.Equal("jdbc:postgresql://127.0.0.1:21001/app?user=app&password=ABC234", simple.Format(UrlFormat.Jdbc));
        Assert.Equal(
            """
            unset PGHOSTADDR
            unset PGSERVICE
            unset PGSSLMODE
            unset PGSSLROOTCERT
            export DATABASE_URL=postgresql://app:ABC234@127.0.0.1:21001/app
            export PGDATABASE=app
            export PGHOST=127.0.0.1
            export PGPASSWORD=ABC234
            export PGPORT=21001
            export PGUSER=app
            """, simple.Format(UrlFormat.Env));
        Assert.Equal(
            """
            DATABASE_URL=postgresql://app:ABC234@127.0.0.1:21001/app
            PGDATABASE=app
            PGHOST=127.0.0.1
            PGPASSWORD=ABC234
            PGPORT=21001
            PGUSER=app
            """, simple.Format(UrlFormat.Dotenv));
    }

    [Fact]
    public void What_is_written_for_libpq_is_read_back()
    {
        ConnectionUrl[] urls =
        [
            Url,
            Url with { Host = "::1" },
            Url with { Host = "fe80::1%eth0" },
            Url with { Host = "/run/pgd" },
            Url with { FurtherHosts = [new("h2", 1), new("::2", 2)] },
            Url with { Password = null, Parameters = Url.Parameters.Add("options", "-c a=b&c").Add("sslmode", "require") },
        ];

        Assert.All(urls, url => Assert.Equal(url, ConnectionUrl.Parse(url.Format(UrlFormat.Libpq), LibpqEnvironment.None)));
    }

    [Fact]
    public void Any_name_and_password_survive_the_way_through_a_url()
    {
        var text = ArbMap.Default.ArbFor<NonEmptyString>().Filter(s => !s.Get.Contains('\0') && !s.Get.Any(char.IsSurrogate));
        Prop.ForAll(text, text, text, (user, password, database) =>
        {
            var url = Url with { User = user.Get, Password = password.Get, Database = database.Get };
            return ConnectionUrl.Parse(url.Format(UrlFormat.Libpq), LibpqEnvironment.None) == url;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Npgsql_reads_what_is_written_for_it()
    {
        var read = new NpgsqlConnectionStringBuilder(Url.Format(UrlFormat.Npgsql));

        Assert.Equal(("127.0.0.1", 21001, "my db", "o'brien", Ugly), (read.Host, read.Port, read.Database, read.Username, read.Password));
        Assert.False(Url.ToNpgsql().Pooling);
    }

    [Fact]
    public void Npgsql_is_told_about_encryption_hosts_and_options()
    {
        var url = ConnectionUrl.Parse("postgresql://h1:1,[::2]:2/d?sslmode=verify-full&sslrootcert=/ca&options=-c%20a%3Db&connect_timeout=7&target_session_attrs=read-write",
            LibpqEnvironment.None);

        Assert.Equal("Host=\"h1:1,[::2]:2\";Database=d;Username=postgres;SSL Mode=VerifyFull;Root Certificate=/ca;Options=\"-c a=b\";Timeout=7;Target Session Attributes=read-write"
            .Replace("\"", "", StringComparison.Ordinal), url.Format(UrlFormat.Npgsql).Replace("\"", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_shell_reads_every_value_unchanged()
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(Url.Format(UrlFormat.Env) + "\nprintf '%s|%s|%s' \"$PGUSER\" \"$PGPASSWORD\" \"$PGDATABASE\"");
        using var shell = Process.Start(start)!;
        var output = await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);

        Assert.Equal($"o'brien|{Ugly}|my db", output);
    }

    [Fact]
    public void Values_with_blanks_or_signs_are_quoted_in_a_dotenv_file()
    {
        var lines = Url.Format(UrlFormat.Dotenv).Split('\n');

        Assert.Contains("PGDATABASE='my db'", lines);
        Assert.Contains("PGUSER=\"o'brien\"", lines);
    }

    [Fact]
    public void Jdbc_has_no_sockets() =>
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => (Url with { Host = "/tmp" }).Format(UrlFormat.Jdbc)).ExitCode);

    [Fact]
    public void A_socket_goes_into_the_query() =>
        Assert.Equal("postgresql://u@/d?host=%2Frun%2Fpgd&port=5432",
            new ConnectionUrl { Host = "/run/pgd", Port = 5432, Database = "d", User = "u" }.Format(UrlFormat.Libpq));

    [Fact]
    public void Shown_as_text_the_secrets_are_hidden()
    {
        var url = Url with { Parameters = Url.Parameters.Add("sslpassword", "OTHER") };

        Assert.Equal("postgresql://o%27brien:***@127.0.0.1:21001/my%20db?sslpassword=***", url.ToString());
    }

    [Fact]
    public void Masking_the_secret_forms_leaves_no_trace_in_any_dialect()
    {
        foreach (var format in Enum.GetValues<UrlFormat>())
        {
            var text = Url.SecretForms().Aggregate(Url.Format(format), (shown, form) => shown.Replace(form, "***", StringComparison.Ordinal));
            Assert.Contains("***", text, StringComparison.Ordinal);
            Assert.DoesNotContain("p@s", text, StringComparison.Ordinal);
            Assert.DoesNotContain("p%40s", text, StringComparison.Ordinal);
            Assert.DoesNotContain("$&", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("xy")]
    public void Base64_of_something_longer_shows_no_more_than_the_ends_of_a_secret(string before)
    {
        var url = Url with { Password = "correct horse battery staple" };
        var encoded = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{before}{url.Password}, and more"));

        var masked = url.SecretForms().Aggregate(encoded, (shown, form) => shown.Replace(form, "***", StringComparison.Ordinal));

        Assert.Contains("***", masked, StringComparison.Ordinal);
        var rest = masked.Split("***").Select(part => System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(part.PadRight((part.Length + 3) / 4 * 4, '='))));
        Assert.DoesNotContain(rest, part => part.Contains("cor", StringComparison.Ordinal) || part.Contains("ple", StringComparison.Ordinal));
    }

    [Fact]
    public void A_child_process_gets_nothing_that_would_lead_it_elsewhere()
    {
        var environment = new Dictionary<string, string?> { ["PGSERVICE"] = "prod", ["PGHOSTADDR"] = "10.0.0.1", ["PGPASSFILE"] = "/p", ["PATH"] = "/bin" };

        Url.ApplyTo(environment);

        Assert.Equal(["DATABASE_URL", "PATH", "PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGUSER"], environment.Keys.Order(StringComparer.Ordinal));
    }
}
