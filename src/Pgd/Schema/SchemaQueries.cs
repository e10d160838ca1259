namespace Pgd.Schema;

/// <summary>
/// What is asked of the catalogs. Each answer has the same six columns: the object (catalog and OID, which leave with the answer), its kind and name
/// where it is first met, the part of it that the line is (a column, a constraint, …) and that part's name, and the line. Lines of an object come in
/// the order of the questions. What is asked of objects that none introduced, as of an extension's, is dropped.
/// </summary>
internal static class SchemaQueries
{
    // Names whose values are kept back, and what is kept back inside of others: rather too much than a password.
    private const string SecretName = "pass|pwd|secret|token|credential|private|key";

    /// <summary>What is not asked about: it belongs to an extension, or came with a range.</summary>
    public const string Foreign =
        """
        select classid::regclass || '/' || objid from pg_depend where deptype = 'e' or deptype = 'i' and classid in ('pg_proc'::regclass, 'pg_cast'::regclass)
        """;

    public static IEnumerable<string> Of(int major, bool privileges)
    {
        string[] always =
        [
            Schemas, Extensions, Collations(major), Enums, Composites, Ranges(major), BaseTypes, Domains, DomainConstraints, Sequences,
            Tables, Columns(major), Constraints, TableTails, Indexes, Statistics, Views, Functions, Aggregates, Operators, Casts, TextSearch,
            Triggers, Policies, Rules, EventTriggers, Wrappers, Servers, UserMappings, .. Publications(major), Comments,
        ];
        return privileges ? [.. always, Owners, Grants, ColumnGrants, DefaultPrivileges] : always;
    }

    private const string Schemas =
        """
        select 'pg_namespace/' || oid, 'Schema', quote_ident(nspname), null, null, 'CREATE SCHEMA ' || quote_ident(nspname)
          from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
        """;

    private const string Extensions =
        """
        select 'pg_extension/' || e.oid, 'Extension', quote_ident(extname), null, null, format(E'CREATE EXTENSION %I\n    SCHEMA %I\n    VERSION %L', extname, nspname, extversion)
          from pg_extension e join pg_namespace n on n.oid = extnamespace
        """;

    private static string Collations(int major) =>
        $"""
        select 'pg_collation/' || c.oid, 'Collation', q, null, null, 'CREATE COLLATION ' || q || ' (' || concat_ws(', ', 'provider = ' || case collprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end,
               'locale = ' || quote_literal({(major >= 17 ? "coalesce(colllocale, collcollate)" : major >= 15 ? "coalesce(colliculocale, collcollate)" : "collcollate")}), case when not collisdeterministic then 'deterministic = false' end) || ')'
          from pg_collation c join pg_namespace n on n.oid = collnamespace, format('%I.%I', nspname, collname) q where c.oid >= 16384
        """;

    private const string Enums =
        """
        select 'pg_type/' || t.oid, 'Type', q, null, null, 'CREATE TYPE ' || q || ' AS ENUM ('
          from pg_type t join pg_namespace n on n.oid = typnamespace, format('%I.%I', nspname, typname) q where typtype = 'e'
        union all
        (select 'pg_type/' || enumtypid, null, null, 'Label', enumlabel, format('    %L,', enumlabel) from pg_enum where enumtypid >= 16384 order by enumtypid, enumsortorder)
        union all
        select 'pg_type/' || oid, null, null, null, null, ')' from pg_type where typtype = 'e'
        """;

    private const string Composites =
        """
        select 'pg_type/' || t.oid, 'Type', q, null, null, 'CREATE TYPE ' || q || ' AS ('
          from pg_type t join pg_namespace n on n.oid = typnamespace join pg_class c on c.oid = typrelid, format('%I.%I', nspname, typname) q where relkind = 'c'
        union all
        (select 'pg_type/' || c.reltype, null, null, 'Column', attname, format('    %I %s%s,', attname, format_type(atttypid, atttypmod), case when attcollation <> typcollation then ' COLLATE ' || attcollation::regcollation end)
          from pg_attribute a join pg_class c on c.oid = attrelid join pg_type t on t.oid = atttypid where relkind = 'c' and attnum > 0 and not attisdropped order by c.oid, attnum)
        union all
        select 'pg_type/' || reltype, null, null, null, null, ')' from pg_class where relkind = 'c'
        """;

