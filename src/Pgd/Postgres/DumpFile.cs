using System.IO.Compression;
using Pgd.Libpq;

namespace Pgd.Postgres;

/// <summary>A dump made by pg_dump or pg_dumpall, recognized by its content, whatever it is called.</summary>
internal sealed class DumpFile : IDisposable
{
    private readonly string path;
    private readonly string shown;
    private readonly DumpCompression compression;
    private readonly string? spooled;
    private DumpText text = new();

    private DumpFile(string path, string shown, string? spooled, DumpFormat format, DumpCompression compression)
    {
        this.path = path;
        this.shown = shown;
        this.spooled = spooled;
        Format = format;
        this.compression = compression;
    }

    public DumpFormat Format { get; }

    /// <summary>The major version of the server that was dumped; null when the dump does not say.</summary>
    public int? ServerMajor { get; private set; }

    /// <summary>The major version of the program that made the dump; null when the dump does not say.</summary>
    public int? DumpMajor { get; private set; }

    /// <summary>Whether pg_dumpall made it: roles and all databases.</summary>
    public bool IsCluster => text.IsCluster;

    /// <summary>Roles that own something or were granted something, and that the dump does not make itself: make them, NOLOGIN, before the restore.</summary>
    public IReadOnlyList<string> Roles => text.Roles;

    /// <summary>Databases that the dump makes or connects to by itself. Empty: everything goes into the database that it is restored into.</summary>
    public IReadOnlyList<string> Databases => text.Databases;

    /// <summary>Opens a dump and reads what must be known before it is restored.</summary>
    /// <param name="file">A file, a folder, or <c>-</c>.</param>
    /// <param name="input">What <c>-</c> reads.</param>
    /// <param name="spoolFolder">Where a stream is kept meanwhile: it must be read twice.</param>
    /// <param name="clients">The client programs of this machine.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It is missing, or no dump (<see cref="ExitCode.Misuse"/>), or cannot be read here (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static async Task<DumpFile> OpenAsync(string file, Stream? input, string spoolFolder, DumpClients clients, CancellationToken cancellationToken)
    {
        string? spooled = null;
        try
        {
            if (file == "-")
            {
                spooled = await SpoolAsync(input ?? throw new PgdException(ExitCode.Misuse, "there is no standard input to read the dump from"), spoolFolder, cancellationToken);
                return await OpenAsync(spooled, "standard input", spooled, spoolFolder, clients, cancellationToken);
            }

            return await OpenAsync(file, file, null, spoolFolder, clients, cancellationToken);
        }
        catch (Exception exception)
        {
            if (spooled is not null)
                File.Delete(spooled);
            if (exception is UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException)
                throw new PgdException(ExitCode.Misuse, $"the dump {file} cannot be read: {exception.Message}", inner: exception);
            if (exception is InvalidDataException)
                throw new PgdException(ExitCode.Misuse, $"the dump {file} is damaged: {exception.Message}", inner: exception);
            throw;
        }
    }

    /// <summary>Restores the dump into a database, over a socket and as the server's bootstrap superuser.</summary>
    /// <param name="target">The database; for a dump with <see cref="Databases"/> the one to start from.</param>
    /// <param name="serverMajor">The server's major version.</param>
    /// <param name="clients">The client programs of this machine.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Kills the programs; the database is then half full.</param>
    /// <exception cref="PgdException">The dump is of a newer server (<see cref="ExitCode.Misuse"/>), the programs are missing (<see cref="ExitCode.MachineLacks"/>), a statement failed.</exception>
    public async Task RestoreAsync(ConnectionUrl target, int serverMajor, DumpClients clients, IReporter reporter, CancellationToken cancellationToken)
    {
        CheckTarget(serverMajor);
        var programs = clients.For(DumpMajor ?? 0, serverMajor);
        reporter.Step($"restoring {shown}");
        try
        {
            if (Format == DumpFormat.Plain)
                await RunPsqlAsync(programs, target, serverMajor, reporter, cancellationToken);
            else
                await RunRestoreAsync(programs, target, reporter, cancellationToken);
        }
        catch (PgdException exception) when (exception.ExitCode == ExitCode.Failed)
        {
            throw new PgdException(ExitCode.Failed, $"the dump {shown} could not be restored: {exception.Message}", inner: exception);
        }
    }

