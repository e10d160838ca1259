#!/usr/bin/env bash
# Verifies what the demo claims, with curl, psql, ps, ss and find: nothing here asks pgd.
#
#   build/demo/verify.sh STAGE      start, source, opened, pushed, closed, end
#
# Where things are comes from the environment:
#   DEMO_ROOT DEMO_DATASET (if on ZFS) DEMO_NOTES DEMO_SOURCE_URL DEMO_API DEMO_TOKEN DEMO_REPOSITORY DEMO_PULL DEMO_ENV_FILE DEMO_STEP_LOG
set -euo pipefail

good=$'\e[32m✓\e[0m' bad=$'\e[31m✗\e[0m'
[[ -t 1 && -z ${NO_COLOR:-} ]] || { good=✓ bad=✗; }
notes=$DEMO_NOTES

ok() { echo "  $good $*"; }
wrong() {
    echo "  $bad $*"
    exit 1
}
same() { # CLAIM EXPECTED FOUND
    [[ $2 == "$3" ]] && ok "$1" || wrong "$1: expected \"$2\", found \"$3\""
}

# ── what is on this machine ──────────────────────────────────────────────────────────────────────────────────────────────────────

# Process ids of everything that mentions the root or works inside it, but for this script's own family.
processes() {
    local folder pid
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/}
        [[ $pid != "$$" && $pid != "$BASHPID" && $pid != "$PPID" ]] || continue
        [[ $(readlink "$folder/cwd" 2>/dev/null) == "$DEMO_ROOT"/* ]] && echo "$pid" && continue
        tr '\0' ' ' <"$folder/cmdline" 2>/dev/null | grep --quiet --fixed-strings -- "$DEMO_ROOT/" && echo "$pid"
    done 2>/dev/null | sort --numeric-sort || true
}

# Folders that hold a whole server: they have a PG_VERSION, and are not one database's folder inside such a one.
data_folders() { find "$DEMO_ROOT" -name PG_VERSION -printf '%h\n' 2>/dev/null | grep --invert-match '/[0-9]*$' | sort || true; }

listing() {
    local pids pid prune=() folder
    pids=$(processes)
    for pid in $pids; do
        # A server's children come and go; the server does not.
        grep --quiet --line-regexp "$(ps --no-headers -o ppid "$pid" | tr -d ' ')" <<<"$pids" || echo "process $pid $(ps --no-headers -o args "$pid")"
        # Ports in LISTEN state.
        ss --no-header --listening --tcp --numeric --processes | grep "pid=$pid," | awk '{ print "port " $4 }' || true
    done
    for folder in $(data_folders); do prune+=(-path "$folder" -prune -printf 'server data %P\n' -o); done
    # What a server does inside its own folder is its business. Lock files of a line or none stay: removing one would be a race. What was
    # done, and which pull requests were closed, is remembered. The certificate authority is the root's and no branch's.
    find "$DEMO_ROOT" -mindepth 1 "${prune[@]}" -path "$DEMO_ROOT/locks/*" \( -type d -o -size -2 \) -o -path "$DEMO_ROOT/state/~closed*" -o -path "$DEMO_ROOT/state/audit.log" -o -path "$DEMO_ROOT/s/ca.crt" -o -printf '%y %P\n' 2>/dev/null || true
    awk -v root="$DEMO_ROOT/" 'index($5, root) == 1 { print "mount " $5 }' /proc/self/mountinfo
    [[ -z ${DEMO_DATASET:-} ]] || zfs list -H -r -t all -o name "$DEMO_DATASET" | sed 's/^/dataset /'
    ! command -v docker >/dev/null || docker ps --all --filter "label=pgd.root=$DEMO_ROOT" --format 'container {{.Names}}' 2>/dev/null || true
}

unchanged() { # CLAIM FILE
    local difference
    listing | sort >"$notes/now"
    difference=$(diff "$2" "$notes/now" | grep '^[<>]' || true)
    [[ -z $difference ]] && ok "$1" || wrong "$1: $difference"
}

# ── the source ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

sql() { psql --no-psqlrc --tuples-only --no-align --quiet --set ON_ERROR_STOP=1 "$@"; }
source_sql() { sql --dbname "$DEMO_SOURCE_URL" "$@"; }

# Every table's rows and the schema. Sums of hashes do not depend on the order of rows.
checksum() {
    source_sql <<'SQL'
select format('select %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from %s t', c.oid::regclass, c.oid::regclass)
from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by c.relname \gexec
-- Not by pg_dump: this machine's may be older than the server.
with public as (select oid from pg_class where relnamespace = 'public'::regnamespace)
select 'schema ' || md5(string_agg(line, E'\n' order by line collate "C")) from (
    select format('%s %s %s %s %s', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull) from pg_attribute where attrelid in (table public) and attnum > 0
    union all select format('%s %s %s', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) from pg_attrdef where adrelid in (table public)
    union all select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint where conrelid in (table public)
    union all select pg_get_indexdef(indexrelid) from pg_index where indrelid in (table public)
    union all select format('%s %s %s', oid::regclass, relkind, relowner::regrole) from pg_class where oid in (table public)) as lines (line);
SQL
    source_sql --command "select count(*) || ' replication slots' from pg_replication_slots"
}

source_untouched() { same "main has every row and column that it had (checksums before and after)" "$(cat "$notes/checksum")" "$(checksum)"; }

# ── GitHub ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

# PostgreSQL reads JSON as well as anything, and is here.
json() { source_sql --set "json=$(cat "$notes/comments.json")" <<<"$1"; }

read_comments() {
    curl --fail --silent --show-error --header "Authorization: Bearer $DEMO_TOKEN" --output "$notes/comments.json" \
        "$DEMO_API/repos/$DEMO_REPOSITORY/issues/$DEMO_PULL/comments"
    same "the pull request has one comment, by github-actions[bot]" "1 github-actions[bot]" \
        "$(json "select count(*) || ' ' || min(c->'user'->>'login') from json_array_elements(:'json'::json) c")"
    json "select c->>'body' from json_array_elements(:'json'::json) c" >"$notes/comment.md"
    json "select c->>'id' from json_array_elements(:'json'::json) c" >"$notes/comment-id"
}

same_comment() { same "it is the same comment, with another text" "$(cat "$notes/first-comment-id")" "$(cat "$notes/comment-id")"; }
comment_says() { grep --quiet --fixed-strings -- "$1" "$notes/comment.md" && ok "the comment says “$1”" || wrong "the comment does not say “$1”"; }

# ── the branch ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

branch_sql() { (set -a && source "$DEMO_ENV_FILE" && sql --dbname "$DATABASE_URL" "$@"); }

branch_is_separate() {
    local port source_port
    port=$(branch_sql --command "select inet_server_port()")
    source_port=$(source_sql --command "select inet_server_port()")
    [[ $port != "$source_port" ]] && ok "the branch is a server of its own: port $port, main has $source_port" || wrong "the branch is main"
    echo "$port" >"$notes/branch-port"
    (source "$DEMO_ENV_FILE" && PGPASSWORD=guess psql --no-psqlrc --host "$PGHOST" --port "$PGPORT" --username "$PGUSER" --dbname "$PGDATABASE" --command "select 1" >/dev/null 2>&1) &&
        wrong "the branch takes any password" || ok "a wrong password is refused"
}

no_password_told() {
    # In a file: as an argument of grep it would itself be on a command line.
    (source "$DEMO_ENV_FILE" && printf '%s\n' "$PGPASSWORD") >"$notes/password"
    [[ -s $notes/password && $(cat "$notes/password") ]] || wrong "the environment file has no password"
    found() { grep --quiet --fixed-strings --binary-files=text --file "$notes/password" "$@"; }
    ! found "$notes/comment.md" || wrong "the password is in the comment"
    ! found <(grep --invert-match '^::add-mask::' "$DEMO_STEP_LOG") || wrong "the password is in the job's log"
    ! found --recursive "$DEMO_ROOT" || wrong "the password is in a file under the root"
    ! found <(ps -eo args) || wrong "the password is on a command line"
    ok "the password is not in the comment, the log, a file under the root or on a command line"
}

migrated() {
    same "every row of the branch was migrated" "$(source_sql --command "select count(*) from pgbench_accounts")" \
        "$(branch_sql --command "select count(*) from pgbench_accounts where holder = 'customer ' || aid")"
}

case ${1:?which stage?} in
start)
    listing | sort >"$notes/at-start"
    ;;
source)
    listing | sort >"$notes/with-source"
    checksum >"$notes/checksum"
    ok "main: $(grep --count '' "$notes/with-source") files, processes and ports listed; $(grep --count '|' "$notes/checksum") tables summed up"
    ;;
opened)
    read_comments
    cp "$notes/comment-id" "$notes/first-comment-id"
    comment_says "0001_account_holders.sql"
    branch_is_separate
    migrated
    no_password_told
    source_untouched
    ;;
pushed)
    read_comments
    same_comment
    comment_says "0002_find_by_holder.sql"
    same "the branch kept its port" "$(cat "$notes/branch-port")" "$(branch_sql --command "select inet_server_port()")"
    migrated
    same "its new index is valid" "t" "$(branch_sql --command "select indisvalid from pg_index where indexrelid = 'pgbench_accounts_by_holder'::regclass")"
    no_password_told
    source_untouched
    ;;
closed)
    read_comments
    same_comment
    comment_says "deleted"
    branch_sql --command "select 1" >/dev/null 2>&1 && wrong "the branch still answers" || ok "the branch no longer answers"
    same "nothing listens on its port" "" "$(ss --no-header --listening --tcp --numeric "sport = :$(cat "$notes/branch-port")")"
    unchanged "its processes, ports, files and volumes are gone (listed before and after)" "$notes/with-source"
    source_untouched
    ;;
end)
    same "no process, no port, no container and no data is left" "" "$(listing | grep --extended-regexp '^(process|port|mount|server data|s|container) |^dataset .*/pgd/' || true)"
    ;;
*)
    echo "There is no stage \"$1\"." >&2
    exit 2
    ;;
esac
