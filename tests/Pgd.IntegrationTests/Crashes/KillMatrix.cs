using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>
/// The tool is killed at every place that a traced run passes. Then the doctor puts everything right, or the same command succeeds: by listings
/// that ask neither the records nor the storage.
/// </summary>
public abstract class KillMatrix : IAsyncLifetime
{
    private const int Killed = 128 + ToolRoot.Sigkill;
    private readonly string _storage;
    private readonly bool _everyPlace;
    private readonly bool _docker;
    private readonly bool _aThird;
    private readonly List<string> _faults = [];
    private ToolRoot _root = null!;

    /// <summary>Steps that all storages share are killed on one of them; with PGD_SOAK in the environment on all.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="everyPlace">Whether every step counts, and not only those that are this storage's own.</param>
    /// <param name="docker">Whether servers run in containers.</param>
    /// <param name="aThird">Whether, outside of a soak, a third of the places is enough, always the same.</param>
    protected KillMatrix(string storage, bool everyPlace, bool docker = false, bool aThird = false)
    {
        _aThird = aThird && !Soak.IsOn;
        _storage = storage;
        _docker = docker;
        _everyPlace = everyPlace || Soak.IsOn;
    }

    private static BranchName Dev => ToolRoot.Branch("dev");

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _root = await ToolRoot.WithProjectAsync(_storage, image: _docker ? Lab.Current.Docker.Image(17) : null);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Kills <c>branch create</c>.</summary>
    protected async Task KillCreateAsync()
    {
        string[] command = ["branch", "create", "shop/dev"];
        await InspectSourceAsync();
        var places = await TraceAsync(command);
        await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
        var before = _root.Listing();
        var source = await _root.ChecksumAsync(ToolRoot.Main);

        foreach (var place in places)
        {
            Kill(place, command);
            await CureAsync(place);
            if (await ExistsAsync(Dev))
            {
                // Killed after the last step: the branch is whole, only nobody was told.
                await ServesAsync(place, Dev, source);
                await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
            }

            Same(place, "after the doctor", before, _root.Listing());

            Kill(place, command);
            var again = await _root.InProcessAsync([.. command, "--ensure"]);
            Expect(place, again.Status == 0, $"repeated: {again}");
            if (again.Status == 0)
                await ServesAsync(place, Dev, source);
            await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: true, default);
            Same(place, "after repeating it and deleting the branch", before, _root.Listing());
        }

