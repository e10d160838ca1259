using System.Text;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Docs;

/// <summary>What the page for those who come from other tools says can be typed.</summary>
public sealed partial class ComingFrom
{
    [Fact]
    public async Task Every_line_of_the_page_does_what_it_says_in_the_order_in_which_it_stands()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Mounting file systems and running servers as another account need root");
        using var root = new ToolRoot("reflink");
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string>(root.Variables) { ["HOME"] = "/nonexistent" };
        var password = "";
        // What is to be typed is in the last column of the tables of commands.
        var rows = File.ReadLines(Path.Combine(Checkout.Folder, "docs/coming-from.md")).TakeWhile(line => !line.StartsWith("## postgres-seren-replicator", StringComparison.Ordinal))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')).ToList();
        var commands = rows.SelectMany(row => Span().Matches(row[^2]).Select(match => match.Groups["command"].Value)).ToList();
        Assert.True(commands.Count > 40, $"only {commands.Count} commands were found");
        // Of the machine as a whole, and so tried where that can be thrown away: SettingUp.
        Assert.Equal(2, commands.RemoveAll(command => command == "sudo dotnet-pgd setup"));

        foreach (var command in commands.Where(command => command.StartsWith("dotnet pgd ", StringComparison.Ordinal)))
        {
            // A database that somebody has, where the page speaks of one.
            if (command.Contains("--env-file", StringComparison.Ordinal) && password.Length == 0)
                (environment["PGPORT"], password) = await DatabaseAsync(root, folder);
            using StringWriter output = new(), error = new();
            using var input = new MemoryStream(Encoding.UTF8.GetBytes(command.Contains("--password-stdin", StringComparison.Ordinal) ? password + "\n" : ""));
            var status = await Pgd.Tool.Entry.RunAsync(Arguments(command["dotnet pgd ".Length..].Split(" <password")[0]), new() { Output = output, Error = error, Environment = environment, WorkingDirectory = folder.Path, Input = () => input });
            var result = new ToolResult(status, output.ToString(), error.ToString());
            // The doctor tells of the machine; here it has to find nothing that a user of the page did.
            Assert.True(result.Status == 0 || (command == "dotnet pgd doctor" && result.Status == (int)ExitCode.Failed), $"{command}: {result}");
        }
    }

    private static async Task<(string Port, string Password)> DatabaseAsync(ToolRoot root, TemporaryFolder folder)
    {
        var url = await root.Workspace.Branches.ConnectAsync(BranchName.Parse("prod/main"), "postgres", "postgres", default);
        foreach (var (database, sql) in ((string, string)[])[("postgres", "create database mydb"), ("mydb", "create table users (id int primary key, email text, is_active bool); create table orders (id int); insert into users select i, i || '@example.com', i % 2 = 0 from generate_series(1, 200) i")])
        {
            await using var connection = await ScriptConnection.OpenAsync(url with { Database = database }, "test", null, default);
            await connection.QueryAsync(sql, default);
        }

        folder.Write(".env", $"DB_HOST=localhost\nDB_PORT={url.Port}\nDB_USER=postgres\nDB_PASSWORD={url.Password}\nDB_NAME=mydb\n");
        return ($"{url.Port}", url.Password!);
    }

    private static string[] Arguments(string text) => [.. Word().Matches(text).Select(word => word.Value.Trim('"'))];

    [GeneratedRegex("`(?<command>(?:sudo dotnet-pgd|dotnet pgd) [^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Word();
}
