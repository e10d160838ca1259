using System.Text.RegularExpressions;

// Every relative link of every page leads somewhere, and every anchor to a heading.
void CheckLinks()
{
    var pages = GetFiles("*.md").Concat(GetFiles("docs/**/*.md")).Select(file => file.FullPath).ToList();
    var broken = 0;
    foreach (var page in pages)
    {
        foreach (Match link in Regex.Matches(WithoutCode(System.IO.File.ReadAllText(page)), @"\]\((?<path>[^)#\s]*)(?<anchor>#[^)\s]*)?\)"))
        {
            var (path, anchor) = (link.Groups["path"].Value, link.Groups["anchor"].Value);
            if (path.Contains("://") || path.StartsWith("mailto:"))
                continue;
            var target = path.Length == 0 ? page : System.IO.Path.GetFullPath(path, System.IO.Path.GetDirectoryName(page));
            if (System.IO.Path.Exists(target) && (anchor.Length == 0 || Anchors(target).Contains(anchor)))
                continue;
            Console.Error.WriteLine($"{Context.Environment.WorkingDirectory.GetRelativePath(File(page))}: {path}{anchor} leads nowhere");
            broken++;
        }
    }

    if (broken > 0)
        Fail(1, null);
    Console.WriteLine($"The links of {pages.Count} pages lead somewhere.");
}

// Writes the page of errors anew; the test that compares it does so when it is told to.
void UpdateTroubleshooting()
{
    Environment.SetEnvironmentVariable("PGD_UPDATE_DOCS", "1");
    Quietly("Collecting errors", "dotnet", ["run", "--project", "tests/Pgd.Tests", "--configuration", configuration, "--", "-class", "Pgd.Tests.Docs.TroubleshootingPage"]);
    Environment.SetEnvironmentVariable("PGD_UPDATE_DOCS", null);
}

// Puts what the demo really prints between the README's two markers.
void UpdateReadme()
{
    Environment.SetEnvironmentVariable("NO_COLOR", "1");
    var start = new System.Diagnostics.ProcessStartInfo("bash", ["build/demo.sh", "--yes"]) { RedirectStandardOutput = true };
    using var process = System.Diagnostics.Process.Start(start);
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0)
        Fail(process.ExitCode, output);
    const string begin = "<!-- What ./build.sh demo prints; put here by ./build.sh docs --update -->", end = "<!-- end of demo -->";
    var readme = System.IO.File.ReadAllText("README.md");
    var (from, to) = (readme.IndexOf(begin), readme.IndexOf(end));
    if (from < 0 || to < from)
        Fail(1, "README.md has no markers for the demo's output.");
    // Whose machine it was does not matter to a reader.
    output = Regex.Replace(output, $@"\b{Regex.Escape(Environment.MachineName)}\b", "runner-1");
    System.IO.File.WriteAllText("README.md", $"{readme[..(from + begin.Length)]}\n```text\n{output.Trim()}\n```\n{readme[to..]}");
}

string WithoutCode(string markdown) => Regex.Replace(markdown, "```.*?```|`[^`\n]*`", "", RegexOptions.Singleline);

// As GitHub makes them: lower case, hyphens for spaces, no punctuation.
IEnumerable<string> Anchors(string page) =>
    Regex.Matches(Regex.Replace(System.IO.File.ReadAllText(page), "```.*?```", "", RegexOptions.Singleline), "^#+ +(.+)$", RegexOptions.Multiline)
        .Select(heading => "#" + Regex.Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), @"[^\w\- ]", "").Replace(' ', '-'));
