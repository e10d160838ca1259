using System.Globalization;
using System.Text.Json;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Storage;

/// <summary>
/// Volumes as folders <c>volumes/PROJECT/BRANCH/gN</c>, or <c>sID</c> for a snapshot, with a mark beside the data: the folder comes and goes with its mark in it, before and
/// after the data, so a folder without one is never ours.
/// </summary>
internal sealed class VolumeFolders(Layout layout)
{
    private const string MarkFile = "volume.json";
    private const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public string Root => layout.Volumes;

    public string Folder(VolumeKey key) => Path.Combine(layout.Volumes, key.Project, key.Branch, key.Leaf);

    /// <summary>Makes the folder and its mark, without data.</summary>
    public Volume Make(VolumeKey key) => Make(new Volume(key, Folder(key)));

    /// <summary>The same for a volume whose data is elsewhere.</summary>
    public Volume Make(Volume volume)
    {
        var key = volume.Key;
        layout.Ensure();
        var folder = Folder(key);
        if (Directory.Exists(folder) || File.Exists(folder))
        {
            throw new PgdException(ExitCode.Exists, ReadMark(folder) is { Key: var other } ? $"{folder} belongs to the branch {other.Project}/{other.Branch} with the id {other.BranchId}" : $"{folder} exists and was not made by pgd",
                "It is left untouched. Move it away, or choose another name.");
        }

        // The mark comes with the folder: a kill between the two leaves nothing that could be taken for a stranger's.
        var beside = Beside(folder, key);
        MakeParents(key);
        if (Directory.Exists(beside))
            Directory.Delete(beside, recursive: true);
        Directory.CreateDirectory(beside);
        File.SetUnixFileMode(beside, Passable);
        File.WriteAllBytes(Path.Combine(beside, MarkFile), RecordJson.Write(volume));
        Fault.Here("volume:beside");
        Directory.Move(beside, folder);
        Fault.Here("volume:made");
        return volume;
    }

    /// <summary>
    /// Gives a volume's folder another place. Its mark goes first: with another key than its place says, it is nobody's for the moment, and both of them find it.
    /// </summary>
    /// <exception cref="PgdException">Something else has that place (<see cref="ExitCode.Exists"/>), or there is no such volume (<see cref="ExitCode.Failed"/>).</exception>
    public Volume Move(VolumeKey from, VolumeKey to)
    {
        if (PlaceOf(from, to) is not { } place)
            throw new PgdException(ExitCode.Failed, $"the data of {from} is missing", "See what is there: dotnet pgd doctor");
        var target = Folder(to);
        if (place != target && (Directory.Exists(target) || File.Exists(target)))
            throw new PgdException(ExitCode.Exists, $"{target} is in the way of {from}", "It is left untouched. Move it away, or choose another name.");
        var mark = Path.Combine(place, MarkFile);
        var volume = ReadMark(place)! with { Key = to };
        File.WriteAllBytes(mark + ".new", RecordJson.Write(volume));
        Fault.Here("move:beside");
        File.Move(mark + ".new", mark, overwrite: true);
        Fault.Here("move:marked");
        if (place != target)
        {
            MakeParents(to);
            Directory.Move(place, target);
            Fault.Here("move:moved");
        }

        RemoveParents(from);
        return ReadMark(target)!;
    }

    /// <summary>Gives it back, however far that came.</summary>
    public void MoveBack(VolumeKey from, VolumeKey to)
    {
        if (PlaceOf(from, to) is not null)
            Move(to, from);
        else
            RemoveParents(to);
    }

    // Neither the one nor the other may be somebody else's, who has that name by now.
    private string? PlaceOf(VolumeKey from, VolumeKey to) =>
        ((string[])[Folder(from), Folder(to)]).FirstOrDefault(folder => ReadMark(folder) is { } volume && (volume.Key == from || volume.Key == to));

    private void MakeParents(VolumeKey key)
    {
        foreach (var parent in (string[])[Path.Combine(layout.Volumes, key.Project), Path.Combine(layout.Volumes, key.Project, key.Branch)])
        {
            Directory.CreateDirectory(parent);
            File.SetUnixFileMode(parent, Passable);
        }
    }

