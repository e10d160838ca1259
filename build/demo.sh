#!/usr/bin/env bash
# Plays the whole story on this machine: a pull request gets a database branch, migrations, one comment and a teardown.
# GitHub is a stand-in; everything else is real. What it claims is verified by build/demo/verify.sh, which does not use pgd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scale=10 storage=auto runtime=auto image='' pool='' root='' keep='' yes=()
while (($#)); do
    case $1 in
    --scale) scale=$2 && shift 2 ;;
    --storage) storage=$2 && shift 2 ;;
    --runtime) runtime=$2 && shift 2 ;;
    --image) image=$2 && shift 2 ;;
    --pool) pool=$2 && shift 2 ;;
    --root) root=$2 && shift 2 ;;
    --keep) keep=1 && shift ;;
    --yes) yes=(--yes) && shift ;;
    *)
        echo "The demo has no option $1." >&2
        exit 2
        ;;
    esac
done
[[ $scale =~ ^[1-9][0-9]{0,3}$ ]] || {
    echo "--scale is a number from 1 to 9999, not \"$scale\"." >&2
    exit 2
}

bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
[[ -t 1 && -z ${NO_COLOR:-} ]] || bold='' dim='' red='' green='' plain=''
# The stand-in's own rule is the same, but its output is piped through here.
[[ -n $bold ]] || export NO_COLOR=1