    private static string Ranges(int major) =>
        $"""
        select 'pg_type/' || t.oid, 'Type', q, null, null, concat_ws(E',\n', 'CREATE TYPE ' || q || E' AS RANGE (\n    SUBTYPE = ' || format_type(rngsubtype, null),
               '    SUBTYPE_OPCLASS = ' || (select format('%I.%I', on_.nspname, opcname) from pg_opclass o join pg_namespace on_ on on_.oid = opcnamespace where o.oid = rngsubopc and not opcdefault),
               '    COLLATION = ' || nullif(rngcollation, 0)::regcollation, '    CANONICAL = ' || nullif(rngcanonical, 0)::regproc, '    SUBTYPE_DIFF = ' || nullif(rngsubdiff, 0)::regproc
               {(major >= 14 ? ", '    MULTIRANGE_TYPE_NAME = ' || format_type(rngmultitypid, null)" : "")}) || E',\n)'
          from pg_range r join pg_type t on t.oid = rngtypid join pg_namespace n on n.oid = typnamespace, format('%I.%I', nspname, typname) q
        """;

    private const string BaseTypes =
        """
        select 'pg_type/' || t.oid, 'Type', q, null, null, format(E'CREATE TYPE %s (\n    INPUT = %s,\n    OUTPUT = %s,\n    INTERNALLENGTH = %s,\n    ALIGNMENT = %s,\n    STORAGE = %s,\n)', q, typinput, typoutput, typlen, typalign, typstorage)
          from pg_type t join pg_namespace n on n.oid = typnamespace, format('%I.%I', nspname, typname) q where typtype = 'b' and typelem = 0 and typisdefined
        """;

    private const string Domains =
        """
        select 'pg_type/' || t.oid, 'Domain', q, null, null, concat_ws(E'\n    ', 'CREATE DOMAIN ' || q || ' AS ' || format_type(t.typbasetype, t.typtypmod),
               case when t.typcollation <> b.typcollation then 'COLLATE ' || t.typcollation::regcollation end, 'DEFAULT ' || t.typdefault, case when t.typnotnull then 'NOT NULL' end)
          from pg_type t join pg_type b on b.oid = t.typbasetype join pg_namespace n on n.oid = t.typnamespace, format('%I.%I', nspname, t.typname) q where t.typtype = 'd'
        """;

    private const string DomainConstraints =
        """
        select 'pg_type/' || contypid, null, null, 'Constraint', conname, format('    CONSTRAINT %I %s', conname, pg_get_constraintdef(oid, true))
          from pg_constraint where contypid <> 0 and contype = 'c' order by conname
        """;

    // An identity's sequence belongs to its column, and is told there.
    private static readonly string Sequences =
        $"""
        select 'pg_class/' || c.oid, 'Sequence', q, null, null, concat_ws(E'\n    ', 'CREATE ' || case relpersistence when 'u' then 'UNLOGGED ' else '' end || 'SEQUENCE ' || q || ' AS ' || format_type(seqtypid, null),
               'START WITH ' || seqstart, 'INCREMENT BY ' || seqincrement, 'MINVALUE ' || seqmin, 'MAXVALUE ' || seqmax, 'CACHE ' || seqcache, case when seqcycle then 'CYCLE' end,
               (select 'OWNED BY ' || refobjid::regclass || '.' || quote_ident(attname) from pg_depend join pg_attribute on attrelid = refobjid and attnum = refobjsubid
                 where classid = 'pg_class'::regclass and objid = c.oid and refclassid = 'pg_class'::regclass and deptype = 'a'))
          from pg_sequence s join pg_class c on c.oid = seqrelid join pg_namespace n on n.oid = relnamespace, format('%I.%I', nspname, relname) q
         where not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'i')
        """;

    private const string Tables =
        """
        select 'pg_class/' || c.oid, case relkind when 'f' then 'ForeignTable' else 'Table' end, q, null, null,
               'CREATE ' || case relpersistence when 'u' then 'UNLOGGED ' else '' end || case relkind when 'f' then 'FOREIGN ' else '' end || 'TABLE ' || q
               || coalesce(' OF ' || format_type(nullif(reloftype, 0), null), '') || case when relispartition then coalesce((select ' PARTITION OF ' || inhparent::regclass from pg_inherits where inhrelid = c.oid), '') else '' end || ' ('
          from pg_class c join pg_namespace n on n.oid = relnamespace, format('%I.%I', nspname, relname) q where relkind in ('r', 'p', 'f') and relpersistence <> 't'
        """;

