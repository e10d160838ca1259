using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Pgd.Migrations;
using Pgd.Tracing;
using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>
/// Programs that people migrate with, in three languages, each with the same two migrations in its own words: what they do is seen, they are taken back, and a second time does nothing.
/// </summary>
[Collection("rehearsals")]
public sealed class OtherTools(Reflink15 fixture) : IClassFixture<Reflink15>, IDisposable
{
    private readonly Shop _shop = fixture.Shop;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Dbmate_whose_files_are_SQL()
    {
        _folder.Write("db/1_note.sql", "-- migrate:up\nalter table orders add note text;\ncreate index orders_note on orders (note);\n\n-- migrate:down\ndrop index orders_note;\nalter table orders drop column note;\n");
        _folder.Write("db/2_wide.sql", "-- migrate:up\n-- pgd: allow type-change because the table is small\nalter table orders alter column amount type bigint;\n\n-- migrate:down\nalter table orders alter column amount type int;\n");
        var dbmate = $"{NodePackages.File("@dbmate/linux-x64/bin/dbmate")} --migrations-dir db --no-dump-schema";

        var report = await RehearseAsync($"export DATABASE_URL=\"$DATABASE_URL?sslmode=disable\"; {dbmate} up", $"export DATABASE_URL=\"$DATABASE_URL?sslmode=disable\"; {dbmate} rollback && {dbmate} rollback", "db/1_note.sql", "db/2_wide.sql");

        Assert.Contains(report.Findings, f => f is { Rule: "index-not-concurrent", File: "db/1_note.sql", Line: 3 });
        Assert.Contains(report.Findings, f => f is { Rule: "type-change", File: "db/2_wide.sql", Line: 3, WaivedBecause: "the table is small" });
    }

    [Fact]
    public async Task Node_pg_migrate_whose_files_are_JavaScript()
    {
        _folder.Write("migrations/1_note.cjs", "exports.up = pgm => { pgm.addColumn('orders', { note: 'text' }); pgm.createIndex('orders', 'note', { name: 'orders_note' }); };\nexports.down = pgm => { pgm.dropIndex('orders', 'note', { name: 'orders_note' }); pgm.dropColumn('orders', 'note'); };\n");
        _folder.Write("migrations/2_wide.cjs", "exports.up = pgm => pgm.alterColumn('orders', 'amount', { type: 'bigint' });\nexports.down = pgm => pgm.alterColumn('orders', 'amount', { type: 'int' });\n");
        var migrate = $"node {NodePackages.File("node-pg-migrate/bin/node-pg-migrate.js")} --migrations-dir migrations";

        await RehearseAsync($"{migrate} up", $"{migrate} down 2");
    }

    [Fact]
    public async Task Knex_which_keeps_a_lock_in_a_table()
    {
        // It wants to be installed where it is used.
        Directory.CreateSymbolicLink(Path.Combine(_folder.Path, "node_modules"), NodePackages.File(""));
        _folder.Write("knexfile.cjs", "module.exports = { client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: './migrations' } };\n");
        _folder.Write("migrations/1_note.cjs", "exports.up = k => k.schema.alterTable('orders', t => { t.text('note'); t.index('note', 'orders_note'); });\nexports.down = k => k.schema.alterTable('orders', t => { t.dropIndex('note', 'orders_note'); t.dropColumn('note'); });\n");
        _folder.Write("migrations/2_wide.cjs", "exports.up = k => k.raw('alter table orders alter column amount type bigint');\nexports.down = k => k.raw('alter table orders alter column amount type int');\n");
        var knex = $"node {NodePackages.File("knex/bin/cli.js")} --knexfile knexfile.cjs";

        await RehearseAsync($"{knex} migrate:latest", $"{knex} migrate:rollback");
    }