now() { echo "${EPOCHREALTIME/[.,]/}"; }
since() { awk -v start="$1" -v end="$(now)" 'BEGIN { printf "%.1f s", (end - start) / 1000000 }'; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Lines up the times of steps; printf's own width counts bytes.
done_in() { printf '  %s✓%s %s%*s%s%s%s\n' "$green" "$plain" "$1" $((80 - ${#1} > 1 ? 80 - ${#1} : 1)) '' "$dim" "$2" "$plain"; }
fail() {
    printf '  %s✗%s %s\n' "$red" "$plain" "$1"
    exit 1
}
# Runs a command, and shows what it printed only if it failed.
step() { # CLAIM COMMAND…
    local claim=$1 start
    shift
    start=$(now)
    "$@" >"$work/step.log" 2>&1 || {
        sed 's/^/    /' "$work/step.log"
        fail "$claim"
    }
    done_in "$claim" "$(since "$start")"
}

# ── clearing up ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

work=$(mktemp -d "${TMPDIR:-/tmp}/pgd-demo.XXXXXX")
own_root='' own_dataset='' created=''
finish() {
    local status=$?
    trap - EXIT
    [[ -z ${standin_in:-} ]] || exec {standin_in}>&-
    if [[ -n $created && (-z $keep || $status -ne 0) ]]; then
        dotnet-pgd project delete demo --force >"$work/step.log" 2>&1 || {
            cat "$work/step.log"
            # Folder and dataset must stay: they are what says which servers are left.
            own_root='' own_dataset=''
            echo "The project demo could not be deleted; it is in $root."
        }
        created=''
    fi
    [[ -z $own_dataset || -n $created ]] || zfs destroy -r "$own_dataset" || true
    [[ -z $own_root || -n $created ]] || rm -rf "$own_root"
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ── what it needs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

begin=$(now)
title "What the demo needs"
build/packages.sh "${yes[@]}" server client pgbench curl ps ss || exit
# Prism, if Node.js is here, needs one that is not too old.
! command -v npm >/dev/null || { node=$(bash build/node.sh) && PATH=${node:+$node:}$PATH; } || exit
# Debian keeps pgbench with the server, outside of PATH, when the client package's wrapper is missing.
PATH=$PATH:$(compgen -G '/usr/lib/postgresql/*/bin' | sort --version-sort | tail -n 1)

if [[ -z $root ]]; then
    # Not in a home folder: servers that root starts run as the account postgres.
    own_root=$(mktemp -d /var/tmp/pgd-demo.XXXXXX)
    chmod 755 "$own_root"
    root=$own_root
fi
if [[ $storage == zfs ]]; then
    # A dataset of the demo's own: what setup made on this machine, if it did, stays as it is.
    command -v zfs >/dev/null || PATH=$PATH:/usr/sbin:/sbin
    if [[ -z $pool ]]; then
        mapfile -t pools < <(zpool list -H -o name)
        ((${#pools[@]} == 1)) || {
            echo "There are ${#pools[@]} ZFS pools here${pools[*]:+: ${pools[*]}}. Choose one with --pool." >&2
            exit 3
        }
        pool=${pools[0]}
    fi
    own_dataset=$pool/pgd-demo-$$
    zfs create -o canmount=off "$own_dataset"
    export PGD_ZFS_POOL=$own_dataset
fi
mkdir --parents "$work/checkout/db/migrations" "$work/temp" "$work/notes" "$root"
export PGD_ROOT=$root
export DEMO_ROOT=$root DEMO_DATASET=$own_dataset DEMO_NOTES=$work/notes DEMO_STEP_LOG=$work/job.log
export DEMO_REPOSITORY=Codertocat/Hello-World DEMO_PULL=2

tool_folder() { tool=$(bash build/tool.sh); }
step "dotnet-pgd, published by the action's own step into the runner's tool cache" tool_folder
PATH=$tool:$PATH
# The tool's launcher looks in the usual folders only; an SDK elsewhere is found by its own program.
DOTNET_ROOT=${DOTNET_ROOT:-$(dirname "$(readlink --canonicalize "$(command -v dotnet)")")}
export DOTNET_ROOT

step "a stand-in for GitHub, built" dotnet build build/GitHubStandIn --configuration Release -nologo
standin=artifacts/bin/GitHubStandIn/release/GitHubStandIn
start=$(now)
coproc STANDIN { exec "$standin" "$work/event.json" 2>"$work/standin.log"; }
exec {standin_in}>&"${STANDIN[1]}" {standin_out}<&"${STANDIN[0]}"
read -r DEMO_API DEMO_TOKEN checked <&"$standin_out" || {
    cat "$work/standin.log"
    fail "The stand-in did not start."
}
export DEMO_API DEMO_TOKEN
if [[ $checked == prism ]]; then
    done_in "it listens; Prism checks all of its traffic by GitHub's API description" "$(since "$start")"
else
    done_in "it listens (with npm here, Prism would check it by GitHub's API description)" "$(since "$start")"
fi
github() {
    local answer
    echo "$*" >&"$standin_in"
    read -r answer <&"$standin_out" && echo "$answer"
}

# ── the project ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

title "A project with sample data"
verify() { bash build/demo/verify.sh "$@"; }
verify start
start=$(now)
created=1
dotnet-pgd project create demo --storage "$storage" --runtime "$runtime" ${image:+--image "$image"} >"$work/step.log" 2>&1 || {
    sed 's/^/    /' "$work/step.log"
    created=''
    fail "dotnet pgd project create demo"
}
dotnet-pgd project get demo --json >"$work/project.json"
field() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$work/project.json"; }
done_in "dotnet pgd project create demo: PostgreSQL $(field postgresMajor), storage $(field storage), runtime $(field runtime)" "$(since "$start")"
step "dotnet pgd branch exec demo/main -- pgbench --initialize: $((scale * 100000)) accounts" \
    dotnet-pgd branch exec demo/main -- pgbench --initialize --quiet --scale "$scale"
DEMO_SOURCE_URL=$(dotnet-pgd branch url demo/main)
export DEMO_SOURCE_URL
verify source

# ── the pull request ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

# The action's last step as action.yml says it: its environment, with the inputs filled in, and its script.
input() {
    case $1 in
    project) echo demo ;;
    migrate-files) echo 'db/migrations/*.sql' ;;
    github-token) echo "$DEMO_TOKEN" ;;
    *) awk -v name="$1" '$0 ~ "^  [a-z-]+:$" { inside = ($1 == name ":") } inside && $1 == "default:" { print $2; exit }' <(sed -n '/^inputs:/,/^outputs:/p' action.yml) ;;
    esac
}
step_of_action() { sed -n '/- id: pgd$/,$p' action.yml; }
script=$(step_of_action | sed -n 's/^ *run: //p')
[[ -n $script ]] || fail "action.yml has no step pgd with a one-line script."
run_action() { # EVENT-NAME
    local variable name environment=()
    while read -r variable name; do environment+=("$variable=$(input "$name")"); done \
        < <(step_of_action | sed -n 's/^ *\(PGD_INPUT_[A-Z_]*\): \${{ inputs\.\([a-z-]*\) }}$/\1 \2/p')
    : >"$work/output"
    # The runner gives a step this environment and no other.
    (cd "$work/checkout" && env --ignore-environment HOME="$HOME" PATH="$PATH" LANG=C.UTF-8 PGD_ROOT="$PGD_ROOT" DOTNET_ROOT="$DOTNET_ROOT" \
        CI=true GITHUB_ACTIONS=true GITHUB_EVENT_NAME="$1" GITHUB_EVENT_PATH="$work/event.json" GITHUB_REPOSITORY="$DEMO_REPOSITORY" \
        GITHUB_REPOSITORY_ID=186853002 GITHUB_API_URL="$DEMO_API" GITHUB_SERVER_URL=https://github.com GITHUB_RUN_ID=1 \
        GITHUB_WORKSPACE="$work/checkout" GITHUB_OUTPUT="$work/output" GITHUB_STEP_SUMMARY="$work/summary.md" \
        RUNNER_NAME="$(uname -n)" RUNNER_TEMP="$work/temp" RUNNER_TOOL_CACHE="$PWD/artifacts/tool-cache" RUNNER_TRACKING_ID=demo \
        "${environment[@]}" bash --noprofile --norc -eo pipefail -c "$script") >"$DEMO_STEP_LOG" 2>&1
}
deliver() { # ACTION CLAIM
    local start
    github "$1" >/dev/null
    start=$(now)
    run_action pull_request || {
        sed 's/^/    /' "$DEMO_STEP_LOG"
        fail "$2"
    }
    done_in "$2" "$(since "$start")"
    # What a person reads in the job's log; the runner obeys the lines with colons and shows none of them.
    grep --invert-match --extended-regexp '^::' "$DEMO_STEP_LOG" | sed "s/^/    $dim/; s/\$/$plain/" || true
}
output() { awk -v name="$1" 'index($0, name "<<") == 1 { end = substr($0, length(name) + 3); next } end != "" && $0 == end { exit } end != "" { print }' "$work/output"; }
add_migration() {
    cp "build/demo/$1" "$work/checkout/db/migrations/"
    github "adds db/migrations/$1" >/dev/null
}
show_comment() {
    echo
    "$standin" --show <"$work/notes/comment.md" | sed "s/^/    ${dim}│${plain} /; s/ *\$//"
    echo
}

title "A pull request is opened; it adds db/migrations/0001_account_holders.sql"
add_migration 0001_account_holders.sql
deliver open "the action ran: the branch was made, and migrated"
DEMO_ENV_FILE=$(output env-file)
export DEMO_ENV_FILE
dotnet-pgd branch list | sed 's/^/    /'
verify opened >"$work/verified" || { cat "$work/verified" && exit 1; }
show_comment
cat "$work/verified"

title "A push adds db/migrations/0002_find_by_holder.sql"
add_migration 0002_find_by_holder.sql
deliver push "the action ran: the branch was reset to main's present state, and migrated"
verify pushed >"$work/verified" || { cat "$work/verified" && exit 1; }
show_comment
cat "$work/verified"

title "The pull request is closed"
deliver close "the action ran: the branch is gone"
verify closed >"$work/verified" || { cat "$work/verified" && exit 1; }
show_comment
cat "$work/verified"
if [[ $checked == prism ]]; then
    objections=$(github objections)
    [[ -z $objections ]] || fail "GitHub would not have sent or taken this: $objections"
    printf '  %s✓%s %s\n' "$green" "$plain" "every request and answer was valid by GitHub's own API description"
fi

# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

if [[ -n $keep ]]; then
    title "The project stays"
    cat <<TEXT
    export PGD_ROOT=$root PATH=$tool:\$PATH
    dotnet pgd branch psql demo/main               # look around
    dotnet pgd branch create demo/mine             # a branch of your own
    dotnet pgd project delete demo --force         # when you are done
TEXT
else
    title "Clearing up"
    step "dotnet pgd project delete demo --force" dotnet-pgd project delete demo --force
    created=''
    verify end
fi
printf '\n%sEverything was verified.%s %s(%s)%s\n' "$bold" "$plain" "$dim" "$(since "$begin")" "$plain"
