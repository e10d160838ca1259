namespace Pgd.IntegrationTests.Storm;

/// <summary>A folder of server programs that start in a few milliseconds and serve nothing.</summary>
internal static class StandInServers
{
    // The content of one file is what tells a whole copy from a half one.
    private const string Initdb = """
        #!/bin/sh
        # initdb --pgdata FOLDER …
        umask 077
        cd "$2" || exit 1
        mkdir -p base/1 global pg_wal/archive_status pg_replslot pg_tblspc
        echo 15 >PG_VERSION
        echo 15 >base/1/PG_VERSION
        touch postgresql.conf postgresql.auto.conf global/1262
        head -c 8192 /dev/zero >global/pg_control
        head -c 300000 /dev/urandom >base/1/1259
        """;

    /// <summary>The file of a data directory that is different in each project.</summary>
    public const string Content = "base/1/1259";

    /// <summary>Puts the programs there, for whatever account the servers run as.</summary>
    public static string Install(string folder)
    {
        Lab.Require(LabCommand.Exists("perl"), "perl is not installed");
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(Checkout.Folder, "tests", "Pgd.IntegrationTests", "Storm", "postgres.pl"), Path.Combine(folder, "postgres"));
        File.WriteAllText(Path.Combine(folder, "initdb"), Initdb + "\n");
        foreach (var path in Directory.GetFiles(folder).Append(folder))
            File.SetUnixFileMode(path, LabFolder.Traversable);
        return folder;
    }
}
