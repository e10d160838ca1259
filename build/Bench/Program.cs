using Pgd.Bench;

// `dotnet` printing a line, measured as itself.
return args is ["--hello"] ? Hello() : Measure(args);

static int Hello()
{
    Console.WriteLine("hello");
    return 0;
}

static int Measure(string[] args)
{
    if (args is not [var tool, var scale, var rounds, .. var only])
    {
        Console.Error.WriteLine("Usage: Bench TOOL-FOLDER SCALE ROUNDS [WHAT]");
        return 2;
    }

    try
    {
        using var bench = new Benchmark(new(tool), int.Parse(scale), int.Parse(rounds));
        bench.Run(only is [var one] ? [one] : ["btrfs", "reflink", "copy", "btrfs" + Benchmark.InDocker, "recovery", "rehearsal", "testing", "backup", "copy-database", "verify", "list"]);
        return 0;
    }
    catch (InvalidOperationException error)
    {
        Console.Error.WriteLine(error.Message);
        return 1;
    }
}