    // What a column has from a table above is told there: a change of a partitioned table would be told for each of its partitions.
    // Among a column's options a server may keep what is its own: PostgreSQL 17.12, as Debian builds it, has a counter there (pg_attver) that differs with each creation.
    private static string Columns(int major) =>
        $"""
        with present as materialized
        (select attrelid, attnum, attname, attidentity, attislocal, relispartition, quote_ident(attname) as q, relkind = 'f' as isforeign, attfdwoptions,
                format_type(atttypid, atttypmod) || case when attcollation <> typcollation then ' COLLATE ' || attcollation::regcollation else '' end
                || case when attstorage <> typstorage then ' STORAGE ' || case attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'm' then 'MAIN' else 'EXTENDED' end else '' end
                {(major >= 14 ? "|| case attcompression when 'p' then ' COMPRESSION pglz' when 'l' then ' COMPRESSION lz4' else '' end" : "")} as type,
                case attgenerated when '' then coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid, true), '') else ' GENERATED ALWAYS AS (' || pg_get_expr(adbin, adrelid, true) || case attgenerated when 's' then ') STORED' else ') VIRTUAL' end end as value,
                case when attnotnull then {(major >= 18 ? NotNull : "' NOT NULL'")} else '' end
                || case when coalesce(attstattarget, -1) >= 0 then ' STATISTICS ' || attstattarget else '' end || coalesce(' (' || (select string_agg(o, ', ' order by o) from unnest(attoptions) o where o !~ '^pg_') || ')', '') as rest
           from pg_attribute a join pg_class c on c.oid = attrelid join pg_type t on t.oid = atttypid left join pg_attrdef on adrelid = attrelid and adnum = attnum
          where relkind in ('r', 'p', 'f') and relpersistence <> 't' and attnum > 0 and not attisdropped and c.oid >= 16384)
        select 'pg_class/' || attrelid, null, null, 'Column', attname, format('    %s %s%s%s%s%s,', q, type, value,
               case when attidentity <> '' then ' GENERATED ' || case attidentity when 'a' then 'ALWAYS' else 'BY DEFAULT' end || ' AS IDENTITY' || coalesce((select ' (' || nullif(concat_ws(' ',
                   case when relname <> left(ct.tablename || '_' || attname || '_seq', 63) then 'SEQUENCE NAME ' || quote_ident(relname) end,
                   case when seqstart <> case when seqincrement > 0 then seqmin else seqmax end then 'START ' || seqstart end, case when seqincrement <> 1 then 'INCREMENT ' || seqincrement end,
                   case when seqmin <> case when seqincrement > 0 then 1 else lowest end then 'MINVALUE ' || seqmin end, case when seqmax <> case when seqincrement > 0 then highest else -1 end then 'MAXVALUE ' || seqmax end,
                   case when seqcache <> 1 then 'CACHE ' || seqcache end, case when seqcycle then 'CYCLE' end), '') || ')'
                   from pg_depend d join pg_sequence on seqrelid = objid join pg_class s on s.oid = seqrelid, (select relname from pg_class where oid = attrelid) ct(tablename),
                        lateral (select case seqtypid when 20 then -9223372036854775808 when 23 then -2147483648 else -32768 end, case seqtypid when 20 then 9223372036854775807 when 23 then 2147483647 else 32767 end) limits(lowest, highest)
                  where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and refobjid = attrelid and refobjsubid = attnum and deptype = 'i'), '') else '' end,
               rest, case when isforeign then coalesce(' OPTIONS (' || {Options("attfdwoptions")} || ')', '') else '' end)
          from present p left join (select inhrelid, above.attname, above.type, above.value, above.rest, above.attidentity from pg_inherits join present above on above.attrelid = inhparent) as above(relation, name, t, v, r, identity)
               on relation = p.attrelid and name = p.attname and t = p.type and v = p.value and r = p.rest and p.attidentity in ('', identity) and (p.relispartition or not p.attislocal)
         where relation is null
         order by attrelid, attnum
        """;

    // Since 18 the constraint has a name and may not have been validated; before, it is the column's.
    private const string NotNull =
        """
        coalesce((select case when conname <> left(c.relname || '_' || attname || '_not_null', 63) then ' CONSTRAINT ' || quote_ident(conname) else '' end || ' NOT NULL'
                   || case when connoinherit then ' NO INHERIT' else '' end || case when convalidated then '' else ' NOT VALID' end
                    from pg_constraint where conrelid = attrelid and contype = 'n' and conkey = array[attnum] and conislocal), ' NOT NULL')
        """;