    /// <summary>Refuses a target that cannot take the dump; also done by <see cref="RestoreAsync"/>, but cheaper before anything is made.</summary>
    public void CheckTarget(int serverMajor)
    {
        if (ServerMajor > serverMajor)
        {
            throw new PgdException(ExitCode.Misuse, $"the dump {shown} is of a PostgreSQL {ServerMajor} server, and this one is {serverMajor}",
                $"Use --pg-version {ServerMajor}.");
        }

        // A tablespace is a folder outside of the branch.
        if (text.Tablespace is { } tablespace)
        {
            throw new PgdException(ExitCode.Unsafe, $"the dump {shown} makes the tablespace {tablespace}, outside of the branch",
                "Make the dump with pg_dumpall --no-tablespaces.");
        }
    }

    public void Dispose()
    {
        if (spooled is not null)
            File.Delete(spooled);
    }

    private static async Task<DumpFile> OpenAsync(
        string path, string shown, string? spooled, string spoolFolder, DumpClients clients, CancellationToken cancellationToken)
    {
        if (Directory.Exists(path))
        {
            if (!File.Exists(Path.Combine(path, "toc.dat")))
            {
                throw Refused(shown, File.Exists(Path.Combine(path, "PG_VERSION")) ? "it is a server's data directory" : "the folder has no toc.dat",
                    "A folder must be one that pg_dump --format=directory made.");
            }

            return await WithArchiveAsync(new(path, shown, spooled, DumpFormat.Directory, DumpCompression.None), Path.Combine(path, "toc.dat"), 0, clients, cancellationToken);
        }

        var head = new byte[4096];
        int length;
        await using (var stream = File.OpenRead(path))
            length = await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken);
        var kind = DumpKind.Of(head.AsSpan(0, length), shown);
        if (kind.Format is { } archive and not DumpFormat.Plain)
            return await WithArchiveAsync(new(path, shown, spooled, archive, DumpCompression.None), path, archive == DumpFormat.Tar ? 512 : 0, clients, cancellationToken);

