namespace Pgd.Schema;

/// <summary>What the kinds are called.</summary>
internal static class SchemaWords
{
    public static string One(SchemaKind kind) => kind switch
    {
        SchemaKind.ForeignTable => "foreign table",
        SchemaKind.MaterializedView => "materialized view",
        SchemaKind.TextSearchDictionary => "text search dictionary",
        SchemaKind.TextSearchConfiguration => "text search configuration",
        SchemaKind.EventTrigger => "event trigger",
        SchemaKind.ForeignDataWrapper => "foreign data wrapper",
        SchemaKind.ForeignServer => "foreign server",
        SchemaKind.UserMapping => "user mapping",
        SchemaKind.DefaultPrivileges => "set of default privileges",
        SchemaKind.Statistics => "statistics object",
        _ => kind.ToString().ToLowerInvariant(),
    };

    public static string Many(SchemaKind kind) => kind switch
    {
        SchemaKind.Index => "indexes",
        SchemaKind.Policy => "policies",
        SchemaKind.TextSearchDictionary => "text search dictionaries",
        SchemaKind.DefaultPrivileges => "sets of default privileges",
        _ => One(kind) + "s",
    };
}
