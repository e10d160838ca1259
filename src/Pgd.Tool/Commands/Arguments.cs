using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands;

/// <summary>Arguments and options that several commands share.</summary>
internal static class Arguments
{
    /// <summary>A branch that is there.</summary>
    public static Argument<string?> Branch(Surface surface)
    {
        var argument = NewBranch();
        argument.CompletionSources.Add(new KnownNames(surface).Branches);
        return argument;
    }

    /// <summary>A branch that may not be there yet.</summary>
    public static Argument<string?> NewBranch() => new("branch") { HelpName = "PROJECT/BRANCH", Description = "Full name of the branch", Arity = ArgumentArity.ExactlyOne };

    /// <summary>A snapshot that is there.</summary>
    public static Argument<string?> Snapshot(Surface surface)
    {
        var argument = new Argument<string?>("snapshot") { HelpName = "PROJECT/BRANCH@LABEL", Description = "Full name of the snapshot; its identity, or the beginning of that, in place of the label", Arity = ArgumentArity.ExactlyOne };
        argument.CompletionSources.Add(new KnownNames(surface).Snapshots);
        return argument;
    }

    public static Argument<string?> Project(Surface surface, bool optional = false)
    {
        var argument = new Argument<string?>("project")
        {
            HelpName = "PROJECT",
            Description = optional ? "Only this project" : "Name of the project",
            Arity = optional ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
        };
        argument.CompletionSources.Add(new KnownNames(surface).Projects);
        return argument;
    }

    public static Option<string?> Database() => new("--database", "-d") { HelpName = "NAME", Description = "Database (default: the only one)" };

    public static Option<string?> Role() => new("--role", "-r") { HelpName = "NAME", Description = "Role (default: the database's owner)" };

    /// <summary>Roles to keep: several, as patterns.</summary>
    public static Option<string[]> Roles() => Repeated("--role", "NAME", "Role of the source that may log in, beside the superuser and the owners of databases; * stands for any text (repeatable)");

    private const string Parent = "The parent";

    /// <summary>A moment in the past, in one of the ways to say it.</summary>
    public static Option<string?> At(string what = Parent) => new("--at", "--pitr") { HelpName = "TIME", Description = what + " as it was then: 2026-03-01T12:00:00Z, \"2 hours ago\", -90m, \"yesterday 14:30Z\"" };

    public static Option<string?> AtLsn(string what = Parent) => new("--at-lsn") { HelpName = "LSN", Description = what + " as it was at this position of its write-ahead log" };

    public static Option<string?> AtTransaction(string what = Parent) => new("--at-xid") { HelpName = "XID", Description = what + " with this transaction and all that was committed before it" };

    public static Option<string?> AtRestorePoint(string what = Parent) => new("--at-restore-point") { HelpName = "NAME", Description = what + " as it was at pg_create_restore_point('NAME')" };

    public static Option<string?> TimeZone() => new("--timezone") { HelpName = "ZONE", Description = "Zone of times that name none: local, UTC, Europe/Berlin, +01:00" };

    public static Option<string?> TimeToLive() => new("--ttl") { HelpName = "DURATION", Description = "Time until the branch may be swept, for example 12h, 7d or never" };

    /// <summary>How far back a project's first branch can be brought.</summary>
    public static Option<string?> PointInTime() => new("--pitr") { HelpName = "DURATION|off", Description = "Archive the write-ahead log of \"main\", to bring it back to any moment that long ago" };

    /// <summary>What that option says; zero is off.</summary>
    public static TimeSpan? Window(string? text) => text switch { null => null, "off" => TimeSpan.Zero, _ => Duration.Parse(text) };

    public static Option<string?> ProtectionTime() => new("--for") { HelpName = "DURATION", Description = "How long (default 7d); \"never\" to lift it by hand only" };

    public static Option<string?> ProtectionReason() => new("--reason") { HelpName = "TEXT", Description = "What others are told when they are refused" };

    public static Option<bool> Fast() => new("--fast") { Description = "Never ask the source for a checkpoint: it does less, the branch may start slower" };

    public static Option<string?> Consistency() =>
        OneOf("--consistency", "How a running source is copied consistently (default auto)", "auto", "backup", "none");

    public static Option<string[]> Anonymize() => Repeated("--anonymize", "FILE", "SQL file to run before anyone can connect (repeatable)");

    public static Argument<string?> Database(string name, string description) => new(name) { HelpName = "PROJECT/BRANCH:DATABASE", Description = description, Arity = ArgumentArity.ExactlyOne };

    public static Option<string?> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string?>(name) { HelpName = string.Join('|', values), Description = description };
        option.CompletionSources.Add(values);
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && !values.Contains(value))
                result.AddError($"{name} cannot be \"{value}\": it is one of {string.Join(", ", values)}");
        });
        return option;
    }

    /// <summary>An option that may be given several times; read its values with <see cref="Run.Values"/>.</summary>
    public static Option<string[]> Repeated(string name, string helpName, string description) =>
        new(name) { HelpName = helpName, Description = description, Arity = ArgumentArity.OneOrMore };
}
