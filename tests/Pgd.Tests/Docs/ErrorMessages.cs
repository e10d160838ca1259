using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Pgd.Tests.Docs;

/// <summary>An error that a user can meet, as the source has it: what varies is in capitals.</summary>
internal sealed record ErrorMessage(ExitCode ExitCode, string Message, string? Hint);

/// <summary>Collects the errors out of the source: where each <see cref="PgdException"/> is made, with what.</summary>
internal sealed class ErrorMessages
{
    // Longer chains of methods that make errors for each other there are not.
    private const int Deepest = 3;
    private const string Unknown = "…";
    private static readonly IReadOnlyDictionary<string, Bound> NoBindings = new Dictionary<string, Bound>();
    private readonly IReadOnlyList<SyntaxNode> _files;

    private ErrorMessages(IReadOnlyList<SyntaxNode> files) => _files = files;

    public static IReadOnlyList<ErrorMessage> In(string folder) => In([.. Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText)]);

    public static IReadOnlyList<ErrorMessage> In(IReadOnlyList<string> sources)
    {
        var errors = new ErrorMessages([.. sources.Select(s => CSharpSyntaxTree.ParseText(s).GetRoot())]);
        return [.. errors._files.SelectMany(f => f.DescendantNodes()).OfType<BaseObjectCreationExpressionSyntax>().SelectMany(errors.Of).Distinct()
            .OrderBy(e => e.ExitCode).ThenBy(e => e.Message, StringComparer.OrdinalIgnoreCase).ThenBy(e => e.Message, StringComparer.Ordinal).ThenBy(e => e.Hint, StringComparer.Ordinal)];
    }

    private IEnumerable<ErrorMessage> Of(BaseObjectCreationExpressionSyntax made)
    {
        if (made is ObjectCreationExpressionSyntax { Type: var type } && type.ToString() != nameof(PgdException))
            return [];
        var arguments = made.ArgumentList?.Arguments ?? [];
        // Without a type it is told by its first argument. An error that only passes another one's code on is that other one.
        if (arguments.Count < 2 || Codes(arguments[0].Expression) is not { Count: > 0 } codes)
            return [];
        return from bindings in Bindings(made, Deepest)
               from code in codes
               from message in Texts(arguments[1].Expression, bindings)
               // What says nothing by itself has its words from elsewhere.
               where message is not null && message.Any(char.IsLower)
               from hint in arguments.Count > 2 && arguments[2].NameColon?.Name.ToString() is null or "hint" ? Texts(arguments[2].Expression, bindings) : [null]
               select new ErrorMessage(code, Tidy(message)!, hint is not null && hint.Any(char.IsLower) ? Tidy(hint) : null);
    }

    private static List<ExitCode> Codes(ExpressionSyntax expression) =>
        [.. expression.DescendantNodesAndSelf().OfType<MemberAccessExpressionSyntax>().Where(m => m.Expression.ToString() == nameof(ExitCode)).Select(m => Enum.Parse<ExitCode>(m.Name.ToString())).Distinct()];

    // Where a method only makes an error, its callers say what of.
    private IEnumerable<IReadOnlyDictionary<string, Bound>> Bindings(SyntaxNode at, int depth)
    {
        var method = at.Ancestors().FirstOrDefault(a => a is MethodDeclarationSyntax or LocalFunctionStatementSyntax);
        var (name, returned, parameters, isPrivate) = method switch
        {
            MethodDeclarationSyntax m => (m.Identifier.Text, m.ReturnType.ToString(), m.ParameterList.Parameters, m.Modifiers.Any(SyntaxKind.PrivateKeyword)),
            LocalFunctionStatementSyntax f => (f.Identifier.Text, f.ReturnType.ToString(), f.ParameterList.Parameters, true),
            _ => ("", "", default, true),
        };
        if (depth == 0 || returned != nameof(PgdException))
            return [NoBindings];
        var calls = (isPrivate ? [at.SyntaxTree.GetRoot()] : _files).SelectMany(f => f.DescendantNodes()).OfType<InvocationExpressionSyntax>()
            .Where(c => (c.Expression is IdentifierNameSyntax i && i.Identifier.Text == name && c.SyntaxTree == at.SyntaxTree)
                || (c.Expression is MemberAccessExpressionSyntax m && m.Name.Identifier.Text == name && (IsTypeOf(m.Expression, method!) || (!isPrivate && m.Expression is IdentifierNameSyntax { Identifier.Text: [>= 'a' and <= 'z' or '_', ..] }))))
            .Where(c => c.ArgumentList.Arguments.Count <= parameters.Count && c.ArgumentList.Arguments.Count >= parameters.Count(p => p.Default is null)).ToList();
        return calls.Count == 0 ? [NoBindings] : calls.SelectMany(c => Bindings(c, depth - 1).Select(outer => Bind(parameters, c.ArgumentList.Arguments, outer)));
    }

    private static bool IsTypeOf(ExpressionSyntax expression, SyntaxNode method) => method.Ancestors().OfType<TypeDeclarationSyntax>().FirstOrDefault()?.Identifier.Text == expression.ToString();

    private static Dictionary<string, Bound> Bind(SeparatedSyntaxList<ParameterSyntax> parameters, SeparatedSyntaxList<ArgumentSyntax> arguments, IReadOnlyDictionary<string, Bound> outer)
    {
        var bound = parameters.Where(p => p.Default is not null).ToDictionary(p => p.Identifier.Text, p => new Bound(p.Default!.Value, NoBindings));
        for (var i = 0; i < arguments.Count; i++)
            bound[arguments[i].NameColon?.Name.Identifier.Text ?? parameters[i].Identifier.Text] = new(arguments[i].Expression, outer);
        return bound;
    }

    /// <summary>What an expression may say; null where it says nothing.</summary>
    private IEnumerable<string?> Texts(ExpressionSyntax expression, IReadOnlyDictionary<string, Bound> bindings) => expression switch
    {
        ParenthesizedExpressionSyntax inner => Texts(inner.Expression, bindings),
        ConditionalExpressionSyntax either => Texts(either.WhenTrue, bindings).Concat(Texts(either.WhenFalse, bindings)),
        SwitchExpressionSyntax choice => choice.Arms.SelectMany(arm => Texts(arm.Expression, bindings)),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.CoalesceExpression } either => Texts(either.Left, bindings).Concat(Texts(either.Right, bindings)),
        ThrowExpressionSyntax => [],
        LiteralExpressionSyntax { RawKind: (int)SyntaxKind.NullLiteralExpression } => [null],
        IdentifierNameSyntax name when bindings.TryGetValue(name.Identifier.Text, out var bound) => Texts(bound.Expression, bound.Bindings).Select(t => t == Unknown ? Placeholder(name.Identifier.Text) : t),
        InvocationExpressionSyntax call when Composed(call) is { } composed => Texts(composed, bindings),
        _ => [Text(expression, bindings)],
    };

    // Inside of a text the fullest form stands for all of them.
    private string Text(ExpressionSyntax expression, IReadOnlyDictionary<string, Bound> bindings) => expression switch
    {
        LiteralExpressionSyntax literal => literal.Token.Value as string ?? literal.Token.ValueText,
        InterpolatedStringExpressionSyntax text => string.Concat(text.Contents.Select(part => part is InterpolationSyntax hole ? Text(hole.Expression, bindings) : ((InterpolatedStringTextSyntax)part).TextToken.ValueText)),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum => Text(sum.Left, bindings) + Text(sum.Right, bindings),
        ParenthesizedExpressionSyntax or ConditionalExpressionSyntax or SwitchExpressionSyntax or BinaryExpressionSyntax { RawKind: (int)SyntaxKind.CoalesceExpression } => Texts(expression, bindings).OfType<string>().MaxBy(t => t.Length) ?? "",
        IdentifierNameSyntax name when bindings.TryGetValue(name.Identifier.Text, out var bound) => Texts(name, bindings).OfType<string>().MaxBy(t => t.Length) ?? "",
        IdentifierNameSyntax name when Constant(name) is { } constant => Text(constant, NoBindings),
        IdentifierNameSyntax name => Placeholder(name.Identifier.Text),
        MemberAccessExpressionSyntax { Name.Identifier.Text: "Message" or "FullName" or "Name" or "Length" or "Count" or "Value" or "Branch" } member => member.Name.Identifier.Text == "Message" ? Unknown : Text(member.Expression, bindings),
        MemberAccessExpressionSyntax member => Placeholder(member.Name.Identifier.Text),
        InvocationExpressionSyntax call when Composed(call) is { } composed => Text(composed, bindings),
        InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Join" or "Format" or "Combine" or "FormatDuration" } } call => Text(call.ArgumentList.Arguments[^1].Expression, bindings),
        _ => Unknown,
    };

    // string.Create(culture, text)
    private static InterpolatedStringExpressionSyntax? Composed(InvocationExpressionSyntax call) =>
        call is { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Create" }, ArgumentList.Arguments: [_, { Expression: InterpolatedStringExpressionSyntax text }] } ? text : null;

    // One of the file's own, or one of a class that its types inherit from.
    private ExpressionSyntax? Constant(IdentifierNameSyntax name)
    {
        if (Constants(name.SyntaxTree.GetRoot(), name).FirstOrDefault() is { } own)
            return own.Initializer?.Value;
        var bases = name.Ancestors().OfType<TypeDeclarationSyntax>().SelectMany(t => t.BaseList?.Types ?? []).Select(t => t.ToString()).ToHashSet();
        return _files.SelectMany(f => f.DescendantNodes()).OfType<ClassDeclarationSyntax>().Where(c => bases.Contains(c.Identifier.Text)).SelectMany(c => Constants(c, name)).FirstOrDefault()?.Initializer?.Value;
    }

    private static IEnumerable<VariableDeclaratorSyntax> Constants(SyntaxNode node, IdentifierNameSyntax name) =>
        node.DescendantNodes().OfType<VariableDeclaratorSyntax>().Where(v => v.Identifier.Text == name.Identifier.Text && IsConstant(v.Parent?.Parent));

    private static bool IsConstant(SyntaxNode? declaration) => declaration switch
    {
        FieldDeclarationSyntax field => field.Modifiers.Any(SyntaxKind.ConstKeyword),
        LocalDeclarationStatementSyntax local => local.IsConst,
        _ => false,
    };

    // parentName is PARENT, and _workspace.Root is ROOT.
    private static string Placeholder(string name)
    {
        name = name.TrimStart('_');
        if (name.Length > 4 && name.EndsWith("Name", StringComparison.Ordinal))
            name = name[..^4];
        var text = new StringBuilder();
        foreach (var c in name)
            text.Append(char.IsUpper(c) && text.Length > 0 ? "-" : "").Append(char.ToUpperInvariant(c));
        return text.ToString();
    }

    private static string? Tidy(string? text) => text is null ? null : string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private sealed record Bound(ExpressionSyntax Expression, IReadOnlyDictionary<string, Bound> Bindings);
}
