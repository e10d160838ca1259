using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Cake.Pgd;

/// <summary>
/// Finds the libraries that the engine uses. Cake loads what is in an addin's package and nothing that it depends on, and has older versions of some of that itself, beside which no other can be
/// loaded. So they lie in a folder of their own, and are loaded apart.
/// </summary>
internal static class Libraries
{
    // In the package, and beside this assembly where it is referenced as a file.
    private static readonly string[] Folders = [.. new[] { "../../libraries", "." }.Select(folder => Path.GetFullPath(folder, Path.GetDirectoryName(typeof(Libraries).Assembly.Location)!))];
    private static readonly AssemblyLoadContext Apart = new("Cake.Pgd");

    // Before the first alias, and hence before anything that needs one of them.
#pragma warning disable CA2255 // It is meant for applications, which may choose; this is the only moment that an addin has.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Register()
    {
        AssemblyLoadContext.Default.Resolving += Find;
        Apart.Resolving += Find;
    }

    private static Assembly? Find(AssemblyLoadContext context, AssemblyName name) =>
        Folders.Select(folder => Path.Combine(folder, name.Name + ".dll")).FirstOrDefault(File.Exists) is { } file ? Apart.LoadFromAssemblyPath(file) : null;
}
