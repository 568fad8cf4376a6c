#!/bin/sh
# The host's half of `metic build debian`: brings the packages and makes an initial ramdisk that
# holds Debian's own tools, then has metic run the guest's half (debian_guest.sh) in it, which
# partitions the disk, unpacks and configures. Nothing here needs root, since no file of the system is
# ever made on the host: owners and device nodes are the guest's business.
#
# ui/command/cmd_build.c starts this in a directory of its own that holds the scripts, with METIC (the
# program), OUT (the image's path) and the options as BUILD_* in the environment; see ui/command/build.def.
# Exit status: 0, or 125 with a reason.

set -u
umask 022
here=$(pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/build
suite=${BUILD_SUITE:-trixie}
arch=riscv64
epoch_fallback=1735689600 # 2025, for a suite whose Release file says nothing

. ./apt_private.sh

say() { [ -n "${BUILD_QUIET:-}" ] || printf 'metic: build: %s\n' "$*" >&2; }
die() { printf 'metic: build: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2; exit 125; }

# What every image has; and what makes it the system that Debian's installer would leave.
boot_packages='systemd-sysv udev dbus libpam-systemd linux-image-riscv64 grub-efi-riscv64
    initramfs-tools zstd fdisk dosfstools e2fsprogs kmod iproute2'
standard_packages='?priority(important) openssh-server systemd-resolved ca-certificates'
# What the guest's half itself needs, beside what is required of every Debian system.
tool_packages='fdisk dosfstools e2fsprogs kmod'

require() {
    for tool in apt-get dpkg-deb cpio mke2fs sha256sum flock; do
        command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
        command -v "$tool" >/dev/null 2>&1 ||
            die "needs $tool, which is not here" "Install it: apt-get install apt dpkg cpio e2fsprogs coreutils util-linux"
    done
}

select_packages() {
    packages="?priority(required) ?essential $boot_packages"
    [ "${BUILD_VARIANT:-standard}" = minimal ] || packages="$packages $standard_packages"
    [ -z "${BUILD_SSH_KEY:-}" ] || packages="$packages openssh-server"
    packages="$packages $(printf '%s' "${BUILD_INCLUDE:-}" | tr ',' ' ')"
}

# The words of $packages hold parentheses and question marks, which are apt's.
apt_install() { set -f; apt_private -y -q --no-install-recommends "$@"; status=$?; set +f; return $status; }

# The archives that installing the packages named would need, in apt's order of installing, one file
# name a line; an epoch's colon is written %3a in them.
deb_names() {
    set -f
    # shellcheck disable=SC2086
    apt_install -s install $1 2>"$here/apt.err" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([^]]*\)\]).*/\1_\2_\3.deb/p' | sed 's/:/%3a/g'
    set +f
}

fetch() {
    apt_private_init "$cache/$suite/apt" "$suite" "$arch" "$cache/$suite/apt/status" ||
        die "cannot use apt" "See above."
    say "reading the package lists of Debian $suite for $arch"
    apt_private_update
    case $? in
    0) ;;
    3) [ -n "$(ls "$cache/$suite/apt/lists" 2>/dev/null | grep Packages)" ] ||
           die "the mirror does not answer, or has no suite '$suite' for $arch" \
               "Look at 'apt-get update' on this host; METIC_DEBIAN_MIRROR names another mirror."
       say "the mirror does not answer: going on with the lists from before" ;;
    *) die "the mirror cannot be trusted" "See above." ;;
    esac
    select_packages
    deb_names "$packages" >"$here/debs"
    [ -s "$here/debs" ] || die "apt finds no way to install that: $(grep '^E:' "$here/apt.err" | head -n 1)" \
        "Look at the names given with --include."
    deb_names "?priority(required) ?essential" >"$here/base"
    deb_names "?priority(required) ?essential $tool_packages" >"$here/tools"
    say "$(wc -l <"$here/debs") packages; downloading those that are not in $cache yet"
    # shellcheck disable=SC2086
    (set -f; apt_private -y -q --no-install-recommends --download-only install $packages) \
        >"$here/download.log" 2>&1 || { tail -n 5 "$here/download.log" >&2; die "cannot download them" "Try again."; }
}

# What decides what the image will hold. Equal keys, equal images.
key() {
    {
        cat debian_guest.sh config debs base
        [ -z "${BUILD_SSH_KEY:-}" ] || cat "$BUILD_SSH_KEY"
    } | sha256sum | cut -c 1-32
}

