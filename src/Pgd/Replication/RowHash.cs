namespace Pgd.Replication;

/// <summary>How the rows of two servers are told from each other: by 128 bits of each that the servers compute themselves, added up in whatever order the rows come.</summary>
internal enum RowHash
{
    /// <summary>From the values, as the server's own hash functions see them: what is equal by value is equal, as 1.0 and 1.00 are.</summary>
    Values,

    /// <summary>From the row's text: for servers that have no hash functions for rows.</summary>
    Text,

    /// <summary>SHA-256 of the row as it is sent in binary form: two that are equal are the same to the last bit, and it does not matter how a server stores them.</summary>
    Bytes,
}

/// <summary>The statements for them.</summary>
internal static class RowHashes
{
    /// <summary>The first version whose rows have hash functions.</summary>
    public const int FirstWithValues = 14;

    /// <summary>How many parts the rows of a table are divided into, to find out where it differs.</summary>
    public const int Buckets = 1024;

    // Those whose values can be hashed, and whose hash says all of what a text of them would, but for what is equal by value. Not interval: to it 30 days are a month.
    private static readonly HashSet<string> WithHash = new(
        ["bool", "char", "name", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bpchar", "bytea", "date", "time", "timetz", "timestamp", "timestamptz", "uuid", "inet", "cidr", "macaddr", "macaddr8", "oid", "jsonb",
            "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"], StringComparer.Ordinal);

    /// <summary>What both servers must compute alike before their hashes are compared: one value of each kind of type.</summary>
    public static string Canary(RowHash hash)
    {
        const string row = """
            row(true, 'a'::"char", 'n'::name, 1::int2, 2::int4, 3::int8, 1.5::float4, 2.5::float8, 10.50::numeric, 'text'::text, 'v'::varchar, 'c'::bpchar, '\x00ff'::bytea, date '2020-02-29', time '12:34:56.789', timetz '12:34:56+02',
                timestamp '2020-02-29 12:34:56', timestamptz '2020-02-29 12:34:56+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '10.0.0.1'::inet, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, '08:00:2b:01:02:03:04:05'::macaddr8, 7::oid,
                '{"a":[1,null]}'::jsonb, array[1,null,3], array['x',null], int4range(1,5), numrange(1,2.5), null::text)
            """;
        var (first, second) = Of(hash);
        return $"select current_setting('server_encoding'), ({first})::text, ({second})::text from (select {Prepared(hash, row)} as s offset 0) as canary";
    }

    /// <summary>A column as it goes into the row that is hashed.</summary>
    /// <param name="hash">How rows are hashed.</param>
    /// <param name="column">The column, quoted.</param>
    /// <param name="type">Its type's name without a schema; null for one that is not built in.</param>
    public static string Column(RowHash hash, string column, string? type) => hash switch
    {
        RowHash.Text => column,
        RowHash.Values when type is not null && WithHash.Contains(type.Replace("[]", "", StringComparison.Ordinal)) => column,
        // Numbers of objects differ from server to server, and their names do not.
        RowHash.Bytes when type is not null && !type.StartsWith("reg", StringComparison.Ordinal) && !type.StartsWith("aclitem", StringComparison.Ordinal) => column,
        _ => $"({column})::text",
    };

    /// <summary>
    /// The rows of a table with their hashes h and i, their table and what else is asked of them. It is built in levels that the server does not merge, for it would form each row, and read what is stored outside of it, once for each hash; what keeps it from that is a
    /// function that it must not call twice (and here never calls), because an offset would keep it from reading in parallel.
    /// </summary>
    /// <param name="hash">How rows are hashed.</param>
    /// <param name="columns">The columns as <see cref="Column"/> gives them, of the table t.</param>
    /// <param name="from">The table t with its conditions, from behind <c>from</c> on.</param>
    /// <param name="further">Expressions over the table t, and their names.</param>
    public static string Rows(RowHash hash, IEnumerable<string> columns, string from, params (string Expression, string Name)[] further)
    {
        var (first, second) = Of(hash);
        var names = string.Concat(further.Select(one => $", {one.Name}"));
        var level = $"(select row({string.Join(", ", columns)}) s, t.tableoid o{string.Concat(further.Select(one => $", {one.Expression} {one.Name}"))}, case when t.tableoid = 0 then clock_timestamp() end u from {from}) t1";
        if (hash != RowHash.Values)
            level = $"(select {Prepared(hash, "s")} s, o{names}, case when o = 0 then clock_timestamp() end v from {level}) t2";
        return $"(select {first} h, {second} i, o{names}, case when o = 0 then clock_timestamp() end w from {level}) t3";
    }

    private static string Prepared(RowHash hash, string row) => hash switch { RowHash.Values => row, RowHash.Text => $"({row})::text", _ => $"sha256(record_send({row}))" };

    private static (string First, string Second) Of(RowHash hash) => hash switch
    {
        RowHash.Values => ("hash_record_extended(s, 0)", "hash_record_extended(s, 1)"),
        RowHash.Text => ("hashtextextended(s, 0)", "hashtextextended(s, 1)"),
        _ => ("('x' || encode(substr(s, 1, 8), 'hex'))::bit(64)::bigint", "('x' || encode(substr(s, 9, 8), 'hex'))::bit(64)::bigint"),
    };
}
