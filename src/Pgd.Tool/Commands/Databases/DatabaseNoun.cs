using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Databases;

internal static class DatabaseNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "database", "Work with databases inside the server of one branch: copies of each other, made by PostgreSQL itself.",
            DatabaseBranch.Command(surface), DatabaseList.Command(surface), DatabaseDelete.Command(surface));
}