    // A foreign key's triggers and a unique constraint's index are parts of it. Definitions say themselves that a constraint is not valid.
    private const string Constraints =
        """
        select 'pg_class/' || conrelid, null, null, 'Constraint', conname, format('    CONSTRAINT %I %s%s%s,', conname, pg_get_constraintdef(o.oid, true),
               coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', ''), case when not indisvalid then ' /* invalid */' else '' end)
          from pg_constraint o left join pg_class i on i.oid = conindid and contype in ('p', 'u', 'x') left join pg_index x on x.indexrelid = i.oid
         where conrelid <> 0 and contype in ('p', 'u', 'x', 'c', 'f') and conparentid = 0 and (conislocal or coninhcount = 0)
         order by conrelid, position(contype::text in 'puxcf'), conname
        """;

    private static readonly string TableTails =
        $"""
        select 'pg_class/' || c.oid, null, null, null, null, concat_ws(E'\n', ')', (select 'INHERITS (' || string_agg(inhparent::regclass::text, ', ' order by inhseqno) || ')' from pg_inherits where inhrelid = c.oid and not c.relispartition),
               case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end, case c.relkind when 'p' then 'PARTITION BY ' || pg_get_partkeydef(c.oid) end,
               case when amname <> 'heap' then 'USING ' || quote_ident(amname) end, 'TABLESPACE ' || quote_ident(spcname), 'WITH (' || array_to_string(c.reloptions, ', ') || ')',
               'WITH (' || (select string_agg('toast.' || o, ', ' order by o) from unnest(t.reloptions) o) || ')',
               'SERVER ' || quote_ident(srvname), 'OPTIONS (' || {Options("ftoptions")} || ')', case when c.relrowsecurity then 'ENABLE ROW LEVEL SECURITY' end, case when c.relforcerowsecurity then 'FORCE ROW LEVEL SECURITY' end,
               case when c.relkind <> 'f' then case c.relreplident when 'n' then 'REPLICA IDENTITY NOTHING' when 'f' then 'REPLICA IDENTITY FULL' when 'i' then 'REPLICA IDENTITY USING INDEX ' || (select quote_ident(relname) from pg_index join pg_class i on i.oid = indexrelid where indrelid = c.oid and indisreplident) end end,
               'CLUSTER ON ' || (select quote_ident(relname) from pg_index join pg_class i on i.oid = indexrelid where indrelid = c.oid and indisclustered))
          from pg_class c left join pg_am m on m.oid = c.relam left join pg_tablespace s on s.oid = c.reltablespace left join pg_class t on t.oid = c.reltoastrelid
               left join pg_foreign_table on ftrelid = c.oid left join pg_foreign_server f on f.oid = ftserver
         where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and c.oid >= 16384
        """;

    // A partition's index that belongs to its table's is told there.
    private static readonly string Indexes =
        $"""
        select 'pg_class/' || i.oid, 'Index', format('%I.%I', nspname, i.relname), null, null,
               regexp_replace(pg_get_indexdef(i.oid, 0, true), '^(CREATE (?:UNIQUE )?INDEX .*?) ON ONLY ', '\1 ON ') || case when not indisvalid then E'\n/* invalid */' else '' end
               || coalesce((select string_agg(format(E'\nALTER COLUMN %s SET STATISTICS %s', attnum, attstattarget), '' order by attnum) from pg_attribute where attrelid = i.oid and attstattarget >= 0), '')
          from pg_index join pg_class i on i.oid = indexrelid join pg_class t on t.oid = indrelid join pg_namespace n on n.oid = i.relnamespace
         where t.relpersistence <> 't' and t.relkind in ('r', 'p', 'm') and t.oid >= 16384 and not i.relispartition and {Own("pg_class", "t.oid")}
           and not exists (select from pg_constraint where conindid = i.oid and contype in ('p', 'u', 'x'))
        """;

    private static readonly string Statistics =
        $"""
        select 'pg_statistic_ext/' || s.oid, 'Statistics', format('%I.%I', nspname, stxname), null, null, pg_get_statisticsobjdef(s.oid) || case when coalesce(stxstattarget, -1) >= 0 then E'\nSTATISTICS ' || stxstattarget else '' end
          from pg_statistic_ext s join pg_namespace n on n.oid = stxnamespace where {Own("pg_class", "stxrelid")}
        """;

