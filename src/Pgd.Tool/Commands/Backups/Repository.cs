using System.CommandLine;
using Pgd.Backups;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Backups;

/// <summary>Which repository a command is about, and its key: never the key itself on the command line.</summary>
internal sealed class Repository
{
    private const string Variable = "PGD_BACKUP_REPOSITORY", KeyFileVariable = "PGD_BACKUP_KEY_FILE", PassphraseVariable = "PGD_BACKUP_PASSPHRASE";
    private readonly Option<string?> _repository = new("--repo") { HelpName = "URL", Description = $"Repository: a folder, or s3://BUCKET/PREFIX (default: {Variable})" };
    private readonly Option<string?> _keyFile = new("--key-file") { HelpName = "FILE", Description = $"File with the key of an encrypted one (default: {KeyFileVariable}; or its passphrase in {PassphraseVariable})" };

    public Symbol[] Options => [_repository, _keyFile];

    /// <summary>What of it was said on the command line, to be said again.</summary>
    public string Said(Run run) => string.Concat(new[] { _repository, _keyFile }.Where(option => run[option] is not null).Select(option => $" {option.Name} {run[option]}"));

    public BackupPlace Of(Run run)
    {
        var environment = run.Session.Environment;
        string? Set(string name) => environment.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
        var url = run[_repository] ?? Set(Variable) ?? throw new PgdException(ExitCode.Misuse, "it is not said in which repository the backups are", $"Name it with --repo URL, or in {Variable}.");
        return new()
        {
            Repository = url.Contains("://", StringComparison.Ordinal) ? url : Path.GetFullPath(url, run.Session.WorkingDirectory),
            KeyFile = (run[_keyFile] ?? Set(KeyFileVariable)) is { } file ? Path.GetFullPath(file, run.Session.WorkingDirectory) : null,
            Passphrase = Set(PassphraseVariable),
            Environment = environment,
        };
    }
}
