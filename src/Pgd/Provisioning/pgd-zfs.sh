#!/bin/sh
# Mounts and unmounts pgd's ZFS volumes for members of the group pgd: they may make datasets, but on Linux only root mounts.
# "dotnet-pgd setup" wrote this file, and /etc/sudoers.d/pgd lets them run it as root: so whatever it is given may be an attack.
#
#     pgd-zfs mount DATASET
#     pgd-zfs unmount DATASET
#
# A dataset is mounted at one place only, which follows from its name. That place is made by root in folders of root's: nobody else
# can put a symbolic link there. What is mounted is three levels below the base and never inside another volume.
set -euf
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 022

base='@BASE@'
places='@PLACES@'

fail() {
    printf 'pgd-zfs: %s\n' "$1" >&2
    exit "${2:-1}"
}

# --- what is asked for ---
[ $# -eq 2 ] || fail 'usage: pgd-zfs mount DATASET, or pgd-zfs unmount DATASET' 2
verb=$1 dataset=$2
case $verb in
    mount | unmount) ;;
    *) fail 'usage: pgd-zfs mount DATASET, or pgd-zfs unmount DATASET' 2 ;;
esac

bad="that is no volume: its name must be $base/PROJECT/BRANCH/g1, or g1.NAME; or s and an identity for a snapshot"
case $dataset in
    "$base"/*) volume=${dataset#"$base"/} ;;
    *) fail "$bad" 2 ;;
esac
case $volume in
    *[!abcdefghijklmnopqrstuvwxyz0123456789._/-]* | */*/*/*) fail "$bad" 2 ;;
    */*/*) ;;
    *) fail "$bad" 2 ;;
esac
project=${volume%%/*} generation=${volume##*/}
branch=${volume#*/}
branch=${branch%/*}
# No name is empty, ".", ".." or like an option.
for name in "$project" "$branch" "${generation#[gs]}"; do
    case $name in
        [abcdefghijklmnopqrstuvwxyz0123456789]*) ;;
        *) fail "$bad" 2 ;;
    esac
done
case $generation in
    [gs]*) number=${generation#?} ;;
    *) fail "$bad" 2 ;;
esac
case $number in
    *.*)
        case ${number#*.} in
            [abcdefghijklmnopqrstuvwxyz0123456789]*) ;;
            *) fail "$bad" 2 ;;
        esac
        number=${number%%.*}
        ;;
esac
case $generation:$number in
    *: | g*:*[!0123456789]* | s*:*[!0123456789abcdef]*) fail "$bad" 2 ;;
esac
place=$places/$volume

# --- what is mounted ---
# Sets mounted to yes, no, or a word of the kernel's table where the dataset or its place is taken otherwise.
look() {
    mounted=no
    while read -r what where _; do
        if [ "$what" = "$dataset" ] && [ "$where" = "$place" ]; then
            mounted=yes
        elif [ "$what" = "$dataset" ] || [ "$where" = "$place" ]; then
            fail "$what is mounted at $where"
        fi
    done </proc/self/mounts
}
look

if [ "$verb" = unmount ]; then
    # Neither forced nor lazily: a server that runs there keeps its data. A killed one's children hold their folder for moments.
    tries=20
    while [ "$mounted" = yes ] && ! said=$(umount -- "$place" 2>&1); do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$said"
        sleep 0.2
        look
    done
    for empty in "$place" "$places/$project/$branch" "$places/$project"; do
        rmdir -- "$empty" 2>/dev/null || :
    done
    exit 0
fi

if [ "$mounted" = no ]; then
    # Ours by a mark of its own, and with nobody's choice of another place. A volume device has no mount point.
    [ "$(zfs get -H -o property,source mountpoint,pgd:id "$dataset")" = "mountpoint	inherited from $base
pgd:id	local" ] || fail "$dataset is no volume of pgd"

    tries=5
    while :; do
        tries=$((tries - 1))
        said=$(mkdir -p -- "$place" 2>&1) || [ $tries -gt 0 ] || fail "$said"
        # Folders of root's on one file system: no link, and nothing that somebody's boot has mounted over them.
        case $(stat -c '%d %u %A' -- "$places" "$places/$project" "$places/$project/$branch" "$place" 2>/dev/null | sort -u) in
            *'
'*) safe=no ;;
            *' 0 drwxr-xr-x') safe=yes ;;
            *) safe=no ;;
        esac
        said="the way to $place is not as setup made it"
        if [ $safe = yes ] && said=$(mount -t zfs -o zfsutil,nosuid,nodev -- "$dataset" "$place" 2>&1); then
            break
        fi
        # Somebody else was quicker, or has unmounted a sibling and removed the folders above it.
        look
        [ "$mounted" = no ] || break
        [ $tries -gt 0 ] || fail "$said"
    done
fi

# A new file system belongs to who made it: to root, or to the caller already. One that has anything in it is left as it is: what a clone
# contains has its owners.
case ${SUDO_UID:-}:${SUDO_GID:-} in
    *[!0123456789:]* | :* | *:) exit 0 ;;
esac
cd -P -- "$place"
[ "$(pwd -P)" = "$place" ] || fail "the way to $place is not as setup made it"
find . -maxdepth 0 -empty '(' -user 0 -o -user "$SUDO_UID" ')' -exec chown -- "$SUDO_UID:$SUDO_GID" . ';' -exec chmod 0711 -- . ';'