    private void RemoveParents(VolumeKey key)
    {
        foreach (var parent in (string[])[Path.Combine(layout.Volumes, key.Project, key.Branch), Path.Combine(layout.Volumes, key.Project)])
        {
            if (Directory.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
                DeleteIfEmpty(parent);
        }
    }

    public Volume? Find(VolumeKey key) => ReadMark(Folder(key)) is { } volume && volume.Key == key ? volume : null;

    public IReadOnlyList<Volume> List() =>
        [.. Folders(layout.Volumes).SelectMany(Folders).SelectMany(VolumesIn)];

    public IReadOnlyList<Volume> List(BranchName branch) => [.. VolumesIn(Path.Combine(layout.Volumes, branch.Project, branch.Branch))];

    private IEnumerable<Volume> VolumesIn(string branchFolder) =>
        from folder in Folders(branchFolder)
        let volume = ReadMark(folder) ?? ReadName(folder)
        // A copy of a volume carries its mark as well, and is not it.
        where volume is not null && (folder == Folder(volume.Key) || folder == Beside(Folder(volume.Key), volume.Key))
        select volume;

    private static Volume? ReadName(string folder)
    {
        if (Path.GetDirectoryName(folder) is not { } branch || Path.GetDirectoryName(branch) is not { } project)
            return null;
        return Path.GetFileName(folder).Split('.') switch
        {
            [['g', .. var number], var id, "new"] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var generation) => Of(id, generation, isSnapshot: false),
            // Which generation it was taken from is in its mark alone, and says nothing of what is to be removed.
            [['s', .. var name], var id, "new"] when name == id => Of(id, 0, isSnapshot: true),
            _ => null,
        };

        Volume Of(string id, int generation, bool isSnapshot) => new(new(Path.GetFileName(project), Path.GetFileName(branch), id, generation) { IsSnapshot = isSnapshot }, folder);
    }

    // Other operations make and remove volumes while these are listed.
    private static string[] Folders(string path)
    {
        try
        {
            return Directory.GetDirectories(path);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    // The branch's id in its name is mark enough for a folder that is on its way in or out.
    private static string Beside(string folder, VolumeKey key) => $"{folder}.{key.BranchId}.new";

    /// <summary>Removes a volume: its data by <paramref name="deleteData"/>, unless it is not ours, then the rest.</summary>
    public void Delete(VolumeKey key, Action<Volume> deleteData)
    {
        var folder = Folder(key);
        if (Directory.Exists(Beside(folder, key)))
            Directory.Delete(Beside(folder, key), recursive: true);
        Remove(folder, key, deleteData);
        Fault.Here("remove:folder");
        RemoveParents(key);
    }

    private static void Remove(string folder, VolumeKey key, Action<Volume> deleteData)
    {
        if (!Directory.Exists(folder))
            return;
        if (ReadMark(folder) is not { } volume || volume.Key.BranchId != key.BranchId || volume.Key.Leaf != key.Leaf)
        {
            throw new PgdException(ExitCode.Unsafe, $"{folder} does not carry the mark of {key}; it is left untouched",
                "If you know that it can go, remove it yourself.");
        }

        if (!volume.IsAdopted && (volume.Mounts.Count > 0 || Directory.Exists(volume.Data)))
            deleteData(volume);
        Fault.Here("remove:data");
        // The mark goes with the folder, as it came: a folder of ours without a mark would be a stranger's for ever.
        Directory.Move(folder, Beside(folder, key));
        Fault.Here("remove:moved");
        var moved = volume with { Directory = Beside(folder, key) };
        foreach (var own in (string[])[moved.RecoveryLog, moved.Trace])
        {
            if (Directory.Exists(own))
                Directory.Delete(own, recursive: true);
        }

        foreach (var file in Directory.EnumerateFiles(Beside(folder, key)))
        {
            File.Delete(file);
            Fault.Here("remove:file");
        }

        Directory.Delete(Beside(folder, key));
    }

    private static Volume? ReadMark(string folder)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, MarkFile)));
            return RecordJson.ReadVolume(json.RootElement, folder);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    private static void DeleteIfEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // A concurrent create has just put its volume there.
        }
    }
}
