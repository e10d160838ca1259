namespace Pgd.Tool.CommandLine;

/// <summary>What every command is made from: the run's session and the common options.</summary>
internal sealed record Surface(Session Session, CommonOptions Options);
