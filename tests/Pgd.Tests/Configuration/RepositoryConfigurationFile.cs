using Pgd.Configuration;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Configuration;

public sealed class RepositoryConfigurationFile : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_key_is_read()
    {
        _folder.Write("pgd.yml",
            """
            project: shop
            parent: staging
            database: shop
            role: app
            migrations:
              files: db/migrations/*.sql
              ledger: public.migrations
              working-directory: server
              deadline: 30m
            budget:
              max-duration: 10m
              max-exclusive-lock: 1500ms
              max-rewrite-bytes: 0
              max-wal-bytes: 10GB
              deny: [drop-column, type-change]
            anonymize:
              - db/anonymize.sql
              - db/more.sql
            policy:
              on-push: keep
              ttl: 3d
              fork-policy: allow
              drafts: true
              label: database
              comment: summary
              keep-on-failure: false
              sweep-limit: 5
            """);

        var configuration = RepositoryFile.Load(_folder.Path);

        Assert.Equal(("shop", "staging", "shop", "app"), (configuration.Project, configuration.Parent, configuration.Database, configuration.Role));
        Assert.Equal(new MigrationSettings { Files = "db/migrations/*.sql", Ledger = "public.migrations", WorkingDirectory = "server", Deadline = TimeSpan.FromMinutes(30) }, configuration.Migrations);
        var budget = configuration.Budget;
        Assert.Equal((TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(1.5), 0L, 10L << 30), (budget.MaxDuration, budget.MaxExclusiveLock, budget.MaxRewriteBytes, budget.MaxWalBytes));
        Assert.Equal(["drop-column", "type-change"], budget.Deny);
        Assert.Equal(["db/anonymize.sql", "db/more.sql"], configuration.Anonymize);
        Assert.Equal(
            new PolicySettings
            {
                OnPush = "keep",
                TimeToLive = TimeSpan.FromDays(3),
                ForkPolicy = "allow",
                Drafts = true,
                Label = "database",
                Comment = "summary",
                KeepOnFailure = false,
                SweepLimit = 5,
            }, configuration.Policy);
    }

    [Fact]
    public void A_command_may_have_several_lines()
    {
        _folder.Write("pgd.yml", "migrations:\n  command: |\n    npm ci\n    npm run migrate\nanonymize: one.sql");

        var configuration = RepositoryFile.Load(_folder.Path);

        Assert.Equal("npm ci\nnpm run migrate\n", configuration.Migrations.Command);
        Assert.Equal(["one.sql"], configuration.Anonymize);
    }

    [Theory]
    [InlineData("polcy:\n  ttl: 1d", "1: unknown key \"polcy\"", "Did you mean \"policy\"?")]
    [InlineData("policy:\n  on_push: keep", "2: unknown key \"policy.on_push\"", "Did you mean \"on-push\"?")]
    [InlineData("migrations:\n  comand: make", "2: unknown key \"migrations.comand\"", "Did you mean \"command\"?")]
    [InlineData("project: Shop", "1: \"project\" cannot be \"Shop\": a name has 1 to 50 lower-case letters, digits and inner hyphens", null)]
    [InlineData("policy:\n  drafts: yes", "2: \"policy.drafts\" cannot be \"yes\": it is one of true, false", null)]
    [InlineData("policy:\n  sweep-limit: -1", "2: \"policy.sweep-limit\" must be a whole number, not \"-1\"", null)]
    [InlineData("policy:\n  sweep-limit: 99999999999", "2: \"policy.sweep-limit\" must be a whole number, not \"99999999999\"", null)]
    [InlineData("policy:\n  comment: maybe", "2: \"policy.comment\" cannot be \"maybe\": it is one of true, summary, false", null)]
    [InlineData("migrations:\n  command: make\n  files: a.sql", "3: \"migrations.files\" and \"migrations.command\" exclude each other", null)]
    [InlineData("migrations:\n  files: a.sql\n  down: make down", "3: \"migrations.down\" takes a command back, and \"migrations.files\" have files NAME.down.sql for that", null)]
    [InlineData("budget:\n  max-lock: 2s", "2: unknown key \"budget.max-lock\"", "Keys here: max-duration, max-exclusive-lock, max-rewrite-bytes, max-wal-bytes, deny.")]
    [InlineData("budget:\n  max-duration: long", "2: \"budget.max-duration\": \"long\" is not a duration", "Write a number and a unit (s, m, h, d, w), for example 30m, 12h or 7d; never or 0 for none.")]
    [InlineData("budget:\n  deny:\n    - truncate\n    - drop-colum", "4: \"budget.deny\": there is no rule \"drop-colum\" to deny", "Did you mean \"drop-column\"?")]
    public void Mistakes_are_named_with_their_line(string text, string message, string? hint)
    {
        var file = _folder.Write("pgd.yml", text);

        var e = Assert.Throws<PgdException>(() => RepositoryFile.Load(_folder.Path));

        Assert.Equal($"{file}:{message}", e.Message);
        Assert.Equal(ExitCode.Misuse, e.ExitCode);
        Assert.Equal(hint, e.Hint);
    }

    [Fact]
    public void Is_found_from_a_folder_below_it()
    {
        _folder.Write("pgd.yml", "project: shop");
        Directory.CreateDirectory(Path.Combine(_folder.Path, "a/b"));

        Assert.Equal("shop", RepositoryFile.Load(Path.Combine(_folder.Path, "a/b")).Project);
    }

    [Fact]
    public void Is_not_looked_for_above_the_repository()
    {
        _folder.Write("pgd.yml", "project: outer");
        Directory.CreateDirectory(Path.Combine(_folder.Path, "inner/.git"));

        Assert.Null(RepositoryFile.Load(Path.Combine(_folder.Path, "inner")).Project);
    }
}