    private const string Views =
        """
        select 'pg_class/' || c.oid, case relkind when 'm' then 'MaterializedView' else 'View' end, q, null, null, 'CREATE ' || case relkind when 'm' then 'MATERIALIZED ' else '' end || 'VIEW ' || q
               || case when amname <> 'heap' then ' USING ' || quote_ident(amname) else '' end || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') || E' AS\n' || pg_get_viewdef(c.oid, 0)
               || coalesce((select string_agg(format(E'\nALTER COLUMN %I SET DEFAULT %s', attname, pg_get_expr(adbin, adrelid, true)), '' order by attnum) from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum where adrelid = c.oid), '')
          from pg_class c join pg_namespace n on n.oid = relnamespace left join pg_am m on m.oid = relam, format('%I.%I', nspname, relname) q where relkind in ('v', 'm') and relpersistence <> 't' and c.oid >= 16384
        """;

    private static readonly string Functions =
        $"""
        select 'pg_proc/' || p.oid, case prokind when 'p' then 'Procedure' else 'Function' end, p.oid::regprocedure::text, null, null, left(pg_get_functiondef(p.oid), -1)
          from pg_proc p where prokind <> 'a' and p.oid >= 16384 and {Own("pg_proc", "p.oid")}
        """;

    private static readonly string Aggregates =
        $"""
        select 'pg_proc/' || p.oid, 'Aggregate', p.oid::regprocedure::text, null, null, 'CREATE AGGREGATE ' || format('%I.%I(%s)', nspname, proname, pg_get_function_arguments(p.oid)) || E' (\n    ' || concat_ws(E',\n    ',
               'SFUNC = ' || aggtransfn, 'STYPE = ' || format_type(aggtranstype, null), 'SSPACE = ' || nullif(aggtransspace, 0), 'FINALFUNC = ' || nullif(aggfinalfn::oid, 0)::regproc, case when aggfinalextra then 'FINALFUNC_EXTRA' end,
               case when aggfinalmodify <> case aggkind when 'n' then 'r' else 'w' end then 'FINALFUNC_MODIFY = ' || aggfinalmodify::text end, 'COMBINEFUNC = ' || nullif(aggcombinefn::oid, 0)::regproc, 'SERIALFUNC = ' || nullif(aggserialfn::oid, 0)::regproc, 'DESERIALFUNC = ' || nullif(aggdeserialfn::oid, 0)::regproc,
               'INITCOND = ' || quote_literal(agginitval), 'MSFUNC = ' || nullif(aggmtransfn::oid, 0)::regproc, 'MINVFUNC = ' || nullif(aggminvtransfn::oid, 0)::regproc, 'MSTYPE = ' || format_type(nullif(aggmtranstype, 0), null),
               'MFINALFUNC = ' || nullif(aggmfinalfn::oid, 0)::regproc, 'MINITCOND = ' || quote_literal(aggminitval), 'SORTOP = ' || nullif(aggsortop, 0)::regoperator, case aggkind when 'h' then 'HYPOTHETICAL' end, case proparallel when 's' then 'PARALLEL = SAFE' when 'r' then 'PARALLEL = RESTRICTED' end) || E',\n)'
          from pg_aggregate a join pg_proc p on p.oid = aggfnoid join pg_namespace n on n.oid = pronamespace where p.oid >= 16384
        """;

    private const string Operators =
        """
        select 'pg_operator/' || o.oid, 'Operator', o.oid::regoperator::text, null, null, format('CREATE OPERATOR %I.%s', nspname, oprname) || E' (\n    ' || concat_ws(E',\n    ', 'FUNCTION = ' || oprcode, 'LEFTARG = ' || format_type(nullif(oprleft, 0), null), 'RIGHTARG = ' || format_type(nullif(oprright, 0), null),
               'COMMUTATOR = ' || nullif(oprcom, 0)::regoperator, 'NEGATOR = ' || nullif(oprnegate, 0)::regoperator, 'RESTRICT = ' || nullif(oprrest::oid, 0)::regproc, 'JOIN = ' || nullif(oprjoin::oid, 0)::regproc, case when oprcanhash then 'HASHES' end, case when oprcanmerge then 'MERGES' end) || E',\n)'
          from pg_operator o join pg_namespace n on n.oid = oprnamespace where o.oid >= 16384 and oprcode <> 0
        """;

    private const string Casts =
        """
        select 'pg_cast/' || oid, 'Cast', q, null, null, 'CREATE CAST ' || q || case castmethod when 'f' then ' WITH FUNCTION ' || castfunc::regprocedure when 'i' then ' WITH INOUT' else ' WITHOUT FUNCTION' end || case castcontext when 'a' then ' AS ASSIGNMENT' when 'i' then ' AS IMPLICIT' else '' end
          from pg_cast, format('(%s AS %s)', format_type(castsource, null), format_type(casttarget, null)) q where oid >= 16384
        """;

