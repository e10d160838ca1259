using Pgd.IntegrationTests.Branches;
using Pgd.Schema;
using Xunit;

namespace Pgd.IntegrationTests.Schema;

/// <summary>The schema of one branch compared with another's.</summary>
public abstract class SchemaDiffSuite(ShopFixture fixture)
{
    private static readonly string Folder = Path.Combine(Checkout.Folder, "tests", "Pgd.IntegrationTests", "Schema");
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_branch_that_was_just_made_differs_in_nothing_and_neither_does_the_same_schema_made_in_another_order()
    {
        await _shop.CreateAsync("whole");
        await RunAsync("whole", "everything.sql");
        await _shop.CreateAsync("child", from: "whole");
        await _shop.CreateAsync("reordered");
        await RunAsync("reordered", "reordered.sql");

        foreach (var diff in new[] { await DiffAsync("child", privileges: true), await DiffAsync("reordered", "whole", privileges: true) })
        {
            Assert.Equal("", diff.Text);
            Assert.Equal((true, "no difference"), (diff.IsEmpty, diff.Summary));
            Assert.Empty(diff.Objects);
            Assert.Empty(diff.Groups);
        }

        Assert.Equal((Shop.Name("child"), Shop.Name("whole"), "shop"), await DiffAsync("child") is var same ? (same.Branch, same.Base, same.Database) : default);
        await _shop.DeleteAsync("child", "reordered");
        await _shop.DeleteAsync("whole");
    }

    [Fact]
    public async Task What_a_migration_does_to_each_kind_of_object_is_told_as_a_reviewer_reads_it()
    {
        await _shop.CreateAsync("before");
        await RunAsync("before", "everything.sql");
        await _shop.CreateAsync("after", from: "before");
        await RunAsync("after", "migration.sql");

        var diff = await DiffAsync("after");
        Matches("migration.verified.txt", $"{diff.Summary}\n\n{diff.Text}");
        // The other way round all of it is the other way round.
        var back = await DiffAsync("before", "after");
        Assert.Equal(Turned(diff.Groups), back.Groups);
        Assert.Equal(diff.Objects.Select(o => (o.Kind, o.Name, o.Old, o.New)), back.Objects.Select(o => (o.Kind, o.Name, o.New, o.Old)));

        var closer = await DiffAsync("after", privileges: true);
        Matches("privileges.verified.txt", string.Concat(closer.Text.Split('\n').Where(l => l is ['+' or '-', not ('+' or '-'), ..] && (l.Contains("GRANT", StringComparison.Ordinal) || l.Contains("REVOKE", StringComparison.Ordinal) || l.Contains("OWNER TO reporting", StringComparison.Ordinal))).Select(l => l + "\n")));
        Assert.Equal(["1 owner changed", "1 privilege added", "1 privilege changed", "1 set of default privileges removed"], closer.Groups.Except(diff.Groups).Select(g => g.ToString()));
        Assert.DoesNotContain("OWNER TO", diff.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("GRANT ", diff.Text, StringComparison.Ordinal);

        await _shop.DeleteAsync("after");
        await _shop.DeleteAsync("before");

        static IEnumerable<SchemaGroup> Turned(IEnumerable<SchemaGroup> groups) =>
            groups.Select(g => g with { Change = g.Change switch { SchemaChange.Added => SchemaChange.Removed, SchemaChange.Removed => SchemaChange.Added, var same => same } }).OrderBy(g => g.Kind).ThenBy(g => g.Change);
    }

    [Fact]
    public async Task No_secret_of_a_foreign_server_is_told_whatever_its_option_is_called()
    {
        await _shop.CreateAsync("secrets");
        await RunAsync("secrets", "everything.sql");

        var diff = await DiffAsync("secrets", privileges: true);

        Assert.Contains("OPTION host 'here'", diff.Text, StringComparison.Ordinal);
        Assert.Contains("https://robot:***@db.example.com/x", diff.Text, StringComparison.Ordinal);
        foreach (var text in diff.Objects.SelectMany(o => new[] { o.Name, o.Old, o.New }).Append(diff.Text))
            Assert.DoesNotContain("Sesame", text ?? "", StringComparison.Ordinal);
        await _shop.DeleteAsync("secrets");
    }

    [Fact]
    public async Task Moved_columns_changed_bodies_and_what_a_terminal_would_obey_are_seen()
    {
        await _shop.CreateAsync("first");
        await _shop.CreateAsync("second");
        await _shop.AdministerAsync("first", "create table moved (a int, b int)", "create function body() returns text language sql as E'select 1;\\r\\nselect ''x'''");
        await _shop.AdministerAsync("second", "create table moved (b int, a int)", "create function body() returns text language sql as E'select 1;\\nselect ''\\x1b[2Jx'''");

        var diff = await DiffAsync("second", "first");

        Assert.Equal("1 table changed, 1 function changed", diff.Summary);
        Assert.Contains("-AS $function$select 1;␍\n-select 'x'$function$\n+AS $function$select 1;\n+select '␛[2Jx'$function$\n", diff.Text, StringComparison.Ordinal);
        Assert.Contains("@@ -1,4 +1,4 @@ table public.moved\n CREATE TABLE public.moved (\n", diff.Text, StringComparison.Ordinal);
        await _shop.DeleteAsync("first", "second");
    }

    [Fact]
    public async Task What_cannot_be_compared_is_refused_with_what_to_type()
    {
        await _shop.CreateAsync("one");
        await _shop.CreateAsync("masked", with: c => c with { Golden = true });
        await _shop.CreateAsync("of-masked", from: "masked");

        Assert.Equal("Say with what: dotnet pgd branch diff shop/main shop/NAME", (await _shop.RefusedAsync(ExitCode.Misuse, () => DiffAsync("main"))).Hint);
        await _shop.RefusedAsync(ExitCode.Misuse, () => DiffAsync("one", "one"));
        await _shop.RefusedAsync(ExitCode.NotFound, () => DiffAsync("one", "nobody"));
        await _shop.RefusedAsync(ExitCode.NotFound, () => DiffAsync("one", database: "nothing"));
        Assert.Equal("Compare with a branch of it: dotnet pgd branch create shop/masked-base --from masked; dotnet pgd branch diff shop/of-masked shop/masked-base", (await _shop.RefusedAsync(ExitCode.Unsafe, () => DiffAsync("of-masked"))).Hint);
        // What it says to type works.
        await _shop.CreateAsync("masked-base", from: "masked");
        Assert.True((await DiffAsync("of-masked", "masked-base")).IsEmpty);

        await _shop.AdministerAsync("one", "create database second");
        Assert.Contains("shop/main has no database \"second\"", (await _shop.RefusedAsync(ExitCode.NotFound, () => DiffAsync("one", database: "second"))).Message, StringComparison.Ordinal);
        Assert.True((await DiffAsync("one", database: "shop")).IsEmpty);
        await _shop.StopAsync("one");
        Assert.Equal("Start it: dotnet pgd start shop/one", (await _shop.RefusedAsync(ExitCode.Failed, () => DiffAsync("one"))).Hint);

        await _shop.DeleteAsync("one", "masked-base", "of-masked");
        await _shop.DeleteAsync("masked");
    }

    [Fact]
    public async Task Status_tells_who_is_connected_since_when_it_runs_and_what_it_takes()
    {
        var before = DateTimeOffset.UtcNow.AddSeconds(-1);
        await _shop.CreateAsync("watched");
        await _shop.CreateAsync("asleep");
        await _shop.StopAsync("asleep");
        await _shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Name("watched") }, CancellationToken.None);
        var url = await _shop.ConnectAsync("watched");
        await using var client = new Npgsql.NpgsqlConnection($"Host={url.Host};Port={url.Port};Username={url.User};Password={url.Password};Database={url.Database};Pooling=false");
        await client.OpenAsync();

