using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pgd.Processes;
using Pgd.Provisioning;
using Pgd.Tracing;

namespace Pgd.Lint;

/// <summary>What squawk, a linter that reads SQL and never runs it, says of the same files, where it is installed.</summary>
/// <remarks>https://squawkhq.com. Its configuration <c>.squawk.toml</c> and its comments <c>-- squawk-ignore</c> hold.</remarks>
internal static class Squawk
{
    private const string Program = "squawk";

    // What was seen needs no second opinion from whoever has seen nothing.
    private static readonly Dictionary<string, Rule[]> Same = new(StringComparer.Ordinal)
    {
        ["adding-field-with-default"] = [Rule.VolatileDefault],
        ["adding-foreign-key-constraint"] = [Rule.ForeignKeyValidates],
        ["adding-not-nullable-field"] = [Rule.SetNotNull],
        ["adding-required-field"] = [Rule.SetNotNull],
        ["ban-drop-column"] = [Rule.DropColumn],
        ["ban-drop-table"] = [Rule.DropTable],
        ["ban-truncate-cascade"] = [Rule.Truncate],
        ["changing-column-type"] = [Rule.TypeChange],
        ["constraint-missing-not-valid"] = [Rule.CheckValidates, Rule.ForeignKeyValidates],
        ["disallowed-unique-constraint"] = [Rule.UniqueConstraint],
        ["adding-serial-primary-key-field"] = [Rule.VolatileDefault, Rule.UniqueConstraint],
        ["renaming-column"] = [Rule.Rename],
        ["renaming-table"] = [Rule.Rename],
        ["require-concurrent-index-creation"] = [Rule.IndexNotConcurrent],
        ["require-concurrent-index-deletion"] = [Rule.DropIndexNotConcurrent],
        ["require-lock-timeout"] = [Rule.MissingLockTimeout],
        ["require-timeout-settings"] = [Rule.MissingLockTimeout],
    };

    /// <summary>Where it is on this machine; null if it is not. By its path it is started: of a bare name the present folder would be asked first, and that is the pull request's.</summary>
    public static string? Find() => SystemPrograms.Find(Program);

    /// <summary>What it finds beyond what was seen. Never an error in itself: it has not seen how large a table is, nor whether anybody uses it.</summary>
    /// <param name="program">Where squawk is.</param>
    /// <param name="folder">Where the files are.</param>
    /// <param name="files">The files, relative to it.</param>
    /// <param name="inTransaction">Whether each of them runs in one transaction.</param>
    /// <param name="major">The server's major version.</param>
    /// <param name="trace">What they did.</param>
    /// <param name="seen">What was found in that.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It did not answer, or not as it should (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task<IReadOnlyList<LintFinding>> FindAsync(string program, string folder, IReadOnlyList<string> files, bool inTransaction, int major, MigrationTrace trace, IReadOnlyList<LintFinding> seen, CancellationToken cancellationToken)
    {
        string[] arguments = ["--reporter", "Json", "--pg-version", string.Create(CultureInfo.InvariantCulture, $"{major}.0"), .. inTransaction ? new[] { "--assume-in-transaction" } : [], "--", .. files];
        // The status only says whether there is something.
        var result = await Shell.TryRunAsync(new Command(program, arguments) { WorkingDirectory = folder }, cancellationToken).ConfigureAwait(false);
        try
        {
            var said = JsonSerializer.Deserialize(result.Output, SquawkJson.Default.SquawkViolationArray) ?? [];
            return [.. said.Select(Finding).Where(f => !seen.Any(s => s.File == f.File && s.Statement == f.Statement && Same.GetValueOrDefault(f.Rule[(Program.Length + 1)..])?.Any(r => r.Id == s.Rule) == true))];
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Failed, $"squawk did not answer as it should: {Shell.LastLines(result.Error.Length > 0 ? result.Error : result.Output, 2)}", inner: e);
        }

        LintFinding Finding(SquawkViolation violation)
        {
            // It counts from 0, and names the line inside a statement.
            var statement = trace.Statements.Where(s => s.File == violation.File && s.Line <= violation.Line + 1).MaxBy(s => s.Line);
            var rule = $"{Program}/{violation.RuleName}";
            return new()
            {
                Rule = rule,
                Level = FindingLevel.Warning,
                Message = violation.Message.TrimEnd('.'),
                Why = "",
                Instead = violation.Help ?? "",
                Statement = statement?.Number ?? 0,
                File = violation.File,
                Line = violation.Line + 1,
                WaivedBecause = statement?.Parts.SelectMany(p => p.Waivers).FirstOrDefault(w => w.Rule == rule)?.Reason,
            };
        }
    }
}

internal sealed record SquawkViolation(string File, int Line, string Message, string? Help, string RuleName);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SquawkViolation[]))]
internal sealed partial class SquawkJson : JsonSerializerContext;
