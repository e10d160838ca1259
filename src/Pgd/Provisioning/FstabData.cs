using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>A data directory on btrfs or XFS, which a line in fstab(5) mounts. That line is also the note of what was made.</summary>
internal sealed class FstabData(Fstab fstab, IReadOnlyDictionary<DataFileSystem, string> packages)
{
    public async Task<IReadOnlyList<Step>> StepsAsync(DataDirectoryRequest request, Account owner, List<string> notes, CancellationToken cancellationToken)
    {
        var (folder, type) = (request.Directory, request.FileSystem.Name());
        var (image, program) = (DataFolder.Image(folder), $"mkfs.{type}");
        if (SystemPrograms.Find(program) is null)
            throw new PgdException(ExitCode.MachineLacks, $"the program {program} is not on this machine", $"apt-get install {packages[request.FileSystem]}");
        var device = request.Device is { } named ? BlockDevice.Real(named) : null;
        var before = fstab.Find(folder);
        if (before is { IsOurs: false })
            throw new PgdException(ExitCode.Exists, $"{Fstab.Path} mounts {before.Source} at {folder} already, and pgd did not write that", "It is left untouched. Choose another folder with --data-dir.");
        if (before is not null && (before.Type != type || before.Id is null != device is null))
            throw DataFolder.IsOtherwise(folder, before.Type, before.Source);
        if (MountTable.Read().At(folder) is { } mounted)
        {
            if (before is null || mounted.Type != type || (device is null ? BlockDevice.ImageOf(mounted.Source) != image : BlockDevice.Resolve(mounted.Source) != device))
                throw DataFolder.IsTaken(mounted);
        }
        else
        {
            DataFolder.RefuseUsed(folder);
            await CheckSourceAsync(request, device, before, notes, cancellationToken).ConfigureAwait(false);
        }

        var id = before?.Id is { } known ? Guid.Parse(known) : Guid.NewGuid();
        var line = before ?? (device is null ? FstabLine.OfImage(image, folder, request.FileSystem, !Directory.Exists(folder)) : FstabLine.OfDevice(id, folder, request.FileSystem, !Directory.Exists(folder)));
        // The id is chosen here and noted first: what carries it is ours.
        IReadOnlyList<string> arguments = request.FileSystem == DataFileSystem.Btrfs ? ["--quiet", "--uuid", $"{id}"] : ["-q", "-m", $"reflink=1,uuid={id}"];
        var place = device ?? DataFolder.Sparse(image, request.ImageSize!.Value, notes);
        return
        [
            new("file-system", $"file system {type}", $"{program} on {place}; {Fstab.Path} mounts it at {folder} ({string.Join(',', line.Options)})",
                async token => fstab.Find(folder) is { IsOurs: true } && (device is null ? File.Exists(image) : await BlockDevice.IdAsync(device, token).ConfigureAwait(false) == $"{id}"),
                token => MakeAsync(line, device, request.ImageSize, program, arguments, token)),
            new("mount", $"mount {folder}", $"of {device ?? image}", _ => Task.FromResult(MountTable.Read().At(folder) is not null), async token =>
            {
                MakeFolder(folder);
                // By its line, as a boot does it.
                if (await SystemPrograms.TryAsync("mount", [folder], token).ConfigureAwait(false) is { Status: not 0 } failed)
                {
                    throw new PgdException(ExitCode.Failed, $"mounting {folder} failed with status {failed.Status}: {failed.Error.Trim()}",
                        $"Does the kernel know {type}? modprobe {type}. If {program} was interrupted: {(device is null ? $"rm {image}" : $"wipefs --all {device}")}.");
                }

                Fault.Here("data:mounted");
            }),
            DataFolder.Ready(folder, owner, prove: true),
        ];
    }