        Expect("the source", source == await _root.ChecksumAsync(ToolRoot.Main), "has changed");
        Report();
    }

    /// <summary>Kills <c>branch reset</c>.</summary>
    protected async Task KillResetAsync()
    {
        string[] command = ["branch", "reset", "shop/dev"];
        await _root.MakeAsync("dev");
        var places = await TraceAsync(command);
        var address = await _root.Workspace.Branches.ConnectAsync(Dev, ToolRoot.Project, null, default);
        var before = _root.SteadyListing();

        foreach (var place in places)
        {
            var fresh = await RenewAsync();
            Kill(place, command);
            await CureAsync(place);
            await ServesAsync(place, Dev, "1", fresh);
            Same(place, "after the doctor", before, _root.SteadyListing());

            fresh = await RenewAsync();
            Kill(place, command);
            var again = await _root.InProcessAsync(command);
            Expect(place, again.Status == 0, $"repeated: {again}");
            await ServesAsync(place, Dev, fresh);
            Same(place, "after repeating it", before, _root.SteadyListing());
            Expect(place, address == await _root.Workspace.Branches.ConnectAsync(Dev, ToolRoot.Project, null, default), "the address has changed");
        }

        Report();

        // Other data in the branch than in its parent: "1" is old.
        async Task<string> RenewAsync()
        {
            await _root.SqlAsync(ToolRoot.Main, $"update orders set note = '{Guid.NewGuid()}' where id = 1");
            await _root.SqlAsync(Dev, "delete from orders where id > 1; update orders set note = 'old' where id = 1");
            return (await _root.ChecksumAsync(ToolRoot.Main))!;
        }
    }

    /// <summary>Kills <c>branch delete</c>.</summary>
    protected async Task KillDeleteAsync()
    {
        string[] command = ["branch", "delete", "shop/dev"];
        var without = _root.Listing();
        await _root.MakeAsync("dev");
        var places = await TraceAsync(command);

        foreach (var place in places)
        {
            await _root.MakeAsync("dev");
            Kill(place, command);
            await CureAsync(place);
            if (await ExistsAsync(Dev))
            {
                // Killed before the first step.
                await ServesAsync(place, Dev, (await _root.ChecksumAsync(ToolRoot.Main))!);
                await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
            }

            Same(place, "after the doctor", without, _root.Listing());

            await _root.MakeAsync("dev");
            Kill(place, command);
            var again = await _root.InProcessAsync([.. command, "--if-exists"]);
            Expect(place, again.Status == 0, $"repeated: {again}");
            Same(place, "after repeating it", without, _root.Listing());
        }

        Report();
    }

    /// <summary>Kills <c>branch create --golden</c> and the reset of a golden branch.</summary>
    protected async Task KillGoldenAsync()
    {
        string[] create = ["branch", "create", "shop/dev", "--golden"], reset = ["branch", "reset", "shop/dev"];
        await InspectSourceAsync();
        var without = _root.Listing();
        var places = (await TraceAsync(create)).Where(IsOfGolden).ToList();
        var placesOfReset = (await TraceAsync(reset)).Where(IsOfGolden).ToList();
        await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
        foreach (var place in places)
        {
            Kill(place, create);
            await CureAsync(place);
            await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: true, default);
            Same(place, "after the doctor", without, _root.Listing());
        }

        await _root.Workspace.Branches.CreateAsync(new() { Name = Dev, Golden = true }, default);
        foreach (var place in placesOfReset)
        {
            Kill(place, reset);
            await CureAsync(place);
            // Old or new, what it gives to others is whole.
            var child = await _root.MakeAsync("child", from: "dev");
            await ServesAsync(place, child.Name, (await _root.ChecksumAsync(ToolRoot.Main))!);
            await _root.Workspace.Branches.DeleteAsync(child.Name, ifExists: false, default);
            var again = await _root.InProcessAsync(reset);
            Expect(place, again.Status == 0, $"repeated: {again}");
        }

        await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
        Same("golden", "after deleting it", without, _root.Listing());
        Report();

        // The others are those of any branch.
        static bool IsOfGolden(string place) => Soak.IsOn || place.Split(':')[0] is "golden" or "settle" or "stop" or "reset" or "create" || place.StartsWith("record:", StringComparison.Ordinal);
    }

    /// <summary>Kills <c>branch rotate</c>: afterwards an address works, and the old password does not if the new one does.</summary>
    protected async Task KillRotateAsync()
    {
        string[] command = ["branch", "rotate", "shop/dev"];
        await _root.MakeAsync("dev");
        var places = await TraceAsync(command);
        var source = (await _root.ChecksumAsync(ToolRoot.Main))!;
        foreach (var place in places)
        {
            foreach (var cure in (Func<Task>[])[() => CureAsync(place), async () => Expect(place, (await _root.InProcessAsync(command)).Status == 0, "repeated")])
            {
                var old = await _root.ConnectionStringAsync(Dev);
                Kill(place, command);
                if (place != "rotate:done#1" && (await _root.InProcessAsync("branch", "url", "shop/dev")) is { Status: not 0 } asked)
                    Expect(place, asked.Error.Contains("dotnet pgd branch rotate shop/dev", StringComparison.Ordinal), $"what to do is not said: {asked}");
                await cure();
                await ServesAsync(place, Dev, source);
                var (now, oldWorks) = (await _root.ConnectionStringAsync(Dev), await WorksAsync(old));
                Expect(place, oldWorks == (now == old), "the old password works beside the new one");
            }
        }

        await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
        Report();

        static async Task<bool> WorksAsync(string address)
        {
            await using var connection = new Npgsql.NpgsqlConnection(address);
            try
            {
                await connection.OpenAsync();
                return true;
            }
            catch (Npgsql.PostgresException e) when (e.SqlState == Npgsql.PostgresErrorCodes.InvalidPassword)
            {
                return false;
            }
        }
    }

    /// <summary>Kills <c>project create</c> and <c>project delete</c>.</summary>
    protected async Task KillProjectAsync()
    {
        var stock = BranchName.Of("stock", BranchName.Main);
        string[] create = ["project", "create", "stock"], delete = ["project", "delete", "stock", "--force"];
        var without = _root.Listing();
        var places = await TraceAsync(create);
        var placesOfDelete = await TraceAsync(delete);

        foreach (var place in places)
        {
            Kill(place, create);
            await CureAsync(place);
            if (await ExistsAsync(stock))
                await _root.Workspace.Projects.DeleteAsync("stock", force: false, default);
            Same(place, "after the doctor", without, _root.Listing());
        }

        foreach (var place in places)
        {
            Kill(place, create);
            var again = await _root.InProcessAsync(create);
            Expect(place, again.Status == 0, $"repeated: {again}");
            // What was made after a kill is what is killed next.
            if (placesOfDelete.Count > 0)
            {
                Kill(placesOfDelete[0], delete);
                placesOfDelete.RemoveAt(0);
                await CureAsync(place);
            }

            var gone = await _root.InProcessAsync(delete);
            Expect(place, gone.Status is 0 or (int)ExitCode.NotFound, $"deleted: {gone}");
            Same(place, "after deleting it", without, _root.Listing());
        }

        while (placesOfDelete.Count > 0)
        {
            await _root.Workspace.Projects.CreateAsync(new() { Name = "stock" }, default);
            Kill(placesOfDelete[0], delete);
            await CureAsync(placesOfDelete[0]);
            var gone = await _root.InProcessAsync(delete);
            Expect(placesOfDelete[0], gone.Status is 0 or (int)ExitCode.NotFound, $"deleted: {gone}");
            Same(placesOfDelete[0], "after deleting it", without, _root.Listing());
            placesOfDelete.RemoveAt(0);
        }

        Report();
    }

    /// <summary>Kills <c>snapshot create</c>, <c>snapshot delete</c>, and the making of a branch that is recovered to a moment.</summary>
    protected async Task KillSnapshotsAsync()
    {
        string[] create = ["snapshot", "create", "shop/main", "--label", "then"], delete = ["snapshot", "delete", "shop/main@then"];
        var without = _root.Listing();
        var source = (await _root.ChecksumAsync(ToolRoot.Main))!;
        var places = await TraceAsync(create);
        var placesOfDelete = await TraceAsync(delete);
        foreach (var place in places)
        {
            Kill(place, create);
            await CureAsync(place);
            // Killed after the last step: it is whole, and only nobody was told.
            var kept = await TakenAsync();
            Expect(place, kept.All(s => s.Status == SnapshotStatus.Ready), "a snapshot is half made");
            if (kept.Count > 0)
                await _root.Workspace.Snapshots.DeleteAsync(new(ToolRoot.Main, "then"), ifExists: false, default);
            Same(place, "after the doctor", without, _root.Listing());
        }

        foreach (var place in placesOfDelete)
        {
            foreach (var cure in (Func<Task>[])[() => CureAsync(place), () => Task.CompletedTask])
            {
                if ((await TakenAsync()).Count == 0)
                    await _root.Workspace.Snapshots.CreateAsync(new() { Branch = ToolRoot.Main, Label = "then" }, default);
                Kill(place, delete);
                await cure();
                var again = await _root.InProcessAsync([.. delete, "--if-exists"]);
                Expect(place, again.Status == 0, $"repeated: {again}");
                Same(place, "after repeating it", without, _root.Listing());
            }
        }

        await _root.Workspace.Snapshots.CreateAsync(new() { Branch = ToolRoot.Main, Label = "then" }, default);
        await _root.SqlAsync(ToolRoot.Main, "create table later (); drop table later");
        await InspectSourceAsync();
        var before = _root.Listing();
        string[] recover = ["branch", "create", "shop/dev", "--at", "now"];
        var placesOfRecovery = (await TraceAsync(recover)).Where(place => Soak.IsOn || place.Split(':')[0] is "recover" or "clone" or "create").ToList();
        Assert.Contains("recover:log#1", placesOfRecovery);
        await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
        foreach (var place in placesOfRecovery)
        {
            Kill(place, recover);
            await CureAsync(place);
            if (await ExistsAsync(Dev))
            {
                await ServesAsync(place, Dev, source);
                await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, default);
            }

            Same(place, "after the doctor", before, _root.Listing());
        }

        await _root.Workspace.Snapshots.DeleteAsync(new(ToolRoot.Main, "then"), ifExists: false, default);
        Expect("the source", source == await _root.ChecksumAsync(ToolRoot.Main), "has changed");
        Report();

        async Task<IReadOnlyList<Snapshot>> TakenAsync() => await _root.Workspace.Snapshots.ListAsync(null, ToolRoot.Main, default);
    }

    /// <summary>Kills <c>branch rename</c>: afterwards the branch is there under one of its names, with everything that belongs to it.</summary>
    protected async Task KillRenameAsync()
    {
        await _root.MakeAsync("dev");
        await _root.Workspace.Snapshots.CreateAsync(new() { Branch = Dev, Label = "kept" }, default);
        await _root.Workspace.Branches.CreateAsync(new() { Name = ToolRoot.Branch("child"), From = "dev", Snapshot = "kept" }, default);
        await KillBetweenAsync(Dev, ToolRoot.Branch("renamed"), (from, to) => ["branch", "rename", from.ToString(), to.Branch], async (place, name) =>
        {
            var child = await _root.Workspace.Branches.GetAsync(ToolRoot.Branch("child"), default);
            Expect(place, child.Parent == name && child.Snapshot == $"{name}@kept", $"the child is from {child.Parent} and {child.Snapshot}, and not from {name}");
            await ServesAsync(place, child.Name, await _root.ChecksumAsync(ToolRoot.Main));
        });
        Report();
    }

    /// <summary>Kills <c>project rename</c>.</summary>
    protected async Task KillProjectRenameAsync()
    {
        await _root.MakeAsync("dev");
        await _root.Workspace.Snapshots.CreateAsync(new() { Branch = ToolRoot.Main, Label = "kept" }, default);
        var dev = await _root.ConnectionStringAsync(Dev);
        await KillBetweenAsync(ToolRoot.Main, BranchName.Of("store", BranchName.Main), (from, to) => ["project", "rename", from.Project, to.Project], async (place, name) =>
        {
            Expect(place, dev == await _root.ConnectionStringAsync(BranchName.Of(name.Project, "dev")), "the address of its branch has changed");
            Expect(place, (await _root.Workspace.Snapshots.ListAsync(name.Project, null, default)).Select(s => s.Name).SequenceEqual([$"{name}@kept"]), "its snapshot is gone");
            Expect(place, (await _root.Workspace.Projects.ListAsync(default)).Count == 1, "there are two projects");
        });
        Report();
    }

    /// <summary>Kills <c>branch promote</c>: each time a branch becomes a project, or stays what it was.</summary>
    protected async Task KillPromoteAsync()
    {
        string[] command = ["branch", "promote", "shop/dev", "store"];
        var main = BranchName.Of("store", BranchName.Main);
        var without = _root.Listing();
        await MakeAsync();
        var places = await TraceAsync(command);
        await _root.Workspace.Projects.DeleteAsync("store", force: true, default);
        Same("promote", "after deleting it", without, _root.Listing());
        foreach (var place in places)
        {
            foreach (var repeats in (bool[])[false, true])
            {
                var address = await MakeAsync();
                Kill(place, command);
                if (repeats && await _root.InProcessAsync(command) is { Status: not (0 or (int)ExitCode.NotFound) } again)
                    Expect(place, false, $"repeated: {again}");
                if (!repeats)
                    await CureAsync(place);
                if (_faults.Count > 0)
                    Report();
                var (old, now) = (await ExistsAsync(Dev), await ExistsAsync(main));
                Expect(place, old != now && (now || !repeats), $"the branch {(old ? "is" : "is not")} there, and the project {(now ? "is" : "is not")}");
                var name = now ? main : Dev;
                await ServesAsync(place, name, await _root.ChecksumAsync(ToolRoot.Main));
                Expect(place, address == await _root.ConnectionStringAsync(name), "the address has changed");
                Expect(place, await _root.SqlAsync(name, "select current_setting('archive_mode') || (select string_agg(setting, ',' order by seqno) from pg_file_settings where name = 'archive_mode')") == (now ? "offoff" : "offon"), "its configuration is not what it was");
                if (now)
                    await _root.Workspace.Projects.DeleteAsync("store", force: true, default);
                else
                    await _root.Workspace.Branches.DeleteAsync(Dev, ifExists: false, withSnapshots: true, default);
                Same(place, "after deleting it", without, _root.Listing());
            }
        }

        Report();

        async Task<string> MakeAsync()
        {
            await _root.MakeAsync("dev");
            await _root.SqlAsync(Dev, "alter system set archive_mode = 'on'");
            await _root.Workspace.Snapshots.CreateAsync(new() { Branch = Dev, Label = "kept" }, default);
            return await _root.ConnectionStringAsync(Dev);
        }
    }

    // There and back again, so that every kill finds the same: under either name.
    private async Task KillBetweenAsync(BranchName one, BranchName other, Func<BranchName, BranchName, string[]> command, Func<string, BranchName, Task> checkAsync)
    {
        var address = await _root.ConnectionStringAsync(one);
        var content = await _root.ChecksumAsync(one);
        var before = Steady(one);
        var places = await TraceAsync(command(one, other));
        var (name, free) = (other, one);
        await HoldsAsync("traced", name);
        foreach (var place in places)
        {
            foreach (var repeats in (bool[])[false, true])
            {
                var again = command(name, free);
                Kill(place, again);
                if (!repeats)
                    await CureAsync(place);
                else if (await _root.InProcessAsync(again) is { Status: not (0 or (int)ExitCode.NotFound) } repeated)
                    Expect(place, false, $"repeated: {repeated}");
                // What is still half here and half there would only make everything else fail.
                if (_faults.Count > 0)
                    Report();
                var (old, now) = (await ExistsAsync(name), await ExistsAsync(free));
                Expect(place, old != now && (now || !repeats), $"{name} {(old ? "is" : "is not")} there, and {free} {(now ? "is" : "is not")}");
                if (now)
                    (name, free) = (free, name);
                await HoldsAsync(place, name);
            }
        }

        async Task HoldsAsync(string place, BranchName there)
        {
            await ServesAsync(place, there, content);
            Expect(place, address == await _root.ConnectionStringAsync(there), "the address has changed");
            await checkAsync(place, there);
            Same(place, $"as {there}", before, Steady(there));
        }

        // The names alone differ.
        List<string> Steady(BranchName there) => [.. _root.SteadyListing().Where(entry => !entry.StartsWith("process ", StringComparison.Ordinal))
            .Select(entry => entry.Replace($"{there.Project}/", "PROJECT/", StringComparison.Ordinal).Replace($"{there.Branch}/", "BRANCH/", StringComparison.Ordinal).Replace($"/{there.Branch}", "/BRANCH", StringComparison.Ordinal)
                .Replace($"/{there.Project}", "/PROJECT", StringComparison.Ordinal))];
    }

    // Every place that the command passes, with its number where it passes several times.
    // The first branch of a project looks at its source as well, once, and that is recorded.
    private async Task InspectSourceAsync()
    {
        await _root.MakeAsync("first");
        await _root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("first"), ifExists: false, default);
    }

    private async Task<List<string>> TraceAsync(params string[] command)
    {
        var trace = Path.GetTempFileName();
        try
        {
            var run = _root.ToolWith(new() { ["PGD_KILL_TRACE"] = trace }, command);
            Assert.True(run.Status == 0, run.ToString());
            var seen = new Dictionary<string, int>();
            var places = new List<string>();
            foreach (var place in await File.ReadAllLinesAsync(trace))
                places.Add($"{place}#{seen[place] = seen.GetValueOrDefault(place) + 1}");
            Assert.NotEmpty(places);
            return [.. places.Where(IsWanted)];
        }
        finally
        {
            File.Delete(trace);
        }
    }

    // Outside of a soak once each, because what is done over and over is done in the same way; but a record is first made and then replaced, and of two servers that a reset
    // stops the second is the one that serves.
    private bool IsWanted(string place) =>
        (!_aThird || place.Sum(c => c) % 3 == 0) && (Soak.IsOn || place.EndsWith("#1", StringComparison.Ordinal) || place is "record:beside#2" or "stop:asked#2")
        && (_everyPlace || (_storage == "zfs" ? place.Split('#')[0] is "clone:snapshot" or "clone:dataset" or "remove:unmounted" : _docker ? place.Split(':')[0] is "start" or "stop" : place.Split(':')[0] is "volume" or "clone" or "copy" or "remove"));

    private void Kill(string place, string[] command)
    {
        var killed = _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, command);
        Expect(place, killed.Status == Killed, $"was not killed there: {killed}");
        // The source's server ends the session of a dead client, and with it the temporary slot, a moment later.
        Assert.True(SpinWait.SpinUntil(() => !_root.Listing().Any(entry => entry.Contains("/main/g1/data/pg_replslot/", StringComparison.Ordinal)), TimeSpan.FromSeconds(30)));
    }

    private async Task CureAsync(string place)
    {
        var before = _root.Listing();
        var planned = await _root.Workspace.Doctor.FixAsync(dryRun: true, default);
        // A server that was just launched, or asked to stop, may get on by itself; and of the two containers that a reset stops at once one is gone first.
        if (!place.StartsWith("start:launched", StringComparison.Ordinal) && !place.StartsWith("stop:asked", StringComparison.Ordinal) && !(_docker && place == "stop:gone#1"))
            Same(place, "after the doctor's rehearsal", before, _root.Listing());
        var done = await _root.Workspace.Doctor.FixAsync(dryRun: false, default);
        foreach (var repair in done.Where(repair => !repair.Done))
            Expect(place, false, $"{repair.Kind} {repair.Subject}: {repair.Text}");
        foreach (var repair in done.Where(repair => !planned.Any(plan => plan.Subject == repair.Subject)))
            Expect(place, repair.Kind == "socket", $"the doctor did what it had not said: {repair}");
        var rest = await _root.Workspace.Doctor.FixAsync(dryRun: true, default);
        foreach (var repair in rest)
            Expect(place, false, $"the doctor left: {repair}");
        foreach (var file in _root.StrayLocks())
            Expect(place, false, $"the doctor left the lock {file}");
    }

    private async Task<bool> ExistsAsync(BranchName name) =>
        (await _root.Workspace.Projects.ListAsync(default)).Any(p => p.Name == name.Project) && (await _root.Workspace.Branches.ListAsync(name.Project, default)).Any(b => b.Name == name);

    private async Task ServesAsync(string place, BranchName name, params string?[] contents)
    {
        try
        {
            var content = await _root.ChecksumAsync(name);
            Expect(place, contents.Any(expected => content == expected || (expected == "1" && content!.StartsWith("1/", StringComparison.Ordinal))), $"the branch serves {content} instead of {string.Join(" or ", contents)}");
        }
        catch (Exception e) when (e is PgdException or Npgsql.NpgsqlException)
        {
            Expect(place, false, $"the branch does not serve: {e.Message}");
        }
    }

    private void Same(string place, string when, IReadOnlyList<string> before, IReadOnlyList<string> after)
    {
        foreach (var line in Multiset(after, before).Select(entry => $"+ {entry}").Concat(Multiset(before, after).Select(entry => $"- {entry}")))
            Expect(place, false, $"{when}: {line}");

        static IEnumerable<string> Multiset(IReadOnlyList<string> one, IReadOnlyList<string> other)
        {
            var rest = other.GroupBy(entry => entry).ToDictionary(group => group.Key, group => group.Count());
            foreach (var entry in one)
            {
                if (rest.TryGetValue(entry, out var count) && count > 0)
                    rest[entry] = count - 1;
                else
                    yield return entry;
            }
        }
    }

    // All of them at once: one kill that goes wrong says less than the pattern of many.
    private void Expect(string place, bool condition, string otherwise)
    {
        if (!condition)
            _faults.Add($"{place}: {otherwise}");
    }

    private void Report() => Assert.True(_faults.Count == 0, string.Join('\n', _faults));
}

