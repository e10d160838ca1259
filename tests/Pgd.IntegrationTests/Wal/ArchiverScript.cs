using System.Text.RegularExpressions;
using Pgd.Recovery;
using Pgd.State;
using Pgd.Storage;
using Xunit;

namespace Pgd.IntegrationTests.Wal;

/// <summary>The script that a server hands its log over by, run as a server does, without one.</summary>
public sealed class ArchiverScript : IDisposable
{
    private const string First = "000000010000000000000001", Second = "000000010000000000000002", Id = "0123456789ab";
    private readonly string _folder = Directory.CreateTempSubdirectory("pgd it's 100%f").FullName;
    private readonly Archiving _archiving;
    private readonly Volume _volume;

    public ArchiverScript()
    {
        // A root with all that a shell and a server could misread.
        var (project, main) = (new ProjectRecord { Name = "shop", Storage = "copy", Runtime = "native", PostgresMajor = 15, Superuser = "postgres", FirstPort = 1, LastPort = 2, CreatedAt = default, PointInTime = TimeSpan.FromDays(7) },
            new BranchRecord { Id = Id, Project = "shop", Name = "main", Phase = BranchPhase.Ready, Generation = 1, Port = 1, Host = "::1", CreatedAt = default });
        _archiving = new(new(_folder), project, main);
        _volume = new(new("shop", "main", Id, 1), Path.Combine(_folder, "volume"));
        Directory.CreateDirectory(Path.Combine(_volume.Data, "pg_wal"));
        _archiving.Make(_volume);
    }

