# shellcheck shell=bash disable=SC2034
# What build.sh makes and run.sh uses; sourced by both.
cache=${PGD_ZFS_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pgd-tests/zfs-vm}
# What it shares with this machine comes from there where its packages brought none.
qemu=(env "LD_LIBRARY_PATH=$cache/qemu/usr/lib/x86_64-linux-gnu:$cache/qemu/lib/x86_64-linux-gnu" "$cache/qemu/usr/bin/qemu-system-x86_64")
for folder in "$cache/qemu/usr/share" /usr/share; do
    qemu+=(-L "$folder/qemu" -L "$folder/seabios")
done

lacks() {
    echo "$1" >&2
    exit 3
}
