using System.CommandLine;
using Pgd.Backups;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Backups;

/// <summary>Which repository a command is about, and its key: never the key itself on the command line.</summary>
/// <param name="reads">Whether the command needs to read: then the public key does not do.</param>
internal sealed class Repository(bool reads = true)
{
    private const string Variable = "PGD_BACKUP_REPOSITORY", KeyFileVariable = "PGD_BACKUP_KEY_FILE", PublicKeyVariable = "PGD_BACKUP_PUBLIC_KEY_FILE", PassphraseVariable = "PGD_BACKUP_PASSPHRASE";
    private readonly Option<string?> _repository = new("--repo") { HelpName = "URL", Description = $"Repository: a folder, or s3://BUCKET/PREFIX (default: {Variable})" };
    private readonly Option<string?> _keyFile = new("--key-file") { HelpName = "FILE", Description = $"File with the key of an encrypted one (default: {KeyFileVariable}; or its passphrase in {PassphraseVariable})" };
    private readonly Option<string?> _publicKey = new("--public-key") { HelpName = "FILE", Description = $"File with the public key of one that is encrypted with a key pair; it only writes (default: {PublicKeyVariable})" };

    public Symbol[] Options => reads ? [_repository, _keyFile] : [_repository, _keyFile, _publicKey];

    /// <summary>What of it was said on the command line, to be said again by who reads.</summary>
    public string Said(Run run) => string.Concat(new[] { _repository, _keyFile }.Where(option => run[option] is not null).Select(option => $" {option.Name} {run[option]}")) + (Of(run) is { KeyFile: null, PublicKeyFile: not null } ? $" {_keyFile.Name} PRIVATE-KEY" : "");

    public BackupPlace Of(Run run)
    {
        var environment = run.Session.Environment;
        string? Set(string name) => environment.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
        string? File(string? name) => name is null ? null : Path.GetFullPath(name, run.Session.WorkingDirectory);
        var url = run[_repository] ?? Set(Variable) ?? throw new PgdException(ExitCode.Misuse, "it is not said in which repository the backups are", $"Name it with --repo URL, or in {Variable}.");
        // Who says which public key means to write, whatever his environment has.
        var publicKey = reads ? null : run[_publicKey];
        return new()
        {
            Repository = url.Contains("://", StringComparison.Ordinal) ? url : Path.GetFullPath(url, run.Session.WorkingDirectory),
            KeyFile = File(run[_keyFile] ?? (publicKey is null ? Set(KeyFileVariable) : null)),
            PublicKeyFile = File(publicKey ?? Set(PublicKeyVariable)),
            Passphrase = Set(PassphraseVariable),
            Environment = environment,
        };
    }
}
