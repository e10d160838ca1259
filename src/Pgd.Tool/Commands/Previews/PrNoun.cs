using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Previews;

internal static class PrNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "pr", "Give pull requests their branches; for use in CI jobs.",
            PrAuto.Command(surface), PrUp.Command(surface), PrDown.Command(surface), PrSweep.Command(surface));
}
