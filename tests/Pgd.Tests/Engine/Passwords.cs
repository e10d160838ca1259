using System.Security.Cryptography;
using Pgd.Postgres;
using Pgd.State;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Engine;

public sealed class Passwords
{
    [Fact]
    public void A_verifier_is_computed_as_the_standard_says()
    {
        // RFC 7677, section 3: user "user", password "pencil".
        var verifier = ScramVerifier.Of("pencil", Convert.FromBase64String("W22ZaJ0SNY7soEsUEjb6gQ=="));

        Assert.Equal("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", verifier);
    }

    [Fact]
    public void Two_verifiers_of_a_password_differ_by_their_salt() => Assert.NotEqual(ScramVerifier.Of("pencil"), ScramVerifier.Of("pencil"));

    [Fact]
    public void A_password_stays_the_same_and_differs_by_project_branch_role_rotation_and_host()
    {
        using var one = new TemporaryFolder();
        using var other = new TemporaryFolder();
        var (key, again, stranger) = (new HostKey(new(one.Path)), new HostKey(new(one.Path)), new HostKey(new(other.Path)));
        var branch = Branch();

        string[] passwords =
        [
            key.Password(branch, "app"), key.Password(branch, "owner"), key.Password(branch with { Rotation = 1 }, "app"),
            key.Password(branch with { Id = "000000000002" }, "app"), key.Password(branch with { Project = "stage" }, "app"), stranger.Password(branch, "app"),
        ];

        Assert.Equal(passwords.Length, passwords.Distinct().Count());
        Assert.All(passwords, p => Assert.Matches("^[a-z2-7]{32}$", p));
        Assert.Equal(passwords[0], again.Password(branch, "app"));
        // A later generation, a renamed branch, and one whose project was renamed keep theirs.
        Assert.Equal(passwords[0], key.Password(branch with { Project = "stage", PasswordsOf = "prod" }, "app"));
        Assert.Equal(passwords[0], key.Password(branch with { Generation = 7, Name = "renamed", Port = 1 }, "app"));
    }

    [Fact]
    public void A_known_key_gives_known_passwords_so_that_no_version_changes_them()
    {
        using var root = new TemporaryFolder();
        File.WriteAllBytes(Path.Combine(root.Path, "host.key"), [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

        Assert.Equal(Expected(), new HostKey(new(root.Path)).Password(Branch(), "app"));

        // The same by the standard library's own means.
        static string Expected()
        {
            var bits = string.Concat(HMACSHA256.HashData([.. Enumerable.Range(0, 32).Select(i => (byte)i)], "prod|000000000001|app|0"u8).Take(20).Select(b => Convert.ToString(b, 2).PadLeft(8, '0')));
            return string.Concat(Enumerable.Range(0, 32).Select(i => "abcdefghijklmnopqrstuvwxyz234567"[Convert.ToInt32(bits.Substring(i * 5, 5), 2)]));
        }
    }

    [Fact]
    public void The_key_is_made_once_for_its_owner_alone_and_a_damaged_one_is_told()
    {
        using var root = new TemporaryFolder();
        var file = Path.Combine(root.Path, "host.key");
        var key = new HostKey(new(root.Path)).Key();

        Assert.Equal(key, File.ReadAllBytes(file));
        Assert.Equal(32, key.Length);
        Assert.Equal(["host.key"], Directory.EnumerateFiles(root.Path).Select(Path.GetFileName));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        File.WriteAllBytes(file, key[..31]);
        Assert.Contains("31 bytes", Assert.Throws<PgdException>(() => new HostKey(new(root.Path)).Key()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("alter role app password 'hunter2'", "alter role app password redacted")]
    [InlineData("ALTER ROLE app PASSWORD 'it''s hunter2' valid until 'x'", null)]
    [InlineData("CREATE USER x WITH ENCRYPTED PASSWORD 'hunter2';", null)]
    [InlineData("create role app password E'hun\\'hunter2'", null)]
    [InlineData("create role app password $$hunter2$$", null)]
    [InlineData("postgres://app:hunter2@127.0.0.1:5432/app", "postgres://app:redacted@127.0.0.1:5432/app")]
    [InlineData("postgresql://app:hunter%32@host/x?password=hunter2", null)]
    [InlineData("host=db password=hunter2 dbname=x", "host=db password=redacted dbname=x")]
    [InlineData("host=db password = 'hunter2 hunter2' dbname=x", null)]
    [InlineData("Host=db;Password=hunter2;Database=x", "Host=db;Password=redacted;Database=x")]
    [InlineData("PGPASSWORD=hunter2 psql", "PGPASSWORD=redacted psql")]
    [InlineData("{\"token\": \"hunter2\", \"a\": 1}", null)]
    [InlineData("SCRAM-SHA-256$4096:aHVudGVyMg==$hunter2=:hunter2=", "SCRAM-SHA-256$4096:redacted")]
    public void A_report_holds_no_password_of_a_form_that_can_be_told(string line, string? expected)
    {
        var redacted = Doctor.Redact(line);

        Assert.DoesNotContain("hunter", redacted, StringComparison.Ordinal);
        if (expected is not null)
            Assert.Equal(expected, redacted);
    }

    [Theory]
    [InlineData("LOG:  database system is ready to accept connections")]
    [InlineData("2026-11-21 07:36:16.648 UTC [5913] LOG:  listening on IPv4 address \"127.0.0.1\", port 21000")]
    [InlineData("https://www.postgresql.org/docs/current/")]
    public void A_report_keeps_what_holds_none(string line) => Assert.Equal(line, Doctor.Redact(line));

    [Fact]
    public void A_root_may_be_as_long_as_the_path_of_a_socket_in_it_allows()
    {
        using var folder = new TemporaryFolder();
        // ROOT/s/01234567/.s.PGSQL.65535.lock: 31 bytes after the root, 107 in all.
        var fits = Path.Combine(folder.Path, new string('x', 107 - 31 - folder.Path.Length - 1));

        new Layout(fits).Ensure();
        var error = Assert.Throws<PgdException>(() => new Layout(fits + "y").Ensure());

        Assert.True(Directory.Exists(fits));
        Assert.Equal(ExitCode.MachineLacks, error.ExitCode);
        Assert.Contains("would have 108 bytes, and 107 is the limit", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(fits + "y"));
        Assert.Equal(76, fits.Length);
    }

    private static BranchRecord Branch() => new()
    {
        Id = "000000000001",
        Project = "prod",
        Name = "dev",
        Phase = BranchPhase.Ready,
        Generation = 1,
        Port = 21000,
        Host = "127.0.0.1",
        CreatedAt = DateTimeOffset.UnixEpoch,
    };
}
