# shellcheck shell=bash disable=SC2034
# What build.sh makes and run.sh uses; sourced by both.
cache=${PGD_ZFS_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pgd-tests/zfs-vm}
qemu=("$cache/qemu/usr/bin/qemu-system-x86_64" -L "$cache/qemu/usr/share/qemu" -L "$cache/qemu/usr/share/seabios" -L /usr/share/qemu -L /usr/share/seabios)

lacks() {
    echo "$1" >&2
    exit 3
}
