#!/usr/bin/env bash
# The shortest way from a running server to a running copy of it that answers: what pgd is measured against.
# It takes no lock, undoes nothing, and keeps the source's passwords and settings. Prints the time of each step in microseconds.
#
#   floor.sh STORAGE BINARIES|IMAGE SOURCE-DATA SOURCE-SOCKET-FOLDER SOURCE-PORT CLONE PORT
set -euo pipefail

storage=$1 binaries=$2 source=$3 socket=$4 source_port=$5 clone=$6 port=$7
step=${EPOCHREALTIME/[.,]/}
took() {
    local now=${EPOCHREALTIME/[.,]/}
    echo "$1 $((now - step))"
    step=$now
}
data=$clone
# The server refuses to run as root.
postgres=()
[[ $EUID -ne 0 ]] || postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

psql --no-psqlrc --quiet --host "$socket" --port "$source_port" --username postgres --dbname postgres --command checkpoint
took checkpoint
case $storage in
btrfs | btrfs+docker) btrfs subvolume snapshot "$source" "$clone" >/dev/null ;;
reflink) cp --archive --reflink=always "$source" "$clone" ;;
copy) cp --archive --reflink=never "$source" "$clone" ;;
zfs*)
    dataset=$(findmnt --noheadings --output SOURCE --target "$source")
    zfs snapshot "$dataset@floor"
    zfs clone -o mountpoint="$clone" "$dataset@floor" "${dataset%/*}/floor"
    data=$clone/data
    ;;
esac
took copy
clone=$data
rm "$clone/postmaster.pid"
printf 'local all all trust\nhost all all all trust\n' >"$clone/floor_hba.conf"
if [[ $storage == *+docker ]]; then
    docker run --detach --name pgd-bench-floor --user "$(stat --format %u:%g "$clone")" --volume "$clone:$clone" --publish "127.0.0.1:$port:$port" --entrypoint postgres "$binaries" \
        -D "$clone" -c port="$port" -c 'listen_addresses=*' -c unix_socket_directories= -c hba_file="$clone/floor_hba.conf" >/dev/null
    until psql --no-psqlrc --quiet --tuples-only --host 127.0.0.1 --port "$port" --username postgres --dbname postgres --command 'select 1' >/dev/null 2>&1; do
        sleep 0.005
    done
    took start
    exit
fi
"${postgres[@]}" "$binaries/pg_ctl" start -w -s -D "$clone" -l "$clone/floor.log" \
    -o "-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c hba_file=$clone/floor_hba.conf"
took start
psql --no-psqlrc --quiet --tuples-only --host 127.0.0.1 --port "$port" --username postgres --dbname postgres --command 'select 1' >/dev/null
took query
