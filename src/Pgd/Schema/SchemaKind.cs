namespace Pgd.Schema;

/// <summary>Kinds of what a database's schema is made of, in the order in which a difference shows them.</summary>
public enum SchemaKind
{
    /// <summary>A schema.</summary>
    Schema,

    /// <summary>An extension; what belongs to it is not told.</summary>
    Extension,

    /// <summary>A collation.</summary>
    Collation,

    /// <summary>An enum, a composite type, a range, or a type with functions of its own.</summary>
    Type,

    /// <summary>A label of an enum.</summary>
    Label,

    /// <summary>A domain.</summary>
    Domain,

    /// <summary>A sequence that is not a column's identity.</summary>
    Sequence,

    /// <summary>A table, or a partition of one.</summary>
    Table,

    /// <summary>A foreign table.</summary>
    ForeignTable,

    /// <summary>A column of a table or a composite type.</summary>
    Column,

    /// <summary>A constraint of a table or a domain.</summary>
    Constraint,

    /// <summary>An index that is not a constraint's.</summary>
    Index,

    /// <summary>Extended statistics.</summary>
    Statistics,

    /// <summary>A view.</summary>
    View,

    /// <summary>A materialized view.</summary>
    MaterializedView,

    /// <summary>A function.</summary>
    Function,

    /// <summary>A procedure.</summary>
    Procedure,

    /// <summary>An aggregate.</summary>
    Aggregate,

    /// <summary>An operator.</summary>
    Operator,

    /// <summary>A cast.</summary>
    Cast,

    /// <summary>A dictionary of the text search.</summary>
    TextSearchDictionary,

    /// <summary>A configuration of the text search.</summary>
    TextSearchConfiguration,

    /// <summary>A trigger.</summary>
    Trigger,

    /// <summary>A policy of the row security.</summary>
    Policy,

    /// <summary>A rule.</summary>
    Rule,

    /// <summary>An event trigger.</summary>
    EventTrigger,

    /// <summary>A foreign data wrapper.</summary>
    ForeignDataWrapper,

    /// <summary>A foreign server.</summary>
    ForeignServer,

    /// <summary>A user mapping.</summary>
    UserMapping,

    /// <summary>A publication.</summary>
    Publication,

    /// <summary>A comment.</summary>
    Comment,

    /// <summary>Who owns an object.</summary>
    Owner,

    /// <summary>What a role may do with an object, or may not, other than by default.</summary>
    Privilege,

    /// <summary>What a role may do with objects to come.</summary>
    DefaultPrivileges,
}

/// <summary>What happened to a part of a schema.</summary>
public enum SchemaChange
{
    /// <summary>It is there alone where it was looked for second.</summary>
    Added,

    /// <summary>It is gone.</summary>
    Removed,

    /// <summary>It reads otherwise.</summary>
    Changed,
}
