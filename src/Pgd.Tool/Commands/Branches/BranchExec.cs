using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchExec
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var command = new Argument<string[]>("command") { HelpName = "COMMAND", Description = "Program to run, with its arguments", Arity = ArgumentArity.OneOrMore };
        var database = Arguments.Database();
        var role = Arguments.Role();
        return new Verb(surface, "exec", "Run a program that finds the branch by PGHOST, PGPORT, … and DATABASE_URL. Its exit status becomes ours.",
            "branch exec prod/dev -- npm run migrate",
            "branch exec prod/dev -- pg_dump --schema-only --file schema.sql",
            "branch exec prod/dev -- sh -c 'echo $DATABASE_URL'")
        { PassesArgumentsOn = true }
            .With(name, command, database, role)
            .Does(async (run, cancellationToken) =>
            {
                var words = run.Values(command);
                var file = ChildProgram.Find(words[0], run.Session.Environment.GetValueOrDefault("PATH"), run.Session.WorkingDirectory)
                    ?? throw new PgdException(ExitCode.NotFound, $"there is no program \"{words[0]}\"", "Check the spelling and PATH.");
                return await BranchPrograms.RunAsync(run, run.Branch(name), run[database], run[role], file, words.Skip(1), cancellationToken);
            });
    }
}
