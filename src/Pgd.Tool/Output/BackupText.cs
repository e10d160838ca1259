using Pgd.Backups;

namespace Pgd.Tool.Output;

/// <summary>A repository that was made.</summary>
internal sealed record RepositoryMade(string Repository, bool Encrypted);

/// <summary>Backups as text.</summary>
internal static class BackupText
{
    public static void Table(IReadOnlyList<Backup> backups, Sheet sheet)
    {
        if (backups.Count == 0)
        {
            sheet.Line("No backups.");
            return;
        }

        sheet.Table(["ID", "OF", "KIND", "AGE", "SIZE", "STORED", "VERIFIED", "PINNED"], [.. backups.Select(backup => new[]
        {
            backup.Id, Of(backup), backup.Status == BackupStatus.Complete ? Word(backup.Kind) : "-", backup.CreatedAt is { } at ? sheet.Age(at) : "-", backup.Bytes > 0 ? Measured.Size(backup.Bytes) : "-", Measured.Size(backup.StoredBytes),
            backup.Status != BackupStatus.Complete ? Word(backup.Status) : backup.IsSealed ? "-" : backup.Verified is { } verified ? $"{Word(verified.Level)}, {(verified.Problems.Count == 0 ? $"{sheet.Age(verified.At)} ago" : "damaged")}" : "never",
            backup.Pinned is { } pinned ? string.IsNullOrWhiteSpace(pinned.Reason) ? "yes" : pinned.Reason : "-",
        })]);
    }

    public static void KeysMade(BackupKeyPair made, Sheet sheet)
    {
        sheet.Line($"Private key: {made.PrivateKey} (keep it where nobody writes backups: without it they are lost)");
        sheet.Line($"Public key:  {made.PublicKey}");
        sheet.Line();
        sheet.Line($"Make a repository: dotnet pgd backup init --public-key {made.PublicKey} --repo URL");
    }

    public static void Made(Backup backup, string options, Sheet sheet)
    {
        sheet.Line($"Backed up {backup.Source} as {backup.Id}: {(backup.Tables is { } tables ? $"{tables} {(tables == 1 ? "table" : "tables")}, {(backup.Rows is { } rows ? $"{rows} rows, " : "")}" : "")}{Measured.Size(backup.Bytes)}, {Measured.Size(backup.StoredBytes)} in the repository");
        if (backup.Parent is not null)
            sheet.Line($"  {Word(backup.Kind)}, built on {backup.Parent}");
        if (backup.FullBecause is not null)
            sheet.Line($"  full, because {backup.FullBecause}");
        if (backup.IsOfStandby)
            sheet.Line("  read from a standby");
        foreach (var left in backup.LeftOut)
            sheet.Line($"  without {left}");
        sheet.Line();
        sheet.Line($"Prove it: dotnet pgd backup verify {backup.Id}{(backup.Engine is null ? " --level restore" : "")}{(backup.Mode == BackupMode.Physical && backup.Source!.Contains("://", StringComparison.Ordinal) ? " --project NAME" : "")}{options}");
    }

    public static void Verified(Backup backup, Sheet sheet)
    {
        sheet.Line(backup.Verified!.Problems.Count == 0 ? $"{backup.Id} is whole ({Word(backup.Verified.Level)})" : $"{backup.Id} is damaged:");
        if (backup.Verified is { Problems.Count: 0, TablesCompared: { } compared, TablesCounted: { } counted })
        {
            if (compared > 0)
                sheet.Line($"  every row of {Tables(compared)} was compared");
            if (counted > 0)
                sheet.Line($"  the rows of {Tables(counted)} were counted only: no backup has a digest of all of them");
        }

        foreach (var problem in backup.Verified.Problems)
            sheet.Line($"  {problem}");
    }

    public static void Exported(ExportedBackup exported, Sheet sheet)
    {
        sheet.Line($"Exported {exported.Backup.Id} to {exported.Folder}");
        foreach (var file in exported.Files)
            sheet.Line($"  {file}");
        sheet.Line();
        sheet.Line($"Restore it: zstd -dc '{Path.Combine(exported.Folder, exported.Files[0])}' | {(exported.Backup.Engine is null ? "psql -v ON_ERROR_STOP=1" : "mariadb")} DATABASE");
    }

    public static void Pinned(Backup backup, Sheet sheet) =>
        sheet.Line(backup.Pinned is { } pin ? $"Pinned {backup.Id}{(string.IsNullOrWhiteSpace(pin.Reason) ? "" : $": {pin.Reason}")}" : $"{backup.Id} is not pinned any more");

    public static void Restored(Restored restored, Sheet sheet)
    {
        if (restored.Tables.Count > 0)
        {
            sheet.Line($"Restored {string.Join(", ", restored.Tables)} with {restored.Rows} rows from {restored.Backup.Id} into {restored.Server}");
            return;
        }

        sheet.Line($"Restored {restored.Backup.Id} of {restored.Backup.Source} to {restored.Branch?.Name.ToString() ?? restored.Folder ?? restored.Server}");
        if (restored.Server is not null)
            return;
        sheet.Line();
        sheet.Line(restored.Branch is { } branch ? $"Connect: dotnet pgd branch url {branch.Name}" : $"Start it: pg_ctl start -D {restored.Folder}");
    }

    public static void Pruned(BackupsPruned pruned, Sheet sheet)
    {
        foreach (var id in pruned.Deleted)
            sheet.Line($"{(pruned.DryRun ? "Would delete" : "Deleted")} {id}");
        foreach (var kept in pruned.Kept)
            sheet.Line($"Kept {kept.Id}: {kept.Reason}");
        foreach (var log in pruned.Logs)
        {
            if (log.Deleted > 0)
                sheet.Line($"{(pruned.DryRun ? "Would delete" : "Deleted")} {Parts(log.Deleted, log.DeletedBytes)} of the write-ahead log of {log.Source}");
            if (log.Kept > 0)
                sheet.Line($"Kept {Parts(log.Kept, log.KeptBytes)} of the write-ahead log of {log.Source}: {log.Reason}");
        }

        if (pruned.Deleted.Count + pruned.Kept.Count == 0)
            sheet.Line("No backups.");
    }

    private static string Tables(int count) => $"{count} {(count == 1 ? "table" : "tables")}";

    private static string Parts(int count, long bytes) => $"{count} {(count == 1 ? "part" : "parts")} ({Measured.Size(bytes)})";

    private static string Of(Backup backup) =>
        backup.IsSealed ? "(sealed)"
        : backup.Source is null ? "-"
        : $"{backup.Source}{(backup.Mode == BackupMode.Logical && !backup.Source.Contains("://", StringComparison.Ordinal) ? $":{backup.Database}" : "")}{(backup.IsPartial ? $", {backup.Tables} {(backup.Tables == 1 ? "table" : "tables")}" : "")}";

    private static string Word(BackupStatus status) => status switch { BackupStatus.Running => "being made", BackupStatus.Incomplete => "incomplete", BackupStatus.Damaged => "damaged", _ => "complete" };

    private static string Word(BackupKind kind) => kind switch { BackupKind.Full => "full", BackupKind.Differential => "differential", _ => "incremental" };

    private static string Word(VerificationLevel level) => level switch { VerificationLevel.Objects => "objects", VerificationLevel.Content => "content", _ => "restored" };
}
