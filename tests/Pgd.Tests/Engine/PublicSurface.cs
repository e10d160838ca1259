using System.Reflection;
using System.Text;
using Xunit;

namespace Pgd.Tests.Engine;

public sealed class PublicSurface
{
    [Fact]
    public void The_engines_public_surface_changes_only_on_purpose()
    {
        var text = new StringBuilder();
        foreach (var type in typeof(Workspace).Assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(Kind(type)).Append(' ').Append(Name(type)).Append('\n');
            foreach (var member in Members(type).Order(StringComparer.Ordinal))
                text.Append("    ").Append(member).Append('\n');
        }

        Snapshot.Match(text.ToString());
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
            return Enum.GetNames(type).Select(n => $"{n} = {Convert.ToInt32(Enum.Parse(type, n), System.Globalization.CultureInfo.InvariantCulture)}");
        const BindingFlags declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        return type.GetMembers(declared).Where(m => !IsWrittenByTheCompiler(m)).Select(m => m switch
        {
            ConstructorInfo c => $"new({Parameters(c)})",
            FieldInfo f => $"{(f.IsLiteral ? "const" : "field")} {Name(f.FieldType)} {f.Name}",
            PropertyInfo p => $"{(p.GetMethod!.IsStatic ? "static " : "")}{Name(p.PropertyType)} {p.Name} {{ get;{(p.SetMethod is { IsPublic: true } ? " init;" : "")} }}",
            MethodInfo { IsSpecialName: false } method => $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
            _ => "",
        }).Where(m => m.Length > 0);
    }

    // A record's equality, copying and deconstruction follow from its properties.
    private static bool IsWrittenByTheCompiler(MemberInfo member) =>
        member.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute)) && member is MethodBase
        || member.Name is "Equals" or "GetHashCode" or "ToString" or "PrintMembers" or "<Clone>$" or "EqualityContract" or "Deconstruct";

    private static string Parameters(MethodBase method) =>
        string.Join(", ", method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? " = default" : "")}"));

    private static string Kind(Type type) => type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type.IsAbstract && type.IsSealed ? "static class" : "class";

    private static string Name(Type type) => type switch
    {
        { IsArray: true } => $"{Name(type.GetElementType()!)}[]",
        { IsGenericType: true } when Nullable.GetUnderlyingType(type) is { } inner => $"{Name(inner)}?",
        { IsGenericType: true } => $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>",
        _ => type.Namespace!.StartsWith("Pgd", StringComparison.Ordinal) ? type.FullName! : type.Name,
    };
}
