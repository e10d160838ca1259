#!/bin/sh
# Puts a file of a server's write-ahead log into the archive of its branch. The server runs it for each, and keeps what it did not take:
#
#   archive.sh PATH NAME ARCHIVE BRANCH-ID
#
# What is there is never overwritten. A part that cannot be put there stays with the server. But before such parts fill the disk that the
# server itself writes to, they are given up, each with an empty file NAME.given-up: its users must go on.
set -u
umask 077
PATH=$PATH:/usr/bin:/bin
export PATH LC_ALL=C

path=$1 name=$2 archive=$3 branch=$4

# In kB. What is left free on the archive's disk, which may be the server's own.
reserve=65536
# A part is given up when less than a twentieth of the server's disk is free, but 2 GB at least: what was given up is only removed by the next
# checkpoint, up to which a server writes 1 GB (max_wal_size). And 8 GB at most: it tries again after a minute, in which who writes 100 MB each
# second has written 6 GB. Of a small disk, a quarter.
least=2097152 most=8388608

say() { echo "archive of the write-ahead log: $*" >&2; }

# Size and free kB of a folder's file system; nothing if that cannot be told.
room() { df -Pk "$1" 2>/dev/null | sed -n 's/.* \([0-9][0-9]*\)  *[0-9][0-9]*  *\([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1 \2/p'; }

# An archive that is not mounted must not be taken for an empty one.
is_ours() {
    owner=
    { read -r owner <"$archive/.pgd"; } 2>/dev/null
    [ "$owner" = "$branch" ]
}

has_same() {
    case $1 in
    *.zst) zstd -q -d -c "$1" | cmp -s - "$path" ;;
    *) cmp -s "$1" "$path" ;;
    esac
}

put() {
    case $name in
    *.history | *.backup) cp "$path" "$new" ;;
    *) if [ "$target" = "$archive/$name" ]; then cp "$path" "$new"; else zstd -q -c "$path" >"$new"; fi ;;
    # A link, because it fails where a name is taken, whoever took it.
    esac && sync "$new" && ln "$new" "$target"
}

store() {
    is_ours || {
        say "$archive is not there, or is not this branch's"
        return 1
    }
    for there in "$archive/$name" "$archive/$name.zst"; do
        [ -e "$there" ] || continue
        has_same "$there" && sync "$there" "$archive" && return
        say "$there is there already, with other content; it is left as it is"
        return 1
    done
    # Of one that was killed.
    rm -f "$archive"/.*.new
    room=$(room "$archive")
    [ -z "$room" ] || [ "${room#* }" -ge $reserve ] || {
        say "less than $((reserve / 1024)) MB are free for $archive"
        return 1
    }
    new=$archive/.$name.$$.new target=$archive/$name
    case $name in
    *.history | *.backup) ;;
    *) if command -v zstd >/dev/null 2>&1; then target=$target.zst; fi ;;
    esac
    put && rm -f "$new" && sync "$archive" && return
    rm -f "$new"
    say "$target could not be written"
    return 1
}

if store; then
    rm -f "$archive/$name.given-up"
    exit 0
fi

room=$(room "${path%/*}")
# Where it cannot be told how much is free, nothing is given up.
[ -n "$room" ] || exit 1
enough=$((${room% *} / 20)) quarter=$((${room% *} / 4))
[ $enough -ge $least ] || enough=$least
[ $enough -le $most ] || enough=$most
[ $enough -le $quarter ] || enough=$quarter
[ "${room#* }" -lt $enough ] || exit 1
is_ours && : >"$archive/$name.given-up"
say "$name is given up: less than $((enough / 1024)) MB are free where the server writes"
exit 0
