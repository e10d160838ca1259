using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>GitHub's own parsers and its expression language, in one Node process for all tests of a run.</summary>
internal sealed class ActionsParser
{
    private static readonly Lazy<ActionsParser> Running = new(() => new(NodePackages.Start("actions.mjs")));
    private readonly Process _process;
    private readonly Lock _lock = new();

    private ActionsParser(Process process) => _process = process;

    /// <summary>The one process.</summary>
    public static ActionsParser Current => Running.Value;

    /// <summary>Parses a workflow as GitHub does: <c>errors</c>, <c>uses</c> (contexts that expressions reach into), <c>content</c>.</summary>
    public JsonObject Workflow(string path) => Ask("workflow", new() { ["path"] = path });

    /// <summary>Parses an action's metadata: <c>errors</c>, <c>inputs</c>, <c>outputs</c>, <c>steps</c>, <c>uses</c>.</summary>
    public JsonObject Action(string path) => Ask("action", new() { ["path"] = path });

    /// <summary>What GitHub's schemas have to say about a payload of the event <c>pull_request</c>.</summary>
    public JsonObject Payload(string action, string payload) =>
        Ask("payload", new() { ["definition"] = $"pull_request${action}", ["payload"] = JsonNode.Parse(payload) });

    /// <summary>What actionlint has to say about a workflow.</summary>
    public JsonObject Lint(string path) => Ask("lint", new() { ["path"] = path });

    /// <summary>Evaluates a scalar of <see cref="Action"/>: text stays text, an expression gets its value.</summary>
    public string Value(JsonNode scalar, JsonObject contexts, string status = "success") =>
        scalar["text"] is { } text ? text.GetValue<string>() : Evaluate(scalar, contexts, status)["value"]!.GetValue<string>();

    /// <summary>Evaluates a condition.</summary>
    public bool Holds(JsonNode scalar, JsonObject contexts, string status) => Evaluate(scalar, contexts, status)["truthy"]!.GetValue<bool>();

    private JsonObject Evaluate(JsonNode scalar, JsonObject contexts, string status) => Ask("evaluate", new()
    {
        ["expression"] = scalar["expression"]!.GetValue<string>(),
        ["contexts"] = contexts.DeepClone(),
        ["status"] = status,
    });

    private JsonObject Ask(string operation, JsonObject request)
    {
        request["operation"] = operation;
        string? line;
        lock (_lock)
        {
            _process.StandardInput.WriteLine(request.ToJsonString());
            _process.StandardInput.Flush();
            line = _process.StandardOutput.ReadLine();
        }

        var answer = JsonSerializer.Deserialize<JsonObject>(line ?? throw new InvalidOperationException("The parser ended."))!;
        return answer["failed"] is { } failure ? throw new InvalidOperationException($"{operation}: {failure.GetValue<string>()}") : answer;
    }
}
