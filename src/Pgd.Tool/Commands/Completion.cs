using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands;

internal static class Completion
{
    public static Command Command(Surface surface)
    {
        string[] shells = ["bash", "zsh", "fish"];
        var shell = new Argument<string?>("shell") { HelpName = "bash|zsh|fish", Description = "The shell to complete in", Arity = ArgumentArity.ExactlyOne };
        shell.CompletionSources.Add(shells);
        return new Verb(surface, "completion", "Print a script that teaches a shell to complete our commands, options and names.",
            "# bash, in ~/.bashrc",
            "completion bash > ~/.pgd-completion && . ~/.pgd-completion",
            "# zsh, in a folder of $fpath",
            "completion zsh > ~/.zfunc/_dotnet-pgd",
            "# fish",
            "completion fish > ~/.config/fish/completions/dotnet-pgd.fish")
            .With(shell)
            .Does((run, _) =>
            {
                if (!shells.Contains(run[shell]))
                    throw new PgdException(ExitCode.Misuse, $"there is no completion for \"{run[shell]}\"", $"Choose one of {string.Join(", ", shells)}.");
                using var script = typeof(Completion).Assembly.GetManifestResourceStream($"completion.{run[shell]}")!;
                using var reader = new StreamReader(script);
                run.Session.Output.Write(reader.ReadToEnd());
                return Task.CompletedTask;
            });
    }
}
