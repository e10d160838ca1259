using System.Reflection;
using System.Xml.Linq;
using Cake.Core.Annotations;
using Cake.Pgd;
using Xunit;

namespace Pgd.Tests.Cake;

/// <summary>What the addin's users see in their editors and on Cake's site.</summary>
public sealed class AliasDocs
{
    private static readonly XDocument Documentation = XDocument.Load(Path.ChangeExtension(typeof(PgdSettings).Assembly.Location, ".xml"));

    private static IEnumerable<MethodInfo> Aliases => typeof(PgdSettings).Assembly.GetExportedTypes().Where(t => t.IsAbstract && t.IsSealed).SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Static));

    [Fact]
    public void Every_alias_is_marked_has_a_category_and_explains_itself_each_parameter_its_result_its_errors_and_an_example()
    {
        Assert.NotEmpty(Aliases);
        foreach (var alias in Aliases)
        {
            Assert.True(alias.GetCustomAttribute<CakeMethodAliasAttribute>() is not null && alias.GetCustomAttribute<CakeAliasCategoryAttribute>() is not null && alias.DeclaringType!.GetCustomAttribute<CakeAliasCategoryAttribute>()?.Name == "Pgd", alias.Name);
            var member = Documentation.Descendants("member").SingleOrDefault(m => m.Attribute("name")!.Value.StartsWith($"M:{alias.DeclaringType!.FullName}.{alias.Name}(", StringComparison.Ordinal));
            Assert.True(member is not null, alias.Name);
            string[] parts = ["summary", "exception", "example", .. alias.ReturnType == typeof(void) ? Array.Empty<string>() : ["returns"]];
            Assert.All(parts, part => Assert.True(member.Element(part)?.Value.Trim().Length > 0, $"{alias.Name} has no {part}"));
            Assert.Equal(alias.GetParameters().Select(p => p.Name), member.Elements("param").Where(p => p.Value.Trim().Length > 0).Select(p => p.Attribute("name")!.Value));
            Assert.Contains(alias.Name + "(", member.Element("example")!.Value, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_setting_says_what_it_means()
    {
        foreach (var property in typeof(PgdSettings).Assembly.GetExportedTypes().Where(t => t.Name.EndsWith("Settings", StringComparison.Ordinal)).SelectMany(t => t.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)))
        {
            if (property.Name != "EqualityContract")
                Assert.True(Documentation.Descendants("member").Any(m => m.Attribute("name")!.Value == $"P:{property.DeclaringType!.FullName}.{property.Name}" && m.Element("summary")?.Value.Trim().Length > 0), property.Name);
        }
    }

    // Cake looks at every type of what is in the package before the libraries can be found.
    [Theory]
    [InlineData(typeof(Branch))]
    [InlineData(typeof(global::Pgd.Action.PullRequestStory))]
    public void All_types_can_be_looked_at_with_nothing_but_what_is_in_the_package(Type one) =>
        Assert.NotEmpty(new Alone().LoadFromAssemblyPath(one.Assembly.Location).GetTypes());

    private sealed class Alone() : System.Runtime.Loader.AssemblyLoadContext("alone", isCollectible: true)
    {
        private static readonly string Folder = Path.GetDirectoryName(typeof(Branch).Assembly.Location)!;

        // Before the usual one is asked, which has all of them.
        protected override Assembly? Load(AssemblyName assemblyName) => assemblyName.Name switch
        {
            "Pgd" or "AWSSDK.S3" or "AWSSDK.Core" => LoadFromAssemblyPath(Path.Combine(Folder, assemblyName.Name + ".dll")),
            { } name when File.Exists(Path.Combine(Folder, name + ".dll")) => throw new FileNotFoundException(assemblyName.FullName),
            _ => null,
        };
    }
}
