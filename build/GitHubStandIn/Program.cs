using Pgd.IntegrationTests;
using Pgd.IntegrationTests.GitHub;

// The tests' stand-in for GitHub as a program, for the demo: one repository, one pull request, one token. It reads what happens
// to the pull request from its input, one line each, and answers each with one line. It ends with its input, so that nothing is
// left over when the demo is killed.
//
//   open | push | close   writes the event's payload to EVENT-FILE
//   adds PATH             the pull request adds that file
//   objections            what Prism found that GitHub would not have sent or taken, on one line
//
// With --show it prints a comment's Markdown, read from its input, as a reviewer sees it.
if (args is ["--show"])
{
    var color = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
    Console.WriteLine(CommentText.Render(await Console.In.ReadToEndAsync(), color));
    return 0;
}

if (args is not [var eventFile])
{
    Console.Error.WriteLine("Usage: GitHubStandIn EVENT-FILE | --show");
    return 2;
}

await using var github = await FakeGitHub.StartAsync();
var repository = github.AddRepository("Codertocat/Hello-World", 186853002);
var pullRequest = repository.Open(2);
var checkedByPrism = LabCommand.Exists("node") && LabCommand.Exists("npm");
await using var prism = checkedByPrism ? await Prism.StartAsync(github.Address) : null;
if (prism is not null)
    github.PublicAddress = prism.Address;
Console.WriteLine($"{github.Api} {github.WorkflowToken().Value} {(checkedByPrism ? "prism" : "alone")}");

while (await Console.In.ReadLineAsync() is { } line)
{
    switch (line.Split(' ', 2))
    {
        case ["adds", var path]:
            pullRequest.Files.Add((path, "added"));
            break;
        case ["open"]:
            await DeliverAsync("opened");
            break;
        case ["push"]:
            pullRequest.Push();
            await DeliverAsync("synchronize");
            break;
        case ["close"]:
            pullRequest.Closed = true;
            await DeliverAsync("closed");
            break;
        case ["objections"]:
            Console.WriteLine(string.Join(" ¦ ", prism is null ? [] : await prism.ViolationsAsync()));
            continue;
        default:
            Console.WriteLine($"{line}?");
            continue;
    }

    Console.WriteLine("done");
}

return 0;

Task DeliverAsync(string action) => File.WriteAllTextAsync(eventFile, Payloads.PullRequest(action, pullRequest, github.Api));
