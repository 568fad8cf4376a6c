#!/bin/sh
# Debian installed over the network, by Debian's own tools, from a machine that has nothing but an empty
# disk: EDK2 asks DHCP and gets GRUB, a kernel and a ramdisk by TFTP; in the ramdisk (packages unpacked
# here) the empty qcow2 disk is partitioned, debootstrap brings and configures a system from the mirror
# that this host's apt uses, grub-install makes it bootable. Then that disk is booted by itself, to its
# login, with no failed unit, and off. This is what the installer does behind its questions, with
# nothing of the installer's; long_installer.sh and long_netboot.sh run the installer itself.

set -u
. "$SRCDIR/tests/boot/installer.sh"

# Tools of the ramdisk.
packages='?priority(required) ?essential debootstrap busybox-static wget gpgv debian-archive-keyring
    fdisk dosfstools e2fsprogs kmod linux-image-riscv64'
(set -f; apt_private -q -y --no-install-recommends --download-only install $packages) >apt.log 2>&1 ||
    { tail -n 3 apt.log; exit 77; }
mkdir -p tree kernel
for deb in "$apt_dir"/archives/base-files_*.deb "$apt_dir"/archives/*.deb; do
    case $deb in
    */linux-image-*) dpkg-deb -x "$deb" kernel ;;
    *) dpkg-deb -x "$deb" tree ;;
    esac || exit 1
done
modules=$(find kernel -type d -path '*/lib/modules/*' -prune | head -n 1)
mkdir -p tree/usr/lib/modules tree/target tftp
(cd "$modules/.." && find . \( -path '*/drivers/virtio/*' -o -path '*/drivers/block/virtio_blk*' \
    -o -path '*/drivers/net/virtio_net*' -o -path '*/net/core/failover*' -o -path '*/net_failover*' \
    -o -path '*/net/packet/*' -o -path '*/fs/ext4/*' -o -path '*/fs/jbd2/*' -o -path '*/fs/mbcache*' -o -path '*/fs/fat/*' \
    -o -path '*/fs/nls/*' -o -path '*/crc*' -o -name 'modules.*' \) -print |
    cpio -o -H newc --quiet) | (cd tree/usr/lib/modules && cpio -id --quiet)
rm -rf tree/usr/share/doc tree/usr/share/man tree/usr/share/locale
cp "$SRCDIR/tests/boot/install_guest.sh" tree/init && chmod 755 tree/init
(cd tree && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >ramdisk.gz
cp -r "$images/." tftp/ && cp ramdisk.gz tftp/ && cp "$(find kernel/boot -name 'vmlinu[xz]-*' | head -n 1)" tftp/linux ||
    exit 1
cat >tftp/debian-installer/riscv64/grub/grub.cfg <<END2
linux /linux console=ttyS0 rdinit=/init mirror=$mirror seconds=$(date +%s)
initrd /ramdisk.gz
boot
END2
rm -rf tree kernel root

"$METIC" disk create target.qcow2 3G >create.log 2>&1 || { cat create.log; exit 1; }
timeout -k 5 10000 "$METIC" run target.qcow2 --write --ram 1G --net user --tftp tftp \
    --bootfile debian-installer/riscv64/bootnetriscv64.efi --limit-output 100M >install 2>&1 </dev/null
status=$?
[ $status -eq 0 ] && grep -q '^install: done' install && good "installed onto an empty disk over the network" ||
    { wrong "the installation: status $status"; grep -a '^install' install; tail -n 20 install; finish; }
"$METIC" disk check target.qcow2 >check.log 2>&1 && good "the image is sound" || { cat check.log; wrong "the image"; }

timeout -k 5 1200 "$METIC" run target.qcow2 --clock virtual --expect 'fresh login: ' --send 'root\n' --expect '# ' \
    --send 'systemctl is-system-running --wait; dpkg --audit; echo "audit $?"\n' --expect 'audit 0' --expect '# ' \
    --send 'poweroff\n' >booted 2>&1 </dev/null
status=$?
has booted 'boots by: EDK2'
tr -d '\r' <booted | grep -q 'running$' && [ $status -eq 0 ] && good "it boots, runs, and goes off" ||
    { wrong "the installed system: status $status"; tail -n 20 booted; }
finish