/// <summary>On a storage that needs the backup bracket every place is passed.</summary>
public sealed class KillMatrixOnReflink() : KillMatrix("reflink", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_create_that_is_killed_anywhere_leaves_nothing_after_the_doctor_and_can_be_repeated() => KillCreateAsync();

    [Fact]
    public Task A_reset_that_is_killed_anywhere_serves_old_or_new_data_at_the_same_address_after_the_doctor_and_can_be_repeated() => KillResetAsync();

    [Fact]
    public Task A_delete_that_is_killed_anywhere_is_finished_by_the_doctor_or_by_repeating_it() => KillDeleteAsync();
}

/// <summary>Projects take long to make: a class of its own runs beside the others.</summary>
public sealed class KillMatrixOfProjects() : KillMatrix("btrfs", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_project_that_was_being_made_or_deleted_when_the_tool_was_killed_is_gone_after_the_doctor_and_either_can_be_repeated() => KillProjectAsync();
}

/// <summary>What is done beside making, resetting and deleting.</summary>
public sealed class KillMatrixOfRotations() : KillMatrix("reflink", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_rotation_that_is_killed_anywhere_is_finished_by_the_doctor_or_by_repeating_it() => KillRotateAsync();

    [Fact]
    public Task A_golden_branch_that_is_killed_while_it_is_made_or_reset_is_gone_or_whole_after_the_doctor() => KillGoldenAsync();
}