        var dump = new DumpFile(path, shown, spooled, DumpFormat.Plain, kind.Compression);
        if (kind.Compression != DumpCompression.None)
        {
            length = 0;
            await dump.ReadAsync(async stream => length = await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken), whole: false, cancellationToken);
            if (DumpKind.Of(head.AsSpan(0, length), shown).Format is not DumpFormat.Plain)
            {
                // pg_restore reads no compressed file, and jumps about in it.
                string? unpacked = null;
                await dump.ReadAsync(async stream => unpacked = await SpoolAsync(stream, spoolFolder, cancellationToken), whole: true, cancellationToken);
                if (spooled is not null)
                    File.Delete(spooled);
                return await OpenAsync(unpacked!, shown, unpacked, spoolFolder, clients, cancellationToken);
            }
        }

        await dump.ReadAsync(stream => dump.ReadTextAsync(stream, cancellationToken), whole: true, cancellationToken);
        if (dump.text.IsCutOff)
            throw Refused(shown, "its end is missing", "Make or copy it again.");
        dump.ServerMajor = dump.text.ServerMajor;
        dump.DumpMajor = dump.text.DumpMajor;
        return dump;
    }

    private static async Task<DumpFile> WithArchiveAsync(DumpFile dump, string header, int offset, DumpClients clients, CancellationToken cancellationToken)
    {
        await using (var stream = File.OpenRead(header))
        {
            stream.Position = offset;
            var read = DumpArchiveHeader.Read(stream) ?? throw Refused(dump.shown, "its header is damaged");
            (dump.ServerMajor, dump.DumpMajor) = (read.ServerMajor, read.DumpMajor);
        }

        // The archive as SQL without its data: from there owners and grants are read like from any plain dump.
        var restore = Path.Combine(clients.For(dump.DumpMajor ?? 0, 0), "pg_restore");
        try
        {
            await DumpProgram.RunAsync(DumpProgram.Start(restore, ["--schema-only", "--file=-", dump.path]), null, stream => dump.ReadTextAsync(stream, cancellationToken), null, cancellationToken);
        }
        catch (PgdException exception) when (exception.ExitCode == ExitCode.Failed)
        {
            throw new PgdException(ExitCode.Misuse, $"the dump {dump.shown} is damaged: {exception.Message}", inner: exception);
        }

        return dump;
    }

    private async Task ReadTextAsync(Stream stream, CancellationToken cancellationToken)
    {
        text = new DumpText();
        await foreach (var line in DumpLines.ReadAsync(stream, cancellationToken))
            text.Add(line);
    }

    private async Task RunRestoreAsync(string programs, ConnectionUrl target, IReporter reporter, CancellationToken cancellationToken)
    {
        List<string> arguments = ["--no-password", "--exit-on-error", "--no-tablespaces", "--dbname=" + target.Database];
        // A tar cannot be read at several places at once.
        if (Format == DumpFormat.Tar)
            arguments.Add("--single-transaction");
        else
            arguments.Add($"--jobs={Math.Clamp(Environment.ProcessorCount, 1, 8)}");
        arguments.Add(path);
        var total = Size();
        var start = DumpProgram.Start(Path.Combine(programs, "pg_restore"), arguments);
        target.ApplyTo(start.Environment);
        await DumpProgram.RunAsync(start, null, null, done => reporter.Progress($"restoring {shown}", Math.Min(done, total), total), cancellationToken);
        reporter.Progress($"restoring {shown}", total, total);
    }

    private async Task RunPsqlAsync(string programs, ConnectionUrl target, int serverMajor, IReporter reporter, CancellationToken cancellationToken)
    {
        List<string> arguments = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"];
        // CREATE DATABASE and \connect end a transaction.
        if (Databases.Count == 0 && !IsCluster)
            arguments.Add("--single-transaction");
        arguments.Add("--file=-");
        var start = DumpProgram.Start(Path.Combine(programs, "psql"), arguments);
        target.ApplyTo(start.Environment);
        await DumpProgram.RunAsync(start,
            psql => ReadAsync(dump => DumpFilter.CopyAsync(dump, psql, target.User, serverMajor, cancellationToken), whole: true, cancellationToken,
                (done, total) => reporter.Progress($"restoring {shown}", done, total)),
            null, null, cancellationToken);
    }

    /// <summary>Reads the dump's bytes, decompressed.</summary>
    private async Task ReadAsync(Func<Stream, Task> read, bool whole, CancellationToken cancellationToken, Action<long, long>? progress = null)
    {
        await using var file = File.OpenRead(path);
        await using var counted = new DumpProgressStream(file, progress);
        switch (compression)
        {
            case DumpCompression.Gzip:
                await using (var gzip = new GZipStream(counted, CompressionMode.Decompress))
                    await read(gzip);
                break;
            case DumpCompression.Zstd:
                await ReadZstdAsync(counted, read, whole, cancellationToken);
                break;
            default:
                await read(counted);
                break;
        }
    }

    private static async Task ReadZstdAsync(Stream compressed, Func<Stream, Task> read, bool whole, CancellationToken cancellationToken)
    {
        var start = DumpProgram.Start("zstd", ["--decompress", "--stdout", "--quiet"]);
        if (whole)
        {
            await DumpProgram.RunAsync(start, stream => compressed.CopyToAsync(stream, cancellationToken), read, null, cancellationToken);
            return;
        }

        // Only the beginning is wanted: the program is ended then.
        using var zstd = DumpProgram.Launch(start, "zstd");
        var feeding = compressed.CopyToAsync(zstd.StandardInput.BaseStream, cancellationToken).ContinueWith(_ => zstd.StandardInput.Close(), TaskScheduler.Default);
        await read(zstd.StandardOutput.BaseStream);
        zstd.Kill();
        await feeding.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    private static async Task<string> SpoolAsync(Stream input, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        var spooled = Path.Combine(folder, $"dump-{Guid.NewGuid():N}");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            await using var file = new FileStream(spooled, options);
            await input.CopyToAsync(file, cancellationToken);
            return spooled;
        }
        catch
        {
            File.Delete(spooled);
            throw;
        }
    }

    private long Size() => Format == DumpFormat.Directory
        ? new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length)
        : new FileInfo(path).Length;

    private static PgdException Refused(string shown, string fault, string? hint = null) => new(ExitCode.Misuse, $"{shown} is not a dump that can be restored: {fault}", hint);
}
