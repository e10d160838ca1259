#!/usr/bin/env bash
# Installs the distribution's packages that a target needs and this machine lacks.
#
#   build/packages.sh [--yes] server client pgbench btrfs …
#
# On a terminal it asks before it uses sudo. As root on a build server, or with --yes, it just does it. Elsewhere it
# says what to install and ends with status 3.
set -euo pipefail

yes=${CI:+true}
if [[ ${1:-} == --yes ]]; then
    yes=true
    shift
fi

# /usr/sbin holds the mkfs programs and is not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin
has() { command -v "$1" >/dev/null; }
has_server() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || { has postgres && has initdb; }; }

# What is asked for is a program, not a package: it may have come another way, such as Node.js from its makers.
packages=()
for need in "$@"; do
    case $need in
    server) has_server || packages+=(postgresql) ;;
    client) has psql || packages+=(postgresql-client) ;;
    pgbench) has pgbench || has_server || packages+=(postgresql) ;;
    btrfs) has mkfs.btrfs || packages+=(btrfs-progs) ;;
    xfs) has mkfs.xfs || packages+=(xfsprogs) ;;
    ext4) has mkfs.ext4 || packages+=(e2fsprogs) ;;
    mount) has losetup || packages+=(mount) ;;
    faketime) compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || packages+=(faketime) ;;
    zstd) has zstd || packages+=(zstd) ;;
    rsync) has rsync || packages+=(rsync) ;;
    strace) has strace || packages+=(strace) ;;
    # Debian's npm is a package of its own; everybody else's comes with node.
    node) { has node && has npm; } || packages+=(nodejs npm) ;;
    git) has git || packages+=(git) ;;
    curl) has curl || packages+=(curl) ;;
    docker) { has docker && has dockerd; } || packages+=(docker.io iptables) ;;
    debootstrap) has debootstrap || packages+=(debootstrap) ;;
    ps) has ps || packages+=(procps) ;;
    systemd) has systemd-analyze || packages+=(systemd) ;;
    mariadb) { has mariadbd && has mariadb; } || packages+=(mariadb-server-core mariadb-client) ;;
    pgcopydb) has pgcopydb || packages+=(pgcopydb) ;;
    pgbackrest) has pgbackrest || packages+=(pgbackrest) ;;
    ss) has ss || packages+=(iproute2) ;;
    # Everything else comes into its cache by tests/zfs-vm/build.sh.
    zfs-vm) { has gcc && has make && has sudo; } || packages+=(gcc libc6-dev make sudo) ;;
    *)
        echo "build/packages.sh knows no \"$need\"." >&2
        exit 2
        ;;
    esac
done
((${#packages[@]})) || exit 0
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort --unique)

if ! has apt-get; then
    echo "This machine lacks what Debian calls: ${packages[*]}. Install it with your package manager." >&2
    exit 3
fi

sudo=()
if [[ $EUID -ne 0 ]]; then
    if ! has sudo; then
        echo "This machine lacks packages. As root: apt-get install ${packages[*]}" >&2
        exit 3
    fi
    sudo=(sudo)
fi
if [[ -z $yes && $EUID -ne 0 ]]; then
    if [[ ! -t 0 ]]; then
        echo "This machine lacks packages. Run: sudo apt-get install ${packages[*]}   (or give --yes)" >&2
        exit 3
    fi
    read -r -p "Install ${packages[*]} with sudo apt-get? [Y/n] " answer
    [[ ${answer:-y} == [yY]* ]] || {
        echo "Nothing was installed. Needed: ${packages[*]}" >&2
        exit 3
    }
fi
# A password prompt in the middle of apt's output would be missed.
[[ $EUID -eq 0 || -n ${CI:-} ]] || sudo --validate

log=$(mktemp)
# The package's own cluster would take port 5432 and run for ever. This says so for the time of the installation only,
# beside the file that the package owns: what the owner installs later behaves as usual.
dropin=/etc/postgresql-common/createcluster.d/pgd-no-cluster.conf
cleanup() {
    [[ -z ${dropped:-} ]] || "${sudo[@]}" rm --force "$dropin"
    rm --force "$log"
}
trap cleanup EXIT
if [[ " ${packages[*]} " == *" postgresql "* ]]; then
    dropped=1
    "${sudo[@]}" mkdir --parents "${dropin%/*}"
    echo "create_main_cluster = false" | "${sudo[@]}" tee "$dropin" >/dev/null
fi

echo "Installing ${packages[*]} …"
apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >>"$log" 2>&1; }
apt install --yes --no-install-recommends "${packages[@]}" || { apt update && apt install --yes --no-install-recommends "${packages[@]}"; } || {
    tail -n 20 "$log" >&2
    echo "apt-get could not install ${packages[*]}." >&2
    exit 3
}
