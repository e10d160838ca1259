#!/usr/bin/env bash
# Makes what run.sh boots, from packages of this Debian release: a kernel, OpenZFS compiled for it, ZFS's programs, and
# QEMU. They are unpacked into a cache, nothing is installed. The first time takes minutes; when all is there, none.
#
#   tests/zfs-vm/build.sh [--docker]
#
#   --docker   also the files of a Docker engine that has the image pgd-test:17
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/cache.sh"

recipe=$(cat "$here/build.sh" "$here/guest/init" | sha256sum)
made() { [[ -e $cache/recipe && $(<"$cache/recipe") == "$recipe" ]] && "${qemu[@]}" --version >/dev/null 2>&1; }
# The engine's files are made by the machine itself, which has no network: hence the image's files come first.
with_docker() {
    local recipe
    [[ $1 == --docker ]] || return 0
    recipe=$(sha256sum <"$here/../../build/docker-image.sh")
    exec 8>"$cache/docker.lock"
    flock 8
    [[ ! -e $cache/docker || $(<"$cache/docker.recipe") != "$recipe" ]] || return 0
    echo "Giving the ZFS machine's Docker engine its image, once …" >&2
    bash "$here/../../build/docker-image.sh" --files 17
    rm -f "$cache/docker" "$cache/docker.new"
    truncate --size=4G "$cache/docker.new"
    PATH=$PATH:/usr/sbin mkfs.ext4 -q -O ^has_journal "$cache/docker.new"
    "$here/run.sh" --engine-files "$cache/docker.new" -- bash "$here/../../build/docker-image.sh" 17
    echo "$recipe" >"$cache/docker.recipe"
    mv "$cache/docker.new" "$cache/docker"
}
if made; then
    with_docker "${1:-}"
    exit
fi

# shellcheck disable=SC1091
. /etc/os-release
[[ $ID == debian && $(uname -m) == x86_64 ]] || lacks "The ZFS machine is built from packages of Debian for x86-64, and this is ${PRETTY_NAME:-$ID} on $(uname -m). Leave it out with: ./build.sh test --no-vm"
[[ $EUID -eq 0 ]] || lacks "The ZFS machine has the files of this one, and only root may read them all. Run as root, or leave it out with: ./build.sh test --no-vm"
for program in apt-get dpkg-deb gcc make; do
    command -v "$program" >/dev/null || lacks "$program is needed. Run: build/packages.sh zfs-vm"
done

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if made; then
    exec 9>&-
    exec "$0" "$@"
fi
echo "Building the ZFS machine in $cache, once, which takes about five minutes …" >&2
rm -rf "$cache/recipe" "$cache/layer" "$cache/qemu" "$cache/work"
work=$cache/work
mkdir -p "$work"
log=$cache/build.log
: >"$log"
fail() {
    tail -n 20 "$log" >&2
    echo "$1 The whole output: $log" >&2
    exit 1
}

