using System.CommandLine;

namespace Pgd.Tool.CommandLine;

/// <summary>A command that holds others; alone it shows what can be done.</summary>
internal sealed class Noun : Command
{
    public Noun(Surface surface, string name, string description, params Command[] verbs)
        : base(name, description)
    {
        Action = new ShowHelp(surface.Session);
        foreach (var verb in verbs)
            Add(verb);
    }
}
