#!/bin/sh
# Brings what bench_linux.sh runs into the cache: one tree of Debian 13 packages for riscv64, packed
# as an initramfs, and the same packages for amd64 as a tree to chroot into. Prints the directory,
# which then has initramfs.cpio and native/. With everything cached it needs no network.

set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/bench
packages="busybox-static xz-utils zstd 7zip sqlite3 python3-minimal perl-base openssl cpp-14 gawk make"

. "$here/../../ui/build/apt_private.sh"

die() { printf 'bench linux: %s\n' "$1" >&2; exit "${2:-1}"; }

recipe_sum() { cat "$here/fetch_linux.sh" "$here/linux/"* | sha256sum; }

# make_tree ARCH DIR: unpacks the packages and what they depend on; the parts that nobody reads go.
make_tree() {
    apt_private_init "$work/apt-$1" trixie "$1" "$work/status-$1" && apt_private_update || return 3
    # shellcheck disable=SC2086
    apt_private -y -q --no-install-recommends --download-only install $packages >&2 || return 3
    mkdir -p "$2/usr/bin" "$2/usr/sbin" "$2/usr/lib" "$2/usr/lib64" "$2/bench" "$2/tmp" "$2/proc" \
        "$2/sys" "$2/dev"
    for dir in bin sbin lib lib64; do
        ln -sfn usr/$dir "$2/$dir"
    done
    for deb in "$work/apt-$1/archives"/*.deb; do
        # Through tar, which goes through the links that stand for directories.
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$2" --keep-directory-symlink || return 1
    done
    # A plain file is enough for what only reads it; in the guest devtmpfs lies over it.
    : >"$2/dev/null"
    rm -rf "$2/usr/share/doc" "$2/usr/share/man" "$2/usr/share/locale" "$2/usr/share/info" \
        "$2"/usr/lib/*/gconv "$2/var/cache" "$2/usr/share/zoneinfo" "$2/usr/share/gawk"
    cp "$here/linux/"* "$2/bench/" && chmod 755 "$2/bench/init" "$2/bench/work.sh" &&
        awk -f "$here/linux/make_text.awk" >"$2/bench/text" &&
        awk -f "$here/linux/make_c.awk" >"$2/bench/work.c"
}

mkdir -p "$cache" || die "cannot make $cache"
if [ "$(cat "$cache/recipe" 2>/dev/null)" != "$(recipe_sum)" ]; then
    work=$(mktemp -d "$cache/work.XXXXXX") || die "cannot write into $cache"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    for arch in riscv64 amd64; do
        make_tree $arch "$work/$arch" || die "cannot get the packages for $arch" $?
    done
    (cd "$work/riscv64" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) \
        >"$cache/initramfs.cpio" || die "cannot pack the initramfs"
    rm -rf "$cache/native" && mv "$work/amd64" "$cache/native" && recipe_sum >"$cache/recipe"
fi
printf '%s\n' "$cache"