# --- Packages: apt's own settings and this machine's mirrors, with one suite more and folders of ours --------------------
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
# shellcheck disable=SC2016
mirror() { apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' | sed --quiet "s/^$1 //p" | head --lines=1; }
main=$(mirror "$VERSION_CODENAME")
[[ $main ]] || lacks "apt has no source for Debian $VERSION_CODENAME here; /etc/apt/sources.list.d should name one."
source_line() { [[ -z $2 ]] || echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $2 $1 main contrib"; }
{
    source_line "$VERSION_CODENAME" "$main"
    for suite in "$VERSION_CODENAME-updates" "$VERSION_CODENAME-security"; do
        source_line "$suite" "$(mirror "$suite")"
    done
} >"$work/apt/sources.list"
apt() {
    local command=$1
    shift
    "apt-$command" -q -oDir::Etc::sourcelist="$work/apt/sources.list" -oDir::Etc::sourceparts=/dev/null -oDir::State::lists="$work/apt/lists" \
        -oDir::Cache="$work/apt/cache" -oAPT::Sandbox::User=root -oAcquire::Languages=none -oDebug::NoLocking=true "$@"
}
update() { apt get update -oAPT::Update::Error-Mode=any >>"$log" 2>&1; }
# QEMU 10 starts programs twice as fast as 7.2 where it has to emulate.
backports=$VERSION_CODENAME-backports
cp "$work/apt/sources.list" "$work/apt/without"
source_line "$backports" "$main" >>"$work/apt/sources.list"
update || {
    mv "$work/apt/without" "$work/apt/sources.list"
    update || fail "The package lists cannot be read."
}

depends() { apt cache depends "$1" | sed --quiet 's/^ *Depends: \([a-z0-9][^ ]*\)$/\1/p'; }
image=$(depends linux-image-amd64 | grep '^linux-image-')
kernel=${image#linux-image-}
headers=linux-headers-$kernel
mapfile -t others < <(depends "$headers" | grep -E '^linux-(headers|kbuild)-')
zfs=$(apt cache policy zfs-dkms | sed --quiet 's/^ *Candidate: //p')

# unpack FOLDER PACKAGE…: these packages themselves
unpack() {
    local folder=$1 file
    shift
    mkdir -p "$folder" "$work/packages"
    (cd "$work/packages" && apt get download "$@" >>"$log" 2>&1) || fail "Packages cannot be fetched: $*."
    for file in "$work"/packages/*.deb; do
        dpkg-deb --extract "$file" "$folder"
    done
    rm -r "$work/packages"
}
# unpack_missing FOLDER PACKAGE…: these packages and what they need, as far as this machine lacks it
unpack_missing() {
    local folder=$1 file
    shift
    rm -f "$work"/apt/cache/archives/*.deb
    apt get install --yes --no-install-recommends --download-only --reinstall "$@" >>"$log" 2>&1 || return
    mkdir -p "$folder"
    for file in "$work"/apt/cache/archives/*.deb; do
        dpkg-deb --extract "$file" "$folder"
    done
}

# What it depends on has to come from there as well.
unpack_missing "$cache/qemu" --target-release "$backports" qemu-system-x86 || unpack_missing "$cache/qemu" qemu-system-x86 || fail "QEMU cannot be fetched."
"${qemu[@]}" --version >>"$log" 2>&1 || fail "QEMU does not run."
unpack "$work/kernel" "$image"
unpack "$work/source" "$headers" "${others[@]}" zfs-dkms
unpack_missing "$cache/layer" zfsutils-linux kmod || fail "ZFS's programs cannot be fetched."
unpack "$work/busybox" busybox-static

# --- ZFS's modules, compiled once for each pair of versions --------------------------------------------------------------
modules=$cache/modules/$kernel-$zfs
if [[ ! -d $modules ]]; then
    source=$work/source/usr/src
    # The packages expect to lie in /usr/src.
    sed --in-place "s#/usr/src/#$source/#g" "$source/$headers/Makefile"
    # With it, every module would get type data that another program has to make.
    rm -f "$source/$headers/vmlinux"
    code=$(echo "$source"/zfs-*)
    (cd "$code" && nice ./configure --with-config=kernel --with-linux="$source/${headers%-*}-common" --with-linux-obj="$source/$headers") >>"$log" 2>&1 ||
        fail "ZFS's sources cannot be configured."
    nice make -C "$code" --jobs="$(nproc)" >>"$log" 2>&1 || fail "ZFS cannot be compiled."
    mkdir -p "$modules.new"
    find "$code/module" -name '*.ko' -exec cp -t "$modules.new" {} +
    strip --strip-debug "$modules.new"/*.ko
    mv "$modules.new" "$modules"
fi

# --- The layer: what the guest has and this machine lacks ----------------------------------------------------------------
# Its own bin, sbin and lib would hide this machine's links of these names.
for folder in bin sbin lib lib64; do
    [[ ! -d $cache/layer/$folder ]] || { cp -a "$cache/layer/$folder" "$cache/layer/usr/" && rm -r "${cache:?}/layer/$folder"; }
done
rm -rf "$cache"/layer/usr/share "$cache"/layer/usr/lib/{systemd,udev}
tree=$cache/layer/usr/lib/modules/$kernel
mkdir -p "$tree/kernel/drivers" "$tree/kernel/arch/x86"
from=$work/kernel/lib/modules/$kernel
cp "$from"/modules.* "$tree/"
cp -r "$from"/kernel/{fs,net,lib,crypto} "$tree/kernel/"
cp -r "$from"/kernel/drivers/{virtio,block,net,char,md} "$tree/kernel/drivers/"
rm -rf "$tree"/kernel/drivers/net/{ethernet,wireless,usb} "$tree"/kernel/net/{wireless,mac80211,bluetooth}
cp -r "$from/kernel/arch/x86/crypto" "$tree/kernel/arch/x86/"
cp -r "$modules" "$tree/extra"
# They go by the name that they are called by.
kmod() {
    local library
    library=$(dirname "$(find "$cache/layer/usr/lib" -name 'libkmod.so.2' | head --lines=1)")
    LD_LIBRARY_PATH=$library bash -c 'exec -a "$0" "$@"' "$1" "$cache/layer/usr/bin/kmod" "${@:2}"
}
ln -s usr/lib "$cache/layer/lib"
kmod depmod --basedir "$cache/layer" "$kernel" >>"$log" 2>&1 || fail "depmod failed."

# --- The first file system: BusyBox, and the modules without which there is no other -------------------------------------
start=$work/start
mkdir -p "$start"/{bin,modules}
cp "$work/busybox/bin/busybox" "$start/bin/"
cp "$here/guest/init" "$start/init"
chmod +x "$start/init"
# with_modules LIST MODULE…: these and what they need, named in a file in the order of loading
with_modules() {
    local list=$1 module file name
    shift
    for module in "$@"; do
        kmod modprobe --dirname "$cache/layer" --set-version "$kernel" --show-depends "$module" | sed --quiet 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++' | while read -r file; do
        name=${file##*/}
        [[ ! -e $start/modules/${name%.xz} ]] || continue
        cp "$file" "$start/modules/"
        # Some releases pack them.
        [[ $name != *.xz ]] || "$start/bin/busybox" unxz "$start/modules/$name"
        echo "${name%.xz}" >>"$start/modules/$list"
    done
}
with_modules first virtio_pci 9pnet_virtio 9p overlay
with_modules later virtio_console virtio_blk ext4 zfs
rm "$cache/layer/lib"
(cd "$start" && find . | ./bin/busybox cpio -o -H newc) >"$cache/initrd" 2>>"$log" || fail "The first file system cannot be packed."
cp "$work/kernel/boot/vmlinuz-$kernel" "$cache/vmlinuz"
rm -rf "$work"
echo "$recipe" >"$cache/recipe"
exec 9>&-
with_docker "${1:-}"
