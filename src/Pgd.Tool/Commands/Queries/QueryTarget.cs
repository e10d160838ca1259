using System.CommandLine;
using System.Text;
using Pgd.Libpq;
using Pgd.Queries;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Queries;

/// <summary>The arguments that say which server is asked: a branch, or another one.</summary>
internal sealed class QueryTarget
{
    // By any of these somebody means a server of his own.
    private static readonly string[] Variables = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT"];
    private readonly Argument<string?> _branch;
    private readonly Option<string?> _source = new("--source") { HelpName = "URL", Description = "A server that is no branch: postgresql://USER@HOST/DATABASE, mysql://… or mariadb://…" };
    private readonly Option<string?> _environmentFile = new("--env-file") { HelpName = "FILE", Description = "The same from DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD and DB_TYPE of a .env file" };
    private readonly Option<bool> _passwordFromInput = new("--password-stdin") { Description = "Read the password of --source or --env-file from the first line of standard input" };
    // Known so that it gets an answer, and hidden so that nobody tries.
    private readonly Option<string?> _password = new("--password") { Description = "Refused", Hidden = true, Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _database = Arguments.Database();
    private readonly Option<string?> _role = Arguments.Role();

    public QueryTarget(Surface surface)
    {
        _branch = new("branch") { HelpName = "PROJECT/BRANCH", Description = "Full name of the branch", Arity = ArgumentArity.ZeroOrOne };
        _branch.CompletionSources.Add(new KnownNames(surface).Branches);
    }

    public Symbol[] Symbols => [_branch, _source, _environmentFile, _passwordFromInput, _password, _database, _role];

    /// <summary>The branch's name, if it is one.</summary>
    public string? Branch(Run run) => run[_branch];

    /// <summary>Whether a branch is named, and no other server.</summary>
    public bool IsBranch(Run run) => run[_branch] is not null && !((Option[])[_source, _environmentFile, _passwordFromInput, _password]).Any(run.IsGiven);

    /// <summary>Whether a branch is named, and nothing in it.</summary>
    public bool IsBranchAlone(Run run) => IsBranch(run) && !run.IsGiven(_database) && !run.IsGiven(_role);

    /// <summary>The database that is named.</summary>
    public string? Database(Run run) => run[_database];

    /// <summary>The role that is named.</summary>
    public string? Role(Run run) => run[_role];

    /// <summary>Whether standard input begins with a password.</summary>
    public bool TakesInput(Run run) => run[_passwordFromInput];

    /// <summary>What to call it at a prompt.</summary>
    public string NameOf(Run run, QuerySource source) => run[_branch] ?? (source switch { PostgresSource { Url.Database: var name } => name, MariaDbSource { Database: var name } => name, _ => "" });

    public async Task<QuerySource> FindAsync(Run run, CancellationToken cancellationToken)
    {
        var session = run.Session;
        if (run.IsGiven(_password))
        {
            throw new PgdException(ExitCode.Misuse, "--password is refused: everybody on this machine sees the arguments of a program, and shells keep them",
                "Pipe it: … --password-stdin <password.txt; or use PGPASSWORD, ~/.pgpass or --env-file FILE");
        }

        var branch = run[_branch];
        var given = new[] { branch, run[_source], run[_environmentFile] }.Count(value => value is not null);
        if (given > 1)
            throw new PgdException(ExitCode.Misuse, "a branch, --source and --env-file each name a server, and more than one is given", "Give one of them.");
        if (branch is not null)
        {
            if (run[_passwordFromInput])
                throw new PgdException(ExitCode.Misuse, "--password-stdin is for --source and --env-file: the passwords of branches are known");
            return new PostgresSource(await run.Workspace.Branches.ConnectAsync(BranchName.Parse(branch), run[_database], run[_role], cancellationToken));
        }

        if (run[_role] is not null)
            throw new PgdException(ExitCode.Misuse, "--role chooses a role of a branch", "Put the user into the URL: --source postgresql://USER@HOST/DATABASE");
        var environment = EnvironmentOf(session);
        var source = run[_source] is { } url ? QuerySource.Parse(url, environment)
            : run[_environmentFile] is { } file ? QuerySource.OfEnvironmentFile(file, TextOf(session, file), environment)
            : Variables.Any(name => session.Environment.GetValueOrDefault(name) is { Length: > 0 }) ? QuerySource.Parse("postgresql://", environment)
            : throw new PgdException(ExitCode.Misuse, "no server is named", "Name a branch (PROJECT/BRANCH), --source URL, --env-file FILE, or set PGHOST and PGDATABASE.");
        return source.With(run[_database], run[_passwordFromInput] ? FirstLine(session) : null);
    }

    /// <summary>Where what a connection string leaves out comes from.</summary>
    public static LibpqEnvironment EnvironmentOf(Session session) => new()
    {
        Variable = name => session.Environment.GetValueOrDefault(name),
        Home = session.Environment.GetValueOrDefault("HOME"),
        UserName = Environment.UserName,
    };

    /// <summary>A file of text that the user names; <c>-</c> is standard input.</summary>
    public static string TextOf(Session session, string file)
    {
        try
        {
            byte[] bytes;
            if (file == "-")
            {
                using var copy = new MemoryStream();
                using var input = session.Input();
                input.CopyTo(copy);
                bytes = copy.ToArray();
            }
            else
            {
                bytes = File.ReadAllBytes(Path.GetFullPath(file, session.WorkingDirectory));
            }

            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes).TrimStart('\uFEFF');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(e is FileNotFoundException or DirectoryNotFoundException ? ExitCode.NotFound : ExitCode.Failed, $"{file} cannot be read: {e.Message}", inner: e);
        }
        catch (DecoderFallbackException e)
        {
            throw new PgdException(ExitCode.Misuse, $"{file} is not UTF-8", "Save it as UTF-8, for example with iconv.", e);
        }
    }

    /// <summary>The password on standard input, byte by byte: what comes behind it is for somebody else.</summary>
    public static string FirstLine(Session session)
    {
        var password = Line(session.Input());
        return password.Length > 0 ? password : throw new PgdException(ExitCode.Misuse, "--password-stdin found no password: standard input is empty", "Pipe it: … --password-stdin <password.txt");
    }

    /// <summary>The next line of a stream, byte by byte; empty at its end.</summary>
    public static string Line(Stream input)
    {
        var line = new List<byte>();
        for (int read; (read = input.ReadByte()) is not (-1 or '\n');)
            line.Add((byte)read);
        return Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
    }
}
