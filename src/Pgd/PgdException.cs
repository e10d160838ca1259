namespace Pgd;

/// <summary>
/// Everything that can go wrong in a way that a user can act on. The message says what happened to which named thing;
/// <see cref="Hint"/> says what to type next. Neither ever holds a secret.
/// </summary>
public sealed class PgdException : Exception
{
    /// <summary>Makes an error for a user.</summary>
    public PgdException(ExitCode exitCode, string message, string? hint = null, Exception? inner = null)
        : base(message, inner)
    {
        ExitCode = exitCode;
        Hint = hint;
    }

    /// <summary>The status that a command-line program ends with because of this error.</summary>
    public ExitCode ExitCode { get; }

    /// <summary>What to type or change next, if that is known.</summary>
    public string? Hint { get; }
}

/// <summary>The exit codes of every command; stable, so that scripts can rely on them.</summary>
public enum ExitCode
{
    /// <summary>Done.</summary>
    Done = 0,

    /// <summary>Failed for a reason that none of the other codes names.</summary>
    Failed = 1,

    /// <summary>The arguments or the configuration are wrong; nothing was changed.</summary>
    Misuse = 2,

    /// <summary>The machine lacks a program, a permission or a platform.</summary>
    MachineLacks = 3,

    /// <summary>There is no project, branch, database or role of that name.</summary>
    NotFound = 4,

    /// <summary>Something of that name exists already.</summary>
    Exists = 5,

    /// <summary>No disk space, no free port, no budget left.</summary>
    NoRoom = 6,

    /// <summary>Refused, because the source or the request is unsafe.</summary>
    Unsafe = 7,

    /// <summary>A migration failed; the branch itself is fine.</summary>
    MigrationFailed = 8,

    /// <summary>A budget was exceeded.</summary>
    BudgetExceeded = 9,

    /// <summary>Another operation holds the lock.</summary>
    Locked = 10,

    /// <summary>Done in part; what is left is named in the message.</summary>
    Partial = 11,

    /// <summary>Interrupted by SIGINT, and undone.</summary>
    Interrupted = 130,

    /// <summary>Ended by SIGTERM, and undone.</summary>
    Terminated = 143,
}