# The guest's half reads its options from a file of shell assignments.
quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
write_config() {
    date=$(sed -n 's/^Date: //p' "$apt_dir"/lists/*InRelease 2>/dev/null | head -n 1)
    {
        echo "epoch=$(date -d "${date:-@$epoch_fallback}" +%s)"
        echo "suite=$(quote "$suite")"
        echo "mirror=$(quote "$mirror")"
        echo "hostname=$(quote "${BUILD_HOSTNAME:-debian}")"
        echo "password=$(quote "${BUILD_PASSWORD:-}")"
        echo "size=${BUILD_SIZE:-4294967296}"
    } >config
}

# Members that are packed with xz or zstd are unpacked here, where that takes a twentieth of the time.
# An ar archive: a magic line, then for each member a header of 60 bytes and the bytes, padded to two.
ar_member() {
    printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$1" 0 0 0 100644 "$(wc -c <"$2" | tr -d ' ')"
    cat "$2"
    [ $(($(wc -c <"$2") % 2)) -eq 0 ] || printf '\n'
}
repack() {
    dpkg-deb --ctrl-tarfile "$1" >control.tar && dpkg-deb --fsys-tarfile "$1" >data.tar &&
        echo 2.0 >debian-binary && {
        printf '!<arch>\n'
        for member in debian-binary control.tar data.tar; do ar_member "$member" "$member"; done
    } >"$2"
}

make_packages_disk() {
    mkdir pool
    while read -r name; do
        repack "$apt_dir/archives/$name" "pool/$name" || die "cannot unpack $name" "Delete $apt_dir/archives and try again."
    done <debs
    bytes=$(du -s -B 1 pool | cut -f 1)
    truncate -s $((bytes + bytes / 8 + 67108864)) pool.img &&
        mke2fs -q -F -t ext4 -O ^has_journal -L METIC_POOL -U clear -d pool pool.img >mke2fs.log 2>&1 ||
        { cat mke2fs.log >&2; die "cannot make the disk of packages" "Is there room in $cache?"; }
    rm -r pool
}

# One package holds all of a kernel up to Debian 13; later suites part its files, its modules and what
# depmod reads into packages of their own, and keep the kernel itself beside its modules.
unpack_kernel() {
    for name in $(grep -E '^linux-(image|binary|modules|base)-[0-9]' debs); do
        dpkg-deb -x "$apt_dir/archives/$name" kernel || die "cannot unpack the kernel's $name"
    done
    modules=$(find kernel -type d -path '*/lib/modules/*' -prune | head -n 1)
    vmlinux=$(find kernel -type f \( -path 'kernel/boot/vmlinu[xz]-*' -o -path "$modules/vmlinu[xz]" \) | head -n 1)
    [ -s "$vmlinux" ] && [ -d "$modules" ] ||
        die "there is no kernel in $(grep -E '^linux-(image|binary)' debs | tr '\n' ' ')"
}

# Debian's own tools as an initial ramdisk, with the kernel modules for disks and file systems.
make_ramdisk() {
    mkdir tree kernel
    base=$(grep '^base-files_' tools)
    for name in "$base" $(grep -v '^base-files_' tools); do
        dpkg-deb -x "$apt_dir/archives/$name" tree || die "cannot unpack $name"
    done
    unpack_kernel
    (cd "$modules/.." && find "$(basename "$modules")" \( -path '*/drivers/virtio/*' -o -path '*/drivers/block/virtio_blk*' \
        -o -path '*/fs/ext4/*' -o -path '*/fs/jbd2/*' -o -path '*/fs/mbcache*' -o -path '*/fs/fat/*' -o -path '*/fs/nls/*' \
        -o -path '*/lib/crc*' -o -path '*/crypto/crc*' -o -path '*/arch/riscv/*' -o -name 'modules.*' \) -print |
        cpio -o -H newc --quiet) >modules.cpio
    rm -rf tree/usr/share/doc tree/usr/share/man tree/usr/share/locale
    mkdir -p tree/usr/lib/modules tree/metic tree/dev tree/proc tree/sys tree/run tree/target tree/tmp
    (cd tree/usr/lib/modules && cpio -id --quiet) <modules.cpio
    cp debian_guest.sh tree/init && chmod 755 tree/init && cp config debs base tree/metic/
    [ -z "${BUILD_SSH_KEY:-}" ] || cp "$BUILD_SSH_KEY" tree/metic/ssh_key || die "cannot read the ssh key $BUILD_SSH_KEY"
    find tree -exec touch -h -d "@$(sed -n 's/^epoch=//p' config)" {} +
    (cd tree && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >ramdisk.cpio ||
        die "cannot pack the initial ramdisk"
    mv "$vmlinux" vmlinux
    rm -rf tree kernel modules.cpio
}

# With the virtual clock the guest's half is a function of its input, and so is the image.
run_guest() {
    truncate -s "${BUILD_SIZE:-4294967296}" image || die "cannot make a file of that size here"
    say "installing inside metic, which takes some minutes; the log is $cache/last.log"
    {
        "$METIC" run vmlinux --initrd ramdisk.cpio --append 'console=ttyS0 quiet rdinit=/init' \
            --disk image:write --disk pool.img:ro --ram "${BUILD_RAM:-2147483648}" --clock virtual \
            --net none --quiet </dev/null
        echo $? >run-status
    } | tee "$cache/last.log" | sed -n -u 's/^metic-build: \([^d].*\)/metic: build:   \1/p' | tr -d '\r' >&2
    status=$(cat run-status)
    [ "$status" -eq 0 ] && grep -q '^metic-build: done' "$cache/last.log" ||
        { tail -n 15 "$cache/last.log" >&2; die "the installation failed (status $status)" "Its log: $cache/last.log"; }
}

require
mkdir -p "$cache/$suite" || die "cannot make $cache"
# One at a time: apt's lists and archives are shared.
exec 9>"$cache/$suite/lock" || die "cannot write $cache"
flock -n 9 || { say "waiting for another build that brings packages" && flock 9; }
fetch
exec 9>&-
write_config
image=$cache/images/$(key)
if [ ! -s "$image" ] || [ -n "${BUILD_REFRESH:-}" ]; then
    make_packages_disk
    make_ramdisk
    run_guest
    mkdir -p "$cache/images" && mv image "$image" || die "cannot write $image"
else
    say "these packages with these options were built before: $image"
fi
case $OUT in
*.qcow2) "$METIC" disk convert "$image" "$OUT" || die "cannot write $OUT" ;;
*) cp --sparse=always --reflink=auto "$image" "$OUT" || die "cannot write $OUT" ;;
esac
