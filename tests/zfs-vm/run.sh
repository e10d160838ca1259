#!/usr/bin/env bash
# Boots a machine with ZFS, runs one command in it, and ends it. Its files are this machine's, and what it writes is
# gone afterwards; PGD_TEST_POOL names its pool. The status is the command's, or 125 if the machine did not come up.
#
#   tests/zfs-vm/run.sh [--docker] [--disk 4G] [--memory 6G] [--rw DIR]… -- COMMAND…
#
#   --docker   with a Docker engine, which has the image pgd-test:17
#   --rw DIR   what is written to this folder stays
#   --engine-files FILE   with a Docker engine whose files are on this ext4 image, and stay
#
# The variables CI, DOTNET_* and PGD_* reach the command.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/cache.sh"

usage() {
    echo "$1 Usage: run.sh [--docker] [--disk 4G] [--memory 6G] [--rw DIR]… -- COMMAND…" >&2
    exit 2
}
engine='' disk=4G memory=6G folders=() more=()
while (($#)); do
    case $1 in
    --) break ;;
    --docker)
        engine=once
        more=(-drive "file=$cache/docker,format=raw,if=virtio,cache=unsafe,snapshot=on")
        ;;
    --disk | --memory | --rw | --engine-files)
        (($# > 1)) || usage "$1 needs a value."
        case $1 in
        --disk) disk=$2 ;;
        --memory) memory=$2 ;;
        --engine-files)
            engine=kept
            more=(-drive "file=$2,format=raw,if=virtio,cache=unsafe")
            ;;
        --rw) folders+=("$(realpath --canonicalize-existing "$2")") ;;
        esac
        shift
        ;;
    *) usage "There is no option $1." ;;
    esac
    shift
done
[[ ${1:-} == -- && $# -gt 1 ]] || usage "There is no command."
shift
if [[ $engine == once ]]; then
    "$here/build.sh" --docker
else
    "$here/build.sh"
fi

state=$(mktemp --directory /var/tmp/pgd-zfs-vm.XXXXXX)
trap 'rm -rf "$state"' EXIT
mkdir "$state/control"
cp "$here/guest/main" "$state/control/"
truncate --size="$disk" "$state/pool"

# The folders that the guest shares, by their tags.
shared=()
share() { shared+=(-fsdev "local,id=$1,path=$2,security_model=passthrough,multidevs=remap$3" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"); }
share host / ,readonly=on
share layer "$cache/layer" ,readonly=on
share control "$state/control" ,readonly=on
for i in "${!folders[@]}"; do
    share "rw$i" "${folders[i]}" ''
done
{
    printf 'checkout=%q\n' "$(cd "$here/../.." && pwd -P)"
    echo "engine=$engine"
    echo "folders=(${folders[*]@Q})"
} >"$state/control/settings"
{
    printf 'cd %q || exit 125\n' "$(pwd -P)"
    printf 'exec env --ignore-environment HOME=/root LANG=C.UTF-8 PATH=%q' "$PATH:/usr/sbin:/sbin"
    # Under emulation, code that is compiled twice is seldom run often enough to pay.
    printf ' DOTNET_TieredPGO=0 DOTNET_TC_CallCounting=0'
    for name in CI "${!DOTNET_@}" "${!PGD_@}"; do
        [[ ! -v $name ]] || printf ' %q' "$name=${!name}"
    done
    printf ' PGD_TEST_POOL=pgdtest'
    printf ' %q' "$@"
    echo
} >"$state/control/command"

# There may be a /dev/kvm with which nothing runs, or the firmware and no kernel: that has to say its first words.
kvm_works() {
    [[ -w /dev/kvm ]] || return
    local said process line status=1
    exec {said}< <(exec "${qemu[@]}" -accel kvm -cpu host -m 256 -display none -nodefaults -no-user-config -no-reboot -kernel "$cache/vmlinuz" -append 'console=ttyS0 earlyprintk=ttyS0 panic=-1' -serial stdio </dev/null 2>/dev/null)
    process=$!
    while read -r -t 5 -u "$said" line; do
        [[ $line != *'Linux version'* ]] || { status=0 && break; }
    done
    kill "$process" 2>/dev/null || true
    exec {said}<&-
    return "$status"
}
settings='console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off random.trust_cpu=on rcupdate.rcu_expedited=1 cryptomgr.notests tsc=reliable no_timer_check'
if kvm_works; then
    processor=(-accel kvm -cpu host)
else
    # Without these the kernel does the same in ways that are cheaper to emulate.
    processor=(-accel tcg,thread=multi -cpu max,la57=off,erms=off,fsrm=off,smap=off,smep=off,pku=off)
    settings+=' nopti clearcpuid=rep_good'
fi

# The machine's ports 1 to 3: the command's output and errors, and what happens, which is what is waited for here.
exec {output}> >(exec cat)
printing=$!
exec {errors}> >(exec cat >&2)
complaining=$!
exec {news}< <(exec setpriv --pdeathsig KILL "${qemu[@]}" "${processor[@]}" -machine pc -smp "$(nproc)" -m "$memory" -nodefaults -no-user-config -display none -no-reboot \
    -kernel "$cache/vmlinuz" -initrd "$cache/initrd" -append "$settings" -serial "file:$state/console" \
    -device virtio-serial-pci \
    -chardev "file,id=output,path=/proc/self/fd/$output" -device virtserialport,chardev=output,nr=1 \
    -chardev "file,id=errors,path=/proc/self/fd/$errors" -device virtserialport,chardev=errors,nr=2 \
    -chardev file,id=news,path=/proc/self/fd/1 -device virtserialport,chardev=news,nr=3 \
    -drive "file=$state/pool,format=raw,if=virtio,cache=unsafe,discard=unmap" ${more[@]+"${more[@]}"} \
    "${shared[@]}" </dev/null 2>"$state/qemu.log")
machine=$!
trap 'kill "$machine" 2>/dev/null || true; rm -rf "$state"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

read -r -t 300 -u "$news" status && [[ $status == started ]] && read -r -u "$news" status || {
    echo "The ZFS machine did not come up, or ended before the command did. Its last words:" >&2
    tail --quiet --lines=20 "$state/qemu.log" "$state/console" >&2
    exit 125
}
exec {output}>&- {errors}>&-
wait "$machine" "$printing" "$complaining" || true
exit "$status"
