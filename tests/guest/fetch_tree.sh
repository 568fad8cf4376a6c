#!/bin/sh
# A disk image (ext4) with the files of Debian 13 packages for riscv64 and of what they depend on, for
# a guest that changes its root to it; no package's scripts are run. Prints the image's path. With
# everything cached it needs no network.
#
# Usage: fetch_tree.sh NAME FOLDER PACKAGE... [-- PACKAGE_THAT_IS_LEFT_OUT...]
#        the files of tree/ and of FOLDER ("": none) are put over those of the packages
# Exit status: 0 done, 3 no network and nothing cached, 1 trouble.

set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/trees
name=$1
folder=$2
shift 2
wanted= left_out= to=wanted
for word; do
    if [ "$word" = -- ]; then to=left_out; else eval "$to=\"\$$to \$word\""; fi
done

. "$here/../../ui/build/apt_private.sh"
say() { printf '%s\n' "$*" >&2; }
die() { say "guest: $1"; exit "${2:-1}"; }

recipe_sum() {
    { echo "$wanted -- $left_out"; cat "$here/fetch_tree.sh"; for dir in "$here/tree" "$folder"; do [ -z "$dir" ] || (cd "$dir" && find . -type f | LC_ALL=C sort | xargs cat); done; } |
        sha256sum
}

is_left_out() {
    for package in $left_out; do
        case $1 in "${package}"_*) return 0 ;; esac
    done
    return 1
}

mkdir -p "$cache" || die "cannot make $cache"
exec 9>"$cache/$name.lock"
! command -v flock >/dev/null 2>&1 || flock 9
if [ -s "$cache/$name.img" ] && [ "$(cat "$cache/$name.recipe" 2>/dev/null)" = "$(recipe_sum)" ]; then
    printf '%s\n' "$cache/$name.img"
    exit
fi
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null 2>&1 || die "needs mke2fs (Debian package: e2fsprogs)"
work=$(mktemp -d "$cache/work.XXXXXX") || die "cannot write into $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

apt_private_init "$work/apt" trixie riscv64 "$work/status" && apt_private_update ||
    die "no network, and no $name in $cache" 3
say "guest: downloading the packages of $name"
# shellcheck disable=SC2086
apt_private -y -q --no-install-recommends --download-only install $wanted >&2 ||
    die "cannot download the packages of $name" 3
tree=$work/tree
mkdir -p "$tree/usr/bin" "$tree/usr/sbin" "$tree/usr/lib" "$tree/dev" "$tree/proc" "$tree/sys" \
    "$tree/tmp" "$tree/run" "$tree/root"
for dir in bin sbin lib; do
    ln -s usr/$dir "$tree/$dir"
done
for deb in "$work"/apt/archives/*.deb; do
    is_left_out "$(basename "$deb")" ||
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tree" --keep-directory-symlink || die "cannot unpack $deb"
done
rm -rf "$tree/usr/share/doc" "$tree/usr/share/man" "$tree/usr/share/locale" "$tree/usr/share/icons"
for dir in "$here/tree" "$folder"; do
    [ -z "$dir" ] || cp -R "$dir/." "$tree/" || die "cannot copy $dir"
done
chmod 755 "$tree/init"
truncate -s $(($(du -s -B 1M "$tree" | cut -f 1) * 5 / 4 + 16))M "$work/image" &&
    mke2fs -q -F -t ext4 -O ^has_journal -E root_owner=0:0 -d "$tree" "$work/image" >&2 &&
    mv "$work/image" "$cache/$name.img" && recipe_sum >"$cache/$name.recipe" ||
    die "cannot make the image of $name"
printf '%s\n' "$cache/$name.img"
