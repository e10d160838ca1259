#!/usr/bin/env bash
# The usual way to a moment in the past: a base backup is copied, and its server replays the archive up to there. Prints the time of each step in
# microseconds. What is needed for it was made before: the backup by pg_basebackup, the archive as a folder of whole segments.
#
#   recovery-floor.sh BINARIES BACKUP ARCHIVE TARGET-TIME CLONE PORT
set -euo pipefail

binaries=$1 backup=$2 archive=$3 target=$4 clone=$5 port=$6
step=${EPOCHREALTIME/[.,]/}
took() {
    local now=${EPOCHREALTIME/[.,]/}
    echo "$1 $((now - step))"
    step=$now
}
postgres=()
[[ $EUID -ne 0 ]] || postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

cp --archive "$backup" "$clone"
took copy
touch "$clone/recovery.signal"
[[ $EUID -ne 0 ]] || chown postgres: "$clone/recovery.signal"
printf 'local all all trust\nhost all all all trust\n' >"$clone/floor_hba.conf"
cat >>"$clone/postgresql.auto.conf" <<CONF
restore_command = 'cp "$archive/%f" "%p"'
recovery_target_time = '${target/%Z/+00}'
recovery_target_action = 'promote'
hot_standby = off
CONF
"${postgres[@]}" "$binaries/pg_ctl" start -w -t 600 -s -D "$clone" -l "$clone/floor.log" \
    -o "-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c hba_file=$clone/floor_hba.conf" || {
    tail --lines=5 "$clone/floor.log" >&2
    exit 1
}
# It is started once it replays, and has recovered when this file is gone.
while [[ -e $clone/recovery.signal ]] || ! pg_isready --quiet --host 127.0.0.1 --port "$port"; do
    sleep 0.01
done
took replay
psql --no-psqlrc --quiet --tuples-only --host 127.0.0.1 --port "$port" --username postgres --dbname postgres --command 'select 1' >/dev/null
took query