/// <summary>What is done with snapshots, where they are copies of files.</summary>
public sealed class KillMatrixOfSnapshots() : KillMatrix("reflink", everyPlace: true)
{
    [Fact]
    public Task A_snapshot_that_is_killed_anywhere_is_whole_or_gone_after_the_doctor_and_so_is_a_branch_that_is_recovered_from_it() => KillSnapshotsAsync();
}

/// <summary>Other names: what was killed half-way is whole under one of them.</summary>
public sealed class KillMatrixOfRenames() : KillMatrix("reflink", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_rename_that_is_killed_anywhere_leaves_the_branch_whole_under_one_name_and_can_be_repeated() => KillRenameAsync();
}

/// <summary>The same of projects.</summary>
public sealed class KillMatrixOfProjectRenames() : KillMatrix("reflink", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_renamed_project_that_was_killed_anywhere_is_whole_under_one_name_and_can_be_repeated() => KillProjectRenameAsync();
}

/// <summary>Branches that become projects.</summary>
public sealed class KillMatrixOfPromotions() : KillMatrix("reflink", everyPlace: true, aThird: true)
{
    [Fact]
    public Task A_promotion_that_is_killed_anywhere_leaves_a_branch_or_a_project_and_can_be_repeated() => KillPromoteAsync();
}

