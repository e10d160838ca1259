using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Storage;

namespace Pgd.Recovery;

/// <summary>What a snapshot or a backup becomes, and beside it the log that leads from there to the moment that was asked for.</summary>
internal sealed class RecoveredClone(ICloning origin, RecoveryPlan plan) : ICloning
{
    public async Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        var clone = await origin.MakeAsync(target, cancellationToken).ConfigureAwait(false);
        var asOf = plan.Target.Time ?? plan.LastCommit ?? clone.DataAsOf;
        if (plan.IsSnapshot)
            return clone with { DataAsOf = asOf, LastTransactionAt = plan.LastCommit };
        Fault.Here("recover:cloned");
        // A branch may have to be made a second time, when somebody else took its port: until it is there, the plan keeps its own.
        var folder = clone.Volume.RecoveryLog;
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var file in Directory.EnumerateFiles(plan.Folder))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Libc.Link(file, Path.Combine(folder, Path.GetFileName(file))) != 0)
                throw Libc.LastError(file);
        }

        // Its server reads it, and nobody else.
        var owner = Libc.Status(clone.Volume.Data);
        foreach (var path in Directory.GetFiles(folder).Append(folder))
        {
            if (Libc.EffectiveUserId() == 0 && Libc.LChown(path, owner.Owner, owner.Group) != 0)
                throw Libc.LastError(path);
        }

        Fault.Here("recover:log");
        return clone with { DataAsOf = asOf, LastTransactionAt = plan.LastCommit, Recovery = new(plan.Settings(folder), folder, plan.End) };
    }

    public void Dispose() => origin.Dispose();
}

/// <summary>What the first start of a recovered clone needs.</summary>
/// <param name="Settings">The settings that lead there.</param>
/// <param name="Folder">The log; it can go once the server is there.</param>
/// <param name="End">Where it must have come to.</param>
internal sealed record Recovery(IReadOnlyDictionary<string, string> Settings, string Folder, ulong End);
