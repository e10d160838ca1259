#!/usr/bin/env bash
# Makes the image pgd-test:MAJOR with PostgreSQL's server of that version, from Debian's packages and nothing else, unless the engine has it.
# Its entry point does what the official image's does, as far as a first start goes. With --files, the files for it are fetched into a cache
# and nothing is asked of an engine, so that one without a network can have it later.
#
#   build/docker-image.sh [--files] 17
set -euo pipefail

files=
if [[ ${1:-} == --files ]]; then
    files=only
    shift
fi
major=${1:?usage: docker-image.sh [--files] MAJOR}
case $major in
15) suite=bookworm ;;
17) suite=trixie ;;
*)
    echo "No Debian release is known that has PostgreSQL $major." >&2
    exit 2
    ;;
esac
image=pgd-test:$major
[[ -n $files ]] || ! docker image inspect "$image" >/dev/null 2>&1 || exit 0

# Once for all engines. A change of this script makes other files.
cache=/var/cache/pgd-lab
archive=$cache/image-$major-$(sha256sum "${BASH_SOURCE[0]}" | head --bytes=12).tar
import() {
    docker import \
        --change "ENV PATH=/usr/lib/postgresql/$major/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --change 'ENV PGDATA=/var/lib/postgresql/data' \
        --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]' "$archive" "$image" >/dev/null
}
if [[ -e $archive ]]; then
    [[ -n $files ]] || import
    exit
fi

# On disk: what is built here is larger than many a /tmp in memory.
new=$(mktemp -d /var/tmp/pgd-image.XXXXXX)
trap 'rm -rf --one-file-system "$new"' EXIT
debootstrap --variant=minbase --include="postgresql-$major" "$suite" "$new/root" >"$new/log" 2>&1 || {
    tail -n 20 "$new/log" >&2
    exit 3
}
cat >"$new/root/usr/local/bin/docker-entrypoint.sh" <<'TEXT'
#!/bin/bash
set -e
: "${PGDATA:=/var/lib/postgresql/data}"
if [[ ${1:-} == postgres && $(id -u) -eq 0 ]]; then
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [[ ${1:-} == postgres && ! -s $PGDATA/PG_VERSION ]]; then
    initdb --pgdata "$PGDATA" --username "${POSTGRES_USER:-postgres}" --auth-local trust --auth-host scram-sha-256 --pwfile <(printf '%s\n' "${POSTGRES_PASSWORD:?}")
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
exec "$@"
TEXT
chmod 755 "$new/root/usr/local/bin/docker-entrypoint.sh"
install -d -m 755 "$cache"
tar --directory "$new/root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc --exclude=./usr/share/man --create --file "$new/archive" .
rm -f "$cache/image-$major-"*.tar
mv "$new/archive" "$archive"
[[ -n $files ]] || import
