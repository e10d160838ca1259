using Npgsql;

namespace Pgd.Postgres;

/// <summary>How a database writes its text, and how it sorts it.</summary>
internal sealed record DatabaseLocale
{
    private const int FirstWithProviders = 15;
    private readonly string _collate, _type, _provider;
    private readonly string? _locale, _rules;

    private DatabaseLocale(string?[] said) => (Encoding, _collate, _type, _provider, _locale, _rules) = (said[0]!, said[1]!, said[2]!, said[3]!, said[4], said[5]);

    /// <summary>What to ask a database. The columns have other names in other versions, or are not there.</summary>
    public static string Question => """
        select pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, coalesce(j ->> 'datlocprovider', 'c'), coalesce(j ->> 'datlocale', j ->> 'daticulocale'), j ->> 'daticurules'
        from pg_database d, to_jsonb(d) j where d.datname = current_database()
        """;

    /// <summary>How its text is written.</summary>
    public string Encoding { get; }

    /// <summary>By what it is sorted, for people.</summary>
    public string Name => _provider switch
    {
        "i" => $"ICU's {_locale}{(_rules is null ? "" : $" with the rules {_rules}")}",
        "b" => $"PostgreSQL's own {_locale}",
        _ => _collate,
    };

    /// <summary>What it answers.</summary>
    public static DatabaseLocale Of(List<string?[]> answer) => new(answer[0]);

    /// <summary>Whether a server refused a locale because it does not have it: its C library does not know it, or it was built without ICU.</summary>
    // What a server says that validates ICU's locales (icu_validation_level) has no code of its own.
    public static bool IsMissing(PostgresException refused) => refused.SqlState is PostgresErrorCodes.WrongObjectType or PostgresErrorCodes.InvalidParameterValue or PostgresErrorCodes.FeatureNotSupported or PostgresErrorCodes.InternalError;

    /// <summary>The statement that makes a database like it.</summary>
    /// <param name="name">The new one's name.</param>
    /// <param name="owner">To whom it belongs; null for whoever makes it.</param>
    /// <param name="major">The version of its server.</param>
    public string Definition(string name, string? owner, int major)
    {
        var provider = major < FirstWithProviders ? "" : _provider switch
        {
            "i" => $" locale_provider icu icu_locale {AdminConnection.QuoteLiteral(_locale!)}{(_rules is null ? "" : $" icu_rules {AdminConnection.QuoteLiteral(_rules)}")}",
            "b" => $" locale_provider builtin builtin_locale {AdminConnection.QuoteLiteral(_locale!)}",
            _ => " locale_provider libc",
        };
        return $"{DefinitionWithoutLocale(name, owner)}{provider} lc_collate {AdminConnection.QuoteLiteral(_collate)} lc_ctype {AdminConnection.QuoteLiteral(_type)}";
    }

    /// <summary>The statement that makes one that is sorted by its server's own locale.</summary>
    public string DefinitionWithoutLocale(string name, string? owner) =>
        $"create database {AdminConnection.QuoteIdentifier(name)}{(owner is null ? "" : $" owner {AdminConnection.QuoteIdentifier(owner)}")} template template0 encoding {AdminConnection.QuoteLiteral(Encoding)}";

    /// <summary>What to tell of a database that is not sorted as the one that it comes from.</summary>
    public string SortedOtherwise(string database) => $"the text of {database} is sorted by {Name} where it comes from, which the new server does not have: there it is sorted by the server's own locale";
}