/// <summary>What differs where snapshots are atomic.</summary>
public sealed class KillMatrixOnBtrfs() : KillMatrix("btrfs", everyPlace: false)
{
    [Fact]
    public Task A_create_that_is_killed_while_it_snapshots_leaves_nothing_after_the_doctor_and_can_be_repeated() => KillCreateAsync();

    [Fact]
    public Task A_reset_that_is_killed_while_it_snapshots_serves_old_or_new_data_at_the_same_address_after_the_doctor_and_can_be_repeated() => KillResetAsync();

    [Fact]
    public Task A_delete_that_is_killed_while_it_removes_a_snapshot_is_finished_by_the_doctor_or_by_repeating_it() => KillDeleteAsync();
}

/// <summary>What differs where a copy is a snapshot and a clone of a dataset. Every step takes its time in an emulated machine: outside of a soak only the worst moments.</summary>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class KillMatrixOnZfs() : KillMatrix("zfs", everyPlace: false)
{
    [Fact]
    public Task A_create_that_is_killed_while_it_clones_leaves_no_dataset_and_no_snapshot_after_the_doctor_and_can_be_repeated() => KillCreateAsync();

    [Fact]
    public Task A_delete_that_is_killed_while_it_destroys_a_dataset_is_finished_by_the_doctor_or_by_repeating_it() => KillDeleteAsync();
}

/// <summary>What differs where files are copied.</summary>
public sealed class KillMatrixOnCopy() : KillMatrix("copy", everyPlace: false)
{
    [Fact]
    public Task A_create_that_is_killed_while_it_copies_leaves_nothing_after_the_doctor_and_can_be_repeated() => KillCreateAsync();
}

/// <summary>Where servers are containers.</summary>
public sealed class KillMatrixInDocker() : KillMatrix("btrfs", everyPlace: false, docker: true, aThird: true)
{
    [Fact]
    public Task A_create_that_is_killed_while_its_container_is_made_leaves_nothing_after_the_doctor_and_can_be_repeated() => KillCreateAsync();

    [Fact]
    public Task A_reset_that_is_killed_while_its_containers_change_serves_old_or_new_data_at_the_same_address_after_the_doctor_and_can_be_repeated() => KillResetAsync();

    [Fact]
    public Task A_delete_that_is_killed_while_its_container_is_removed_is_finished_by_the_doctor_or_by_repeating_it() => KillDeleteAsync();
}