    private const string TextSearch =
        """
        select 'pg_ts_dict/' || d.oid, 'TextSearchDictionary', q, null, null, format(E'CREATE TEXT SEARCH DICTIONARY %s (\n    TEMPLATE = %I.%I,\n', q, tn.nspname, tmplname) || coalesce('    ' || dictinitoption || E',\n', '') || ')'
          from pg_ts_dict d join pg_namespace n on n.oid = dictnamespace join pg_ts_template t on t.oid = dicttemplate join pg_namespace tn on tn.oid = tmplnamespace, format('%I.%I', n.nspname, dictname) q where d.oid >= 16384
        union all
        select 'pg_ts_config/' || c.oid, 'TextSearchConfiguration', q, null, null, format('CREATE TEXT SEARCH CONFIGURATION %s (PARSER = %I.%I)', q, pn.nspname, prsname)
               || coalesce((select string_agg(format(E'\n    MAPPING FOR %s WITH %s', alias, dicts), '' order by alias) from (select alias, string_agg(mapdict::regdictionary::text, ', ' order by mapseqno) from pg_ts_config_map join ts_token_type(cfgparser) on tokid = maptokentype where mapcfg = c.oid group by 1) m(alias, dicts)), '')
          from pg_ts_config c join pg_namespace n on n.oid = cfgnamespace join pg_ts_parser p on p.oid = cfgparser join pg_namespace pn on pn.oid = prsnamespace, format('%I.%I', n.nspname, cfgname) q where c.oid >= 16384
        """;

    private const string Enabled = "case {0} when 'D' then E'\\nDISABLE' when 'R' then E'\\nENABLE REPLICA' when 'A' then E'\\nENABLE ALWAYS' else '' end";

    private static readonly string Triggers =
        $"""
        select 'pg_trigger/' || oid, 'Trigger', format('%I on %s', tgname, tgrelid::regclass), null, null, pg_get_triggerdef(oid, true) || {Enabled.Replace("{0}", "tgenabled", StringComparison.Ordinal)}
          from pg_trigger where not tgisinternal and tgparentid = 0 and {Own("pg_class", "tgrelid")}
        """;

    private static readonly string Policies =
        $"""
        select 'pg_policy/' || oid, 'Policy', format('%I on %s', polname, polrelid::regclass), null, null, concat_ws(E'\n    ', format('CREATE POLICY %I ON %s', polname, polrelid::regclass),
               case when polpermissive then 'AS PERMISSIVE' else 'AS RESTRICTIVE' end, 'FOR ' || case polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end,
               'TO ' || (select string_agg(case r when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(r)) end, ', ' order by case r when 0 then '' else pg_get_userbyid(r) end) from unnest(polroles) r),
               'USING (' || pg_get_expr(polqual, polrelid, true) || ')', 'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid, true) || ')')
          from pg_policy where {Own("pg_class", "polrelid")}
        """;

    private static readonly string Rules =
        $"""
        select 'pg_rewrite/' || oid, 'Rule', format('%I on %s', rulename, ev_class::regclass), null, null, pg_get_ruledef(oid, true) || {Enabled.Replace("{0}", "ev_enabled", StringComparison.Ordinal)}
          from pg_rewrite where rulename <> '_RETURN' and oid >= 16384 and {Own("pg_class", "ev_class")}
        """;

    private static readonly string EventTriggers =
        $"""
        select 'pg_event_trigger/' || e.oid, 'EventTrigger', quote_ident(evtname), null, null, concat_ws(E'\n    ', format('CREATE EVENT TRIGGER %I ON %s', evtname, evtevent),
               'WHEN TAG IN (' || (select string_agg(quote_literal(t), ', ' order by t) from unnest(evttags) t) || ')', 'EXECUTE FUNCTION ' || evtfoid::regprocedure) || {Enabled.Replace("{0}", "evtenabled", StringComparison.Ordinal)}
          from pg_event_trigger e
        """;

    private static readonly string Wrappers =
        $"""
        select 'pg_foreign_data_wrapper/' || w.oid, 'ForeignDataWrapper', quote_ident(fdwname), null, null, concat_ws(E'\n    ', 'CREATE FOREIGN DATA WRAPPER ' || quote_ident(fdwname),
               'HANDLER ' || nullif(fdwhandler, 0)::regproc, 'VALIDATOR ' || nullif(fdwvalidator, 0)::regproc, 'OPTIONS (' || {Options("fdwoptions")} || ')')
          from pg_foreign_data_wrapper w
        """;

