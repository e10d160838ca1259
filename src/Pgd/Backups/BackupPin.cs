using System.Text.Json;

namespace Pgd.Backups;

/// <summary>That a backup stays whatever the rules of a prune say. Kept in the repository, beside the backup.</summary>
/// <param name="At">Since when, by the clock of the machine that did it.</param>
/// <param name="Reason">What others are told when it stays.</param>
public sealed record BackupPin(DateTimeOffset At, string? Reason)
{
    internal const string Name = "pinned.json";

    /// <summary>What a prune says of the backup.</summary>
    internal string Told => string.IsNullOrWhiteSpace(Reason) ? "pinned" : $"pinned: {Reason}";

    /// <summary>The pin among a backup's objects. One that cannot be read holds as well: it would be for nothing if damage lifted it.</summary>
    internal static async Task<BackupPin?> ReadAsync(BackupRepository repository, string prefix, IEnumerable<StoredObject> objects, CancellationToken cancellationToken)
    {
        if (objects.FirstOrDefault(stored => stored.Key == prefix + Name) is not { } pin)
            return null;
        try
        {
            var stored = await repository.ReadAsync(pin.Key, compressed: false, cancellationToken).ConfigureAwait(false);
            await using var _ = stored.ConfigureAwait(false);
            return await JsonSerializer.DeserializeAsync(stored, BackupJson.Default.BackupPin, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException { ExitCode: ExitCode.Failed } or JsonException)
        {
            return new(pin.WrittenAt, $"why cannot be read, as {pin.Key} is damaged");
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            return null;
        }
    }

    internal Task WriteAsync(BackupRepository repository, string prefix, CancellationToken cancellationToken) =>
        repository.WriteAsync(prefix + Name, (stream, token) => stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(this, BackupJson.Default.BackupPin), token).AsTask(), compress: false, cancellationToken);

    internal static Task DeleteAsync(BackupRepository repository, string prefix, CancellationToken cancellationToken) => repository.Store.DeleteAsync(prefix + Name, cancellationToken);
}
