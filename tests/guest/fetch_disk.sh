#!/bin/sh
# A guest that can use disks: Debian 13's riscv64 kernel from its own package (112 MB, once), and the
# busybox initramfs of fetch.sh with that kernel's modules for virtio disks and ext4. Prints the
# folder, which has vmlinux and initramfs.cpio.gz; /bin/disk-up loads the modules. channels.cpio.gz,
# to be put behind that, has those for 9P, vsock and the balloon, which /bin/channels-up loads; media.cpio.gz has
# those for sound, screen and keyboard, for /bin/media-up; usb.cpio.gz those for a USB keyboard, for
# /bin/usb-up.
#
# Usage: fetch_disk.sh      Exit status: 0 done, 3 no network and nothing cached, 1 trouble.

set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/guest-disk
# In the order in which they are loaded.
modules="crc16 crc32c_generic libcrc32c mbcache jbd2 ext4 virtio_blk virtio_pci virtio_mmio"
channel_modules="netfs 9pnet 9pnet_virtio 9p vsock vmw_vsock_virtio_transport_common
    vmw_vsock_virtio_transport virtio_balloon"
media_modules="soundcore snd snd-timer snd-pcm virtio_snd drm drm_kms_helper drm_shmem_helper
    virtio_dma_buf virtio-gpu virtio_input evdev"
usb_modules="usb-common usbcore xhci-hcd xhci-pci hid usbhid hid-generic evdev"

. "$here/../../ui/build/apt_private.sh"
say() { printf '%s\n' "$*" >&2; }
die() { say "guest: $1"; exit "${2:-1}"; }

base=$(sh "$here/fetch.sh") || exit
mkdir -p "$cache" || die "cannot make $cache"
exec 9>"$cache/lock"
! command -v flock >/dev/null 2>&1 || flock 9
work=$(mktemp -d "$cache/work.XXXXXX") || die "cannot write into $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fetch_kernel() {
    apt_private_init "$work/apt" trixie riscv64 "$work/status" || return 3
    apt_private_update || return
    package=$(apt-cache -c "$work/apt/apt.conf" depends linux-image-riscv64 |
        sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    say "guest: downloading $package (112 MB)"
    (cd "$work" && apt_private -q download "$package" >&2) || return 3
    mkdir "$work/root" && dpkg-deb -x "$work"/*.deb "$work/root" || return 1
    mkdir -p "$cache/modules"
    for module in $modules $channel_modules $media_modules $usb_modules; do
        file=$(find "$work/root" -name "$module.ko.xz")
        [ -z "$file" ] || xz -dc "$file" >"$cache/modules/$module.ko" || return 1
    done
    cp "$work"/root/boot/vmlinu* "$cache/vmlinux"
}

if [ ! -s "$cache/vmlinux" ] || [ ! -s "$cache/modules/9p.ko" ] ||
    [ ! -s "$cache/modules/virtio_snd.ko" ] || [ ! -s "$cache/modules/virtio_balloon.ko" ] ||
    [ ! -s "$cache/modules/usbhid.ko" ]; then
    fetch_kernel
    case $? in
    0) ;;
    3) die "no network, and nothing in $cache" 3 ;;
    *) die "the kernel's package does not have what it should have" ;;
    esac
fi

# pack_modules NAME MODULE...: a ramdisk $work/NAME.gz with them, and /bin/NAME-up that loads them;
# what it does then is on standard input.
pack_modules() {
    name=$1
    tree=$work/$name
    shift
    mkdir -p "$tree/bin" "$tree/lib/$name" || return 1
    {
        echo '#!/bin/sh'
        for module in "$@"; do
            [ -e "$cache/modules/$module.ko" ] || continue
            cp "$cache/modules/$module.ko" "$tree/lib/$name/" || return 1
            echo "insmod /lib/$name/$module.ko 2>/dev/null"
        done
        cat
    } >"$tree/bin/$name-up"
    chmod 755 "$tree/bin/$name-up"
    (cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -9n >"$work/$name.gz"
}

# shellcheck disable=SC2086
pack_modules disk $modules <<'END' &&
i=0; while [ ! -b /dev/vda ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
mkdir -p /mnt
END
    pack_modules channels virtio_pci virtio_mmio $channel_modules </dev/null &&
    pack_modules media $media_modules </dev/null &&
    pack_modules usb $usb_modules </dev/null &&
    cat "$base/initramfs.cpio.gz" "$work/disk.gz" >"$work/whole" &&
    mv "$work/whole" "$cache/initramfs.cpio.gz" &&
    mv "$work/channels.gz" "$cache/channels.cpio.gz" &&
    mv "$work/usb.gz" "$cache/usb.cpio.gz" &&
    mv "$work/media.gz" "$cache/media.cpio.gz" || die "cannot pack the initramfs"
printf '%s\n' "$cache"
