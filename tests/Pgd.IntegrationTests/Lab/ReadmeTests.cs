using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>What people copy out of the README works.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void The_readmes_workflow_has_fifteen_lines_and_is_understood_by_GitHub()
    {
        var lines = File.ReadLines(Path.Combine(Checkout.Folder, "README.md")).SkipWhile(line => line != "```yaml").Skip(1).TakeWhile(line => line != "```").ToList();
        var file = Path.Combine(Directory.CreateTempSubdirectory("pgd-readme-").FullName, "workflow.yml");
        try
        {
            File.WriteAllLines(file, lines);
            var workflow = ActionsParser.Current.Workflow(file);
            var inputs = ActionsParser.Current.Action(Path.Combine(Checkout.Folder, "action.yml"))["inputs"]!.AsObject().Select(input => input.Key);
            var given = workflow["content"]!["jobs"]!["database"]!["steps"]!.AsArray()[1]!["with"]!.AsObject().Select(input => input.Key);

            Assert.Equal(15, lines.Count);
            Assert.Empty(workflow["errors"]!.AsArray());
            Assert.Empty(ActionsParser.Current.Lint(file)["errors"]!.AsArray());
            Assert.Empty(given.Except(inputs));
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }
}
