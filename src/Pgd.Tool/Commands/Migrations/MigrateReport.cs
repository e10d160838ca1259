using System.CommandLine;
using System.Text.Json;
using Pgd.Action.Reports;
using Pgd.Migrations;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Migrations;

internal static class MigrateReport
{
    public static Command Command(Surface surface)
    {
        var file = new Argument<string?>("file") { HelpName = "FILE", Description = "The report.json of an earlier run", Arity = ArgumentArity.ExactlyOne };
        var format = Arguments.OneOf("--format", "How to show it (default text)", "text", "md", "html");
        return new Verb(surface, "report", "Show what an earlier run of a migration told.",
            "migrate report report.json",
            "migrate report report.json --format html > report.html")
            .With(file, format)
            .Does((run, _) =>
            {
                var report = Read(Path.GetFullPath(run[file]!, run.Session.WorkingDirectory));
                if (run[format] is "md" or "html")
                    run.Session.Output.Write(run[format] == "md" ? RehearsalText.Page(report) : RehearsalHtml.Page(report));
                else
                    run.Show(report, () => MigrationReportJson.Shape, MigrationReportText.Write);
                return Task.FromResult((int)ExitCode.Done);
            });
    }

    private static MigrationReport Read(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            using var document = JsonDocument.Parse(stream);
            if (document.RootElement.TryGetProperty("format", out var format) && format.TryGetInt32(out var number) && number > 1)
                throw new PgdException(ExitCode.Misuse, $"{file} was written by a newer pgd (format {number})", "Read it with that version.");
            return document.Deserialize(MigrationReportJson.Shape) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Misuse, $"{file} is no report of a migration: {e.Message}", inner: e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new PgdException(ExitCode.NotFound, $"there is no file {file}", inner: e);
        }
    }
}