    /// <summary>The steps that take it away; null if there is no line of ours for that folder.</summary>
    /// <exception cref="PgdException">It is not empty, or that cannot be told (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task<IReadOnlyList<Step>?> UndoStepsAsync(string folder, CancellationToken cancellationToken)
    {
        if (fstab.Find(folder) is not { IsOurs: true } line)
            return null;
        var mounted = MountTable.Read().At(folder);
        if (mounted is null)
        {
            if (line.Id is { } id ? await BlockDevice.WithIdAsync(id, cancellationToken).ConfigureAwait(false) is not null : File.Exists(line.Source))
                throw DataFolder.IsNotMounted(folder, $"Mount it: mount {folder}");
        }
        // All of it, and not another one that happens to be mounted there.
        else if (mounted.Type != line.Type || mounted.Root != "/" || (line.Id is { } ours ? await BlockDevice.IdAsync(mounted.Source, cancellationToken).ConfigureAwait(false) != ours : BlockDevice.ImageOf(mounted.Source) != line.Source))
        {
            throw DataFolder.IsTaken(mounted);
        }
        else
        {
            DataFolder.RefuseData(folder);
        }

        return
        [
            new("mount", $"mount {folder}", "unmounted", _ => Task.FromResult(MountTable.Read().At(folder) is null), token =>
            {
                // Something may have come into it since it was looked at.
                DataFolder.RefuseData(folder);
                return SystemPrograms.RunAsync("umount", [folder], token);
            }),
            .. (Step[])(line.Id is null
                ? [Step.Of("file-system", $"file {line.Source}", "removed", () => !File.Exists(line.Source) && !File.Exists(Beside(line.Source)), () =>
                {
                    File.Delete(Beside(line.Source));
                    File.Delete(line.Source);
                })]
                : mounted?.Source is { } device
                ? [new("file-system", $"device {device}", $"wipefs --all {device}", async token => await BlockDevice.IdAsync(device, token).ConfigureAwait(false) != line.Id, token => SystemPrograms.RunAsync("wipefs", ["--quiet", "--all", device], token))]
                : []),
            .. (Step[])(line.MadeFolder ? [DataFolder.Removed(folder)] : []),
            // Last, so that an undo which was killed can be repeated.
            new("fstab", Fstab.Path, $"without the line for {folder}", _ => Task.FromResult(fstab.Find(folder) is null), async token =>
            {
                fstab.Remove(folder);
                await ReloadAsync(token).ConfigureAwait(false);
            }),
        ];
    }

    /// <summary>Makes the folder that something is mounted at: root's, so that no server starts there while nothing is.</summary>
    public static void MakeFolder(string folder)
    {
        if (Directory.Exists(folder))
            return;
        Directory.CreateDirectory(folder);
        HostSteps.Give(folder, SharedRoot.OfRoot, 0, 0);
    }

    private static async Task CheckSourceAsync(DataDirectoryRequest request, string? device, FstabLine? before, List<string> notes, CancellationToken cancellationToken)
    {
        var image = DataFolder.Image(request.Directory);
        if (device is not null)
        {
            if (before?.Id is { } ours && await BlockDevice.WithIdAsync(ours, cancellationToken).ConfigureAwait(false) is { } holder)
            {
                if (BlockDevice.Resolve(holder) != device)
                    throw DataFolder.IsOtherwise(request.Directory, before.Type, holder);
                return;
            }

            await BlockDevice.RefuseUsedAsync(device, cancellationToken).ConfigureAwait(false);
            DataFolder.RefuseTooSmall(device, BlockDevice.Size(device));
        }
        else if (before is null && ((string[])[image, Beside(image)]).FirstOrDefault(File.Exists) is { } other)
        {
            throw new PgdException(ExitCode.Exists, $"{other} exists already, and {Fstab.Path} has no line of pgd's for it", "It is left untouched. Choose another folder with --data-dir, or move that file away.");
        }
        else if (!File.Exists(image))
        {
            DataFolder.CheckImage(image, request.ImageSize!.Value, notes);
        }
    }

    private async Task MakeAsync(FstabLine line, string? device, long? size, string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        if (fstab.Find(line.Folder) is null)
            fstab.Add(line);
        Fault.Here("data:noted");
        try
        {
            if (device is not null)
            {
                await SystemPrograms.RunAsync(program, [.. arguments, device], cancellationToken).ConfigureAwait(false);
            }
            else
            {
                // Under its own name when it is a file system: a killed run leaves one that is begun anew.
                var beside = Beside(line.Source);
                File.Delete(beside);
                Directory.CreateDirectory(Path.GetDirectoryName(beside)!);
                using (var image = Libc.CreateNew(beside, UnixFileMode.UserRead | UnixFileMode.UserWrite))
                    RandomAccess.SetLength(image, size!.Value);
                Fault.Here("data:image");
                await SystemPrograms.RunAsync(program, [.. arguments, beside], cancellationToken).ConfigureAwait(false);
                File.Move(beside, line.Source);
            }
        }
        catch
        {
            if (device is null)
                File.Delete(Beside(line.Source));
            fstab.Remove(line.Folder);
            throw;
        }

        Fault.Here("data:made");
        await ReloadAsync(cancellationToken).ConfigureAwait(false);
    }

    private static string Beside(string image) => image + ".new";

    // It mounts, and unmounts, by what it read when it last did.
    private static async Task ReloadAsync(CancellationToken cancellationToken)
    {
        if (HostSteps.HasSystemd)
            await SystemPrograms.RunAsync("systemctl", ["daemon-reload"], cancellationToken).ConfigureAwait(false);
    }
}
