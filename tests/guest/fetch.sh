#!/bin/sh
# Brings a Debian 13 riscv64 kernel and a busybox initramfs into the cache, from Debian packages:
# the kernel and a few of its modules out of the network installer (half the size of the kernel's own
# package, which is mostly modules), busybox out of busybox-static. Prints the cache directory, which
# then has vmlinuz, initramfs.cpio.gz and SHA256SUMS. With everything cached it needs no network.
#
# Usage: fetch.sh [--refresh]      Exit status: 0 done, 3 no network and nothing cached, 1 trouble.

set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/guest
kernel_package=debian-installer-13-netboot-riscv64
busybox_package=busybox-static
# What virtio-net needs, in the order in which they are loaded (initramfs/etc/modules).
modules="virtio_mmio failover net_failover virtio_net"
# What a screen and input devices need, likewise; in a ramdisk of its own, screen.cpio.gz, which is
# put behind the other.
screen_modules="drm drm_kms_helper drm_shmem_helper virtio_dma_buf virtio-gpu virtio_input evdev"

. "$here/../../ui/build/apt_private.sh"

say() { printf '%s\n' "$*" >&2; }
die() { say "guest: $1"; exit "${2:-1}"; }

# Everything that the initramfs is made from, apart from busybox itself.
recipe_sum() {
    (cd "$here" && find initramfs -type f | LC_ALL=C sort | xargs cat fetch.sh) | sha256sum
}

cached() {
    [ -s "$cache/SHA256SUMS" ] && [ -d "$cache/modules" ] &&
        [ -s "$cache/screen.cpio.gz" ] && (cd "$cache" && sha256sum --quiet -c SHA256SUMS) >/dev/null 2>&1
}

fetch_packages() {
    say "guest: looking up $kernel_package and $busybox_package (Debian 13, riscv64; 63 MB in all)"
    apt_private_update || return
    say "guest: downloading"
    (cd "$work" && apt_private -q download "$kernel_package" "$busybox_package" >&2) || return 3
}

# Takes the two files that are needed out of the packages that were downloaded.
unpack() {
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$work/root" || return 1
        basename "$deb" .deb >>"$work/VERSIONS"
    done
    kernel=$(find "$work/root/usr/lib/debian-installer" -type f -name linux)
    busybox=$(find "$work/root" -type f -name busybox -perm -u+x)
    [ -s "$kernel" ] && [ -s "$busybox" ] || return 1
    cp "$kernel" "$cache/vmlinuz" && cp "$busybox" "$work/VERSIONS" "$cache/" && unpack_modules
}

# They are in the installer's own initial ramdisk.
unpack_modules() {
    installer=$(find "$work/root/usr/lib/debian-installer" -type f -name initrd.gz)
    mkdir -p "$work/installer" "$cache/modules" &&
        gzip -dc "$installer" | (cd "$work/installer" && cpio -id --quiet '*.ko.xz') || return 1
    for module in $modules; do
        file=$(find "$work/installer" -name "$module.ko.xz")
        [ -s "$file" ] && xz -dc "$file" >"$cache/modules/$module.ko" || return 1
    done
    tree=$work/screen
    mkdir -p "$tree/lib/modules/screen" || return 1
    for module in $screen_modules; do
        file=$(find "$work/installer" -name "$module.ko.xz")
        [ -s "$file" ] && xz -dc "$file" >"$tree/lib/modules/screen/$module.ko" || return 1
    done
    mkdir -p "$tree/etc" && echo "$screen_modules" >"$tree/etc/screen-modules" &&
        pack "$tree" "$cache/screen.cpio.gz"
}

# pack TREE FILE: the same bytes for the same tree.
pack() {
    chmod -R u+rwX,go+rX "$1" && find "$1" -exec touch -h -d '2025-01-01 UTC' {} + &&
        (cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) \
            >"$work/packed.cpio" && gzip -9n <"$work/packed.cpio" >"$2"
}

# The device nodes come from devtmpfs, so that no root is needed here.
pack_initramfs() {
    tree=$work/initramfs
    mkdir -p "$tree/bin" "$tree/sbin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/usr/bin" \
        "$tree/usr/sbin" "$tree/root" &&
        cp -R "$here/initramfs/." "$tree/" &&
        cp "$cache/busybox" "$tree/bin/busybox" && mkdir -p "$tree/lib/modules" &&
        cp "$cache"/modules/*.ko "$tree/lib/modules/" &&
        echo "$modules" >"$tree/etc/modules" &&
        chmod 755 "$tree/init" "$tree/bin/busybox" && pack "$tree" "$cache/initramfs.cpio.gz"
}

record() {
    recipe_sum >"$cache/recipe"
    (cd "$cache" && sha256sum vmlinuz busybox modules/*.ko initramfs.cpio.gz screen.cpio.gz recipe VERSIONS \
        >SHA256SUMS.new &&
        mv SHA256SUMS.new SHA256SUMS)
}

for tool in cpio gzip xz sha256sum; do
    command -v $tool >/dev/null 2>&1 || die "needs $tool (configure --install-deps brings it)"
done
mkdir -p "$cache" || die "cannot make $cache"
# One fetch at a time; the lock goes with this process.
exec 9>"$cache/lock"
! command -v flock >/dev/null 2>&1 || flock 9
work=$(mktemp -d "$cache/work.XXXXXX") || die "cannot write into $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ "${1:-}" = --refresh ] || ! cached; then
    command -v apt-get >/dev/null 2>&1 || die "Debian packages are fetched with apt, not here" 3
    apt_private_init "$work/apt" trixie riscv64 "$work/status" || exit 3
    fetch_packages
    case $? in
    0) ;;
    3) die "no network, and nothing in $cache" 3 ;;
    *) exit 1 ;;
    esac
    unpack || die "the packages do not have the files they should have"
    rm -f "$cache/recipe"
fi
if [ "$(cat "$cache/recipe" 2>/dev/null)" != "$(recipe_sum)" ]; then
    say "guest: packing the initramfs"
    pack_initramfs && record || die "cannot pack the initramfs"
fi
printf '%s\n' "$cache"
