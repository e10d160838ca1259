using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "replicate", "Bring databases of one server to another, and prove that they are the same.",
            ReplicateVerify.Command(surface));
}