        var all = (await _shop.Workspace.Branches.ListActivityAsync("shop", CancellationToken.None)).ToDictionary(a => a.Branch.Name.Branch);
        var watched = all["watched"];

        Assert.Equal((1, 1, null), (watched.Connections, watched.Snapshots, watched.Unknown));
        Assert.InRange(watched.StartedAt!.Value, before, DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.InRange(watched.DatabaseBytes!.Value, 10 << 20, 1 << 30);
        Assert.Equal((BranchStatus.Stopped, null, null, null, 0), all["asleep"] is var asleep ? (asleep.Branch.Status, asleep.Connections, asleep.StartedAt, asleep.DatabaseBytes, asleep.Snapshots) : default);
        Assert.Equal(watched with { DatabaseBytes = 0 }, await _shop.Workspace.Branches.GetActivityAsync(Shop.Name("watched"), CancellationToken.None) with { DatabaseBytes = 0, Branch = watched.Branch });

        await _shop.Workspace.Branches.DeleteAsync(Shop.Name("watched"), ifExists: false, withSnapshots: true, CancellationToken.None);
        await _shop.DeleteAsync("asleep");
    }

    private Task<SchemaDiff> DiffAsync(string branch, string? other = null, string? database = null, bool privileges = false) =>
        _shop.Workspace.Branches.DiffAsync(new() { Name = Shop.Name(branch), Base = other is null ? null : Shop.Name(other), Database = database, Privileges = privileges }, CancellationToken.None);

    private async Task RunAsync(string branch, string file) => await _shop.AdministerAsync(branch, (await File.ReadAllTextAsync(Path.Combine(Folder, file))).Split("-- Another transaction.\n"));

    // The same text on each version: what an extension's version is says nothing.
    private static void Matches(string file, string text)
    {
        text = System.Text.RegularExpressions.Regex.Replace(text, "VERSION '1\\.\\d'", "VERSION '1.x'");
        var verified = Path.Combine(Folder, file);
        if (File.Exists(verified) && File.ReadAllText(verified) == text)
            return;
        File.WriteAllText(verified.Replace(".verified.", ".received.", StringComparison.Ordinal), text);
        Assert.Equal(File.Exists(verified) ? File.ReadAllText(verified) : $"There is no {file} yet.", text);
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class SchemaDiffOnBtrfs15(Btrfs15 fixture) : SchemaDiffSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class SchemaDiffOnBtrfs18(Btrfs18 fixture) : SchemaDiffSuite(fixture), IClassFixture<Btrfs18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class SchemaDiffOnBtrfsInDocker17(BtrfsDocker17 fixture) : SchemaDiffSuite(fixture), IClassFixture<BtrfsDocker17>;