    [Fact]
    public async Task EF_Core_by_its_own_tool()
    {
        _folder.Write("Shop.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable><ImplicitUsings>enable</ImplicitUsings></PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Microsoft.EntityFrameworkCore.Design" Version="10.0.3" />
                <PackageReference Include="Npgsql.EntityFrameworkCore.PostgreSQL" Version="10.0.3" />
              </ItemGroup>
            </Project>
            """);
        _folder.Write("Shop.cs", """
            using Microsoft.EntityFrameworkCore;
            using Microsoft.EntityFrameworkCore.Infrastructure;
            using Microsoft.EntityFrameworkCore.Migrations;

            Console.WriteLine("The migrations run by dotnet ef.");

            public class ShopContext : DbContext
            {
                protected override void OnConfiguring(DbContextOptionsBuilder options) => options.UseNpgsql(
                    $"Host={V("PGHOST")};Port={V("PGPORT")};Database={V("PGDATABASE")};Username={V("PGUSER")};Password={V("PGPASSWORD")}");

                private static string? V(string name) => Environment.GetEnvironmentVariable(name);
            }

            [DbContext(typeof(ShopContext)), Migration("20260101000000_Note")]
            public class Note : Migration
            {
                protected override void Up(MigrationBuilder migration)
                {
                    migration.AddColumn<string>("note", "orders", nullable: true);
                    migration.CreateIndex("orders_note", "orders", "note");
                }

                protected override void Down(MigrationBuilder migration)
                {
                    migration.DropIndex("orders_note", "orders");
                    migration.DropColumn("note", "orders");
                }
            }

            [DbContext(typeof(ShopContext)), Migration("20260201000000_Wide")]
            public class Wide : Migration
            {
                protected override void Up(MigrationBuilder migration) => migration.AlterColumn<long>("amount", "orders", oldClrType: typeof(int));

                protected override void Down(MigrationBuilder migration) => migration.AlterColumn<int>("amount", "orders", oldClrType: typeof(long));
            }
            """);
        LabCommand.Run("dotnet", "tool", "install", "dotnet-ef", "--version", "10.0.15", "--tool-path", Path.Combine(_folder.Path, "tools"));
        LabCommand.Run("dotnet", "build", Path.Combine(_folder.Path, "Shop.csproj"), "-v", "quiet", "-nologo");
        const string Ef = "tools/dotnet-ef database update --no-build";

        await RehearseAsync(Ef, $"{Ef} 0");
    }

    private async Task<MigrationReport> RehearseAsync(string up, string down, params IReadOnlyList<string> sources)
    {
        var name = Shop.Name("tools");
        await _shop.CreateAsync("tools");
        try
        {
            // As on a database that the program has migrated before: its own tables are there.
            var connection = await _shop.ConnectAsync("tools", "shop");
            var command = new MigrationCommand { Branch = name, Connection = connection, Script = up, WorkingDirectory = _folder.Path, Output = _ => { } };
            foreach (var script in (string[])[up, down])
            {
                var made = await _shop.Workspace.Migrations.RunCommandAsync(command with { Script = script }, default);
                Assert.True(made.Succeeded, string.Join('\n', made.OutputTail));
            }

            var report = await _shop.Workspace.Migrations.RehearseAsync(new() { Branch = name, Connection = connection, Command = command, Down = down, Rerun = true, Sources = sources }, default);

            Assert.True(report.Run.Succeeded, string.Join('\n', report.Run.OutputTail));
            Assert.Empty(report.Trace.Gaps);
            Assert.Contains(report.Findings, f => f.Rule == "index-not-concurrent");
            Assert.Contains(report.Findings, f => f.Rule == "type-change");
            Assert.Contains(report.Trace.Statements.SelectMany(s => s.Rewrites), r => r is { Relation: "public.orders", Kind: RelationKind.Table });
            Assert.Contains(report.Trace.Locks, l => l is { Relation: "public.orders", Mode: LockMode.AccessExclusive });
            // Beside the program's own tables.
            Assert.EndsWith("1 column added, 1 column changed, 1 index added", report.Schema!.Summary, StringComparison.Ordinal);
            Assert.True(report.Rollback!.Succeeded, report.Rollback.Summary + report.Rollback.Left?.Text);
            Assert.True(report.Rerun!.Succeeded, report.Rerun.Summary);
            return report;
        }
        finally
        {
            await _shop.DeleteAsync("tools");
        }
    }
}
