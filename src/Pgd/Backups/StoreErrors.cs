namespace Pgd.Backups;

/// <summary>The errors that every store has the same words for.</summary>
internal static class StoreErrors
{
    public static PgdException NotFound(IBackupStore store, string key, Exception? inner = null) =>
        new(ExitCode.NotFound, $"there is no {key} in the repository {store.Url}", "Check the address. If it was there, somebody deleted it, or pruned while this ran.", inner);

    public static PgdException Exists(IBackupStore store, string key, Exception? inner = null) =>
        new(ExitCode.Exists, $"there is a {key} in the repository {store.Url} already", "Another operation wrote it. Look at what is there before trying again.", inner);

    public static PgdException Damaged(IBackupStore store, string key, string what, Exception? inner = null) =>
        new(ExitCode.Failed, $"{key} in the repository {store.Url} is damaged: {what}", "Restore another backup, or get this file back from a copy of the repository.", inner);
}