    private static readonly string Servers =
        $"""
        select 'pg_foreign_server/' || s.oid, 'ForeignServer', quote_ident(srvname), null, null, concat_ws(E'\n    ', 'CREATE SERVER ' || quote_ident(srvname), 'TYPE ' || quote_literal(srvtype), 'VERSION ' || quote_literal(srvversion),
               'FOREIGN DATA WRAPPER ' || quote_ident(fdwname)) || coalesce((select string_agg(E'\n    OPTION ' || o, '' order by o) from (select {Option} from pg_options_to_table(srvoptions)) options(o)), '')
          from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = srvfdw
        """;

    // Not one of their values leaves the server, whatever it is called.
    private const string UserMappings =
        """
        select 'pg_user_mapping/' || m.oid, 'UserMapping', q, null, null, 'CREATE USER MAPPING FOR ' || q || coalesce(' OPTIONS (' || (select string_agg(quote_ident(option_name) || ' ''***''', ', ' order by option_name) from pg_options_to_table(umoptions)) || ')', '')
          from pg_user_mapping m join pg_foreign_server s on s.oid = umserver, format('%s SERVER %I', case umuser when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(umuser)) end, srvname) q
        """;

    private static IEnumerable<string> Publications(int major)
    {
        yield return $"""
            select 'pg_publication/' || oid, 'Publication', quote_ident(pubname), null, null, 'CREATE PUBLICATION ' || quote_ident(pubname) || ' WITH (publish = ''' || concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end, case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end) || ''''
                   || case when pubviaroot then ', publish_via_partition_root = true' else '' end {(major >= 18 ? "|| case pubgencols when 's' then ', publish_generated_columns = stored' else '' end" : "")} || ')'
                   || case when puballtables then E'\n    FOR ALL TABLES' else '' end
              from pg_publication
            """;
        yield return major >= 15
            ? """
            select 'pg_publication/' || prpubid, null, null, null, null, '    FOR TABLE ' || prrelid::regclass || coalesce(' (' || (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute where attrelid = prrelid and attnum = any(prattrs)) || ')', '')
                   || coalesce(' WHERE ' || pg_get_expr(prqual, prrelid, true), '')
              from pg_publication_rel order by prrelid::regclass::text
            """
            : "select 'pg_publication/' || prpubid, null, null, null, null, '    FOR TABLE ' || prrelid::regclass from pg_publication_rel order by prrelid::regclass::text";
        if (major >= 15)
            yield return "select 'pg_publication/' || pnpubid, null, null, null, null, '    FOR TABLES IN SCHEMA ' || quote_ident(nspname) from pg_publication_namespace join pg_namespace n on n.oid = pnnspid order by nspname";
    }

    private const string Comments =
        """
        select classoid::regclass || '/' || objoid, null, null, 'Comment', '', format('COMMENT IS %L', description) from pg_description where objsubid = 0 and classoid <> 'pg_constraint'::regclass
        union all
        (select 'pg_class/' || objoid, null, null, 'Comment', attname, format('COMMENT ON COLUMN %I IS %L', attname, description)
          from pg_description join pg_attribute on attrelid = objoid and attnum = objsubid where classoid = 'pg_class'::regclass and objsubid > 0 and objoid >= 16384 order by objoid, objsubid)
        union all
        (select case when conrelid <> 0 then 'pg_class/' || conrelid else 'pg_type/' || contypid end, null, null, 'Comment', 'constraint ' || conname, format('COMMENT ON CONSTRAINT %I IS %L', conname, description)
          from pg_description join pg_constraint o on o.oid = objoid where classoid = 'pg_constraint'::regclass order by conname)
        """;

    private const string Owned =
        """
        with owned(object, owner, acl, type) as
        (select 'pg_namespace/' || oid, nspowner, nspacl, 'n' from pg_namespace
         union all select 'pg_class/' || oid, relowner, relacl, case relkind when 'S' then 's' else 'r' end from pg_class where relkind not in ('i', 'I', 't', 'c')
         union all select 'pg_type/' || oid, typowner, typacl, 'T' from pg_type
         union all select 'pg_proc/' || oid, proowner, proacl, 'f' from pg_proc
         union all select 'pg_foreign_data_wrapper/' || oid, fdwowner, fdwacl, 'F' from pg_foreign_data_wrapper
         union all select 'pg_foreign_server/' || oid, srvowner, srvacl, 'S' from pg_foreign_server
         union all select 'pg_extension/' || oid, extowner, null, null from pg_extension
         union all select 'pg_collation/' || oid, collowner, null, null from pg_collation
         union all select 'pg_statistic_ext/' || oid, stxowner, null, null from pg_statistic_ext
         union all select 'pg_operator/' || oid, oprowner, null, null from pg_operator
         union all select 'pg_ts_dict/' || oid, dictowner, null, null from pg_ts_dict
         union all select 'pg_ts_config/' || oid, cfgowner, null, null from pg_ts_config
         union all select 'pg_event_trigger/' || oid, evtowner, null, null from pg_event_trigger
         union all select 'pg_publication/' || oid, pubowner, null, null from pg_publication)

        """;

