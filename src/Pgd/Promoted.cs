namespace Pgd;

/// <summary>A branch that has become the first of a project of its own.</summary>
/// <param name="From">The name that it had.</param>
/// <param name="Project">The new project.</param>
/// <param name="Branch">Its first branch.</param>
/// <param name="Quarantine">What it was kept from as a branch, and what became of each.</param>
public sealed record Promoted(BranchName From, Project Project, Branch Branch, IReadOnlyList<QuarantineItem> Quarantine);

/// <summary>One thing that a branch was kept from.</summary>
/// <param name="Name">A setting's name, or what it is in words.</param>
/// <param name="Lifted">Whether it is as the data's own configuration says now; false if it stays as it was for the branch.</param>
/// <param name="Text">What it was and is, and why.</param>
public sealed record QuarantineItem(string Name, bool Lifted, string Text);
