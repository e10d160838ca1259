#!/usr/bin/env bash
# A base backup as pg_basebackup makes one, over the administrative socket: start, copy, stop, all in one session.
#
#   base-backup.sh SOURCE-DATA SOURCE-SOCKET-FOLDER SOURCE-PORT BACKUP
set -euo pipefail

source=$1 socket=$2 port=$3 backup=$4
start=pg_backup_start stop='pg_backup_stop(false)'
[[ $(<"$source/PG_VERSION") -ge 15 ]] || start=pg_start_backup stop='pg_stop_backup(false, false)'
psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --host "$socket" --port "$port" --username postgres --dbname postgres <<SQL
select $start('bench', true) \\g /dev/null
\\! cp --archive "$source" "$backup"
select labelfile from $stop \\g '$backup/backup_label'
SQL
rm -rf "$backup"/postmaster.pid "$backup"/postmaster.opts "$backup"/pg_wal/*0* "$backup"/pg_replslot/*
