using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "project", "Work with projects: PostgreSQL lineages, each with a first branch \"main\".",
            ProjectCreate.Command(surface), ProjectList.Command(surface), ProjectGet.Command(surface), ProjectStatusShow.Command(surface), ProjectRefresh.Command(surface), ProjectSet.Command(surface), ProjectRename.Command(surface), ProjectDelete.Command(surface));
}