    private string Archive => _archiving.Folder;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_part_is_compressed_and_a_history_is_not_and_a_second_time_is_fine()
    {
        Write(First, 1);
        File.WriteAllText(Path.Combine(_volume.Data, "pg_wal", "00000002.history"), "1\t0/3000000\tby hand\n");
        foreach (var name in (string[])[First, "00000002.history", First, "00000002.history"])
            Assert.Equal((0, ""), Run(name));

        Assert.Equal([".pgd", $"{First}.zst", "00000002.history"], Names());
        Assert.True(new WalArchive(Archive).Extract(First, Path.Combine(_folder, "out")));
        Assert.Equal(File.ReadAllBytes(Path.Combine(_volume.Data, "pg_wal", First)), File.ReadAllBytes(Path.Combine(_folder, "out")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Other_content_under_the_same_name_is_refused_and_what_was_there_stays(bool withZstd)
    {
        Write(First, 1);
        Assert.Equal((0, ""), Run(First, withZstd));
        var before = File.ReadAllBytes(Directory.GetFiles(Archive, First + "*").Single());
        Write(First, 2);

        var (status, said) = Run(First, withZstd);

        Assert.Equal(1, status);
        Assert.Contains("with other content; it is left as it is", said, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Directory.GetFiles(Archive, First + "*").Single()));
        // One that only looks like it: cut off in the middle.
        File.WriteAllBytes(Directory.GetFiles(Archive, First + "*").Single(), before[..(before.Length / 2)]);
        Write(First, 1);
        Assert.Equal(1, Run(First, withZstd).Status);
    }

    [Fact]
    public void Without_zstd_a_part_is_stored_as_it_is_and_both_kinds_are_read()
    {
        Write(First, 1);
        Write(Second, 2);
        Assert.Equal((0, ""), Run(First, withZstd: false));
        Assert.Equal((0, ""), Run(Second));
        // It was installed meanwhile.
        Assert.Equal((0, ""), Run(First));

        Assert.Equal([".pgd", First, $"{Second}.zst"], Names());
        Assert.Equal([(First, false), (Second, true)], new WalArchive(Archive).Files().Select(f => (f.Name, f.IsCompressed)));
        Assert.Equal(LengthOf(First), new WalArchive(Archive).Files()[0].Bytes);
    }

    [Fact]
    public void What_is_not_the_branchs_archive_gets_nothing_as_when_a_disk_is_not_mounted()
    {
        Write(First, 1);
        File.Move($"{Archive}/.pgd", $"{_folder}/mark");
        Assert.Equal(1, Run(First).Status);
        File.WriteAllText($"{Archive}/.pgd", "ba9876543210\n");
        Assert.Equal(1, Run(First).Status);
        Assert.Equal([".pgd"], Names());

        File.Move($"{_folder}/mark", $"{Archive}/.pgd", overwrite: true);
        Assert.Equal((0, ""), Run(First));
    }

    [Fact]
    public void What_a_killed_one_left_half_written_goes_and_is_never_taken_for_a_part()
    {
        Write(First, 1);
        File.WriteAllText($"{Archive}/.{First}.4711.new", "half");
        Assert.Empty(new WalArchive(Archive).Files());

        Assert.Equal((0, ""), Run(First));

        Assert.Equal([".pgd", $"{First}.zst"], Names());
    }

    [Fact]
    public void On_a_full_archive_disk_a_part_stays_with_the_server_and_is_given_up_only_when_that_has_no_room_either()
    {
        using var archiveDisk = Lab.Current.FileSystems.New("ext4", 110);
        using var serverDisk = Lab.Current.FileSystems.New("ext4", 400);
        var (archive, wal) = (Path.Combine(archiveDisk.NewRoot(), "it"), Path.Combine(serverDisk.NewRoot(), "pg_wal"));
        Directory.Move(Archive, Archive + ".old");
        Directory.CreateDirectory(archive);
        File.Copy($"{Archive}.old/.pgd", $"{archive}/.pgd");
        Directory.CreateSymbolicLink(Archive, archive);
        Directory.Delete(Path.Combine(_volume.Data, "pg_wal"));
        Directory.CreateDirectory(wal);
        Directory.CreateSymbolicLink(Path.Combine(_volume.Data, "pg_wal"), wal);
        Write(First, 1);
        LabCommand.Run("dd", "if=/dev/zero", $"of={archiveDisk.MountPoint}/filler", "bs=1M", "count=50");

        var (status, said) = Run(First);
        Assert.Equal(1, status);
        Assert.Contains("less than 64 MB are free", said, StringComparison.Ordinal);
        Assert.Equal([".pgd"], Names());

        LabCommand.Run("dd", "if=/dev/zero", $"of={serverDisk.MountPoint}/filler", "bs=1M", "count=300");
        (status, said) = Run(First);
        Assert.Equal(0, status);
        Assert.Matches($"{First} is given up: less than 9[0-9] MB are free where the server writes", said);
        Assert.Equal([".pgd", $"{First}.given-up"], Names());

        // With room again, what the server has not forgotten is stored after all.
        File.Delete($"{archiveDisk.MountPoint}/filler");
        LabCommand.Run("sync", "--file-system", archiveDisk.MountPoint);
        Assert.Equal((0, ""), Run(First));
        Assert.Equal([".pgd", $"{First}.zst"], Names());
    }

    private string[] Names() => [.. Directory.GetFileSystemEntries(Archive).Select(e => Path.GetFileName(e)).Where(n => n != "lost+found").Order(StringComparer.Ordinal)];

    private long LengthOf(string name) => new FileInfo(Path.Combine(_volume.Data, "pg_wal", name)).Length;

    private void Write(string name, int seed)
    {
        var bytes = new byte[1 << 20];
        new Random(seed).NextBytes(bytes.AsSpan(0, 4096));
        File.WriteAllBytes(Path.Combine(_volume.Data, "pg_wal", name), bytes);
    }

    // As src/backend/archive/shell_archive.c does.
    private (int Status, string Said) Run(string name, bool withZstd = true)
    {
        _archiving.Settings(_volume).TryGetValue("archive_command", out var template);
        var command = Regex.Replace(template!, "%(.)", match => match.Groups[1].Value switch { "p" => $"pg_wal/{name}", "f" => name, var other => other });
        if (!withZstd)
        {
            var script = File.ReadAllText(_volume.Archiver);
            Assert.Contains("command -v zstd", script, StringComparison.Ordinal);
            File.WriteAllText(_volume.Archiver, script.Replace("command -v zstd", "command -v no-zstd", StringComparison.Ordinal));
        }

        var (status, output, error) = LabCommand.Try("/bin/sh", "-c", $"cd \"$0\" && {command}", _volume.Data);
        Assert.Empty(output);
        return (status, error);
    }
}