    private const string Owners = Owned + "select object, null, null, 'Owner', '', 'OWNER TO ' || quote_ident(pg_get_userbyid(owner)) from owned";

    // Against what such an object has by default: whether that was written down or not says nothing.
    private const string Grants = Owned +
        """
        select object, null, null, 'Privilege', concat_ws(' ', action, grantee, is_grantable), format('%s %s %s %s%s', action, string_agg(privilege_type, ', ' order by privilege_type), case action when 'GRANT' then 'TO' else 'FROM' end, grantee, case when action = 'GRANT' and is_grantable then ' WITH GRANT OPTION' else '' end)
          from (select object, 'GRANT' as action, case grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(grantee)) end as grantee, privilege_type, is_grantable
                  from (select object, e.grantee, e.privilege_type, e.is_grantable from owned, aclexplode(acl) e except select object, e.grantee, e.privilege_type, e.is_grantable from owned, aclexplode(acldefault(type::"char", owner)) e where acl is not null) granted
                 union all
                select object, 'REVOKE', case grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(grantee)) end, privilege_type, is_grantable
                  from (select object, e.grantee, e.privilege_type, e.is_grantable from owned, aclexplode(acldefault(type::"char", owner)) e where acl is not null except select object, e.grantee, e.privilege_type, e.is_grantable from owned, aclexplode(acl) e) revoked) changes
         group by object, action, grantee, is_grantable order by object, action, grantee, is_grantable
        """;

    private const string ColumnGrants =
        """
        select 'pg_class/' || attrelid, null, null, 'Privilege', concat_ws(' ', 'column', attname, grantee, is_grantable), format('GRANT %s (%I) TO %s%s', string_agg(privilege_type, ', ' order by privilege_type), attname, grantee, case when is_grantable then ' WITH GRANT OPTION' else '' end)
          from (select attrelid, attnum, attname, case e.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(e.grantee)) end as grantee, privilege_type, is_grantable from pg_attribute, aclexplode(attacl) e where attrelid >= 16384 and not attisdropped) granted
         group by attrelid, attnum, attname, grantee, is_grantable order by attrelid, attnum, grantee, is_grantable
        """;

    private const string DefaultPrivileges =
        """
        select 'pg_default_acl/' || a.oid, 'DefaultPrivileges', q, null, null, 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || q
               || coalesce((select string_agg(format(E'\n    GRANT %s TO %s', privileges, grantee), '' order by grantee, privileges)
                              from (select case grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(grantee)) end, string_agg(privilege_type || case when is_grantable then ' WITH GRANT OPTION' else '' end, ', ' order by privilege_type) from aclexplode(defaclacl) group by 1) e(grantee, privileges)), '')
          from pg_default_acl a left join pg_namespace n on n.oid = defaclnamespace,
               concat(quote_ident(pg_get_userbyid(defaclrole)), ' IN SCHEMA ' || quote_ident(nspname), ' ON ', case defaclobjtype when 'r' then 'TABLES' when 'S' then 'SEQUENCES' when 'f' then 'FUNCTIONS' when 'T' then 'TYPES' when 'n' then 'SCHEMAS' else 'LARGE OBJECTS' end) q
        """;

    private const string Option =
        $"""
        format('%I %L', option_name, case when option_name ~* '{SecretName}' then '***' else regexp_replace(regexp_replace(option_value, '://([^:/@]*):.*@', '://\1:***@', 'g'), '(\w*(?:{SecretName})\w*)\s*=.*$', '\1=***', 'i') end)
        """;

    private static string Options(string array) => $"(select string_agg({Option}, ', ' order by option_name) from pg_options_to_table({array}))";

    private static string Own(string catalog, string oid) =>
        $"not exists (select from pg_depend where classid = '{catalog}'::regclass and objid = {oid} and deptype = 'e')";
}
