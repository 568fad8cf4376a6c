#!/bin/sh
# Debian's installer off a CD image, through EDK2 and GRUB: it takes its answers from a preseed file,
# configures the emulated network by DHCP, and installs from the mirror that this host's apt uses onto
# an empty disk, which then boots by itself (installer.sh). The CD image is made here, from the
# installer's own package (kernel and ramdisk) and GRUB's.

set -u
for tool in mkfs.vfat mcopy xorriso; do
    command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: dosfstools, mtools, xorriso)"; exit 77; }
done
target=/dev/vdb # behind the CD
. "$SRCDIR/tests/boot/installer.sh"
installer_prepare

mkdir -p iso/boot/grub
cat "$images/debian-installer/riscv64/initrd.gz" pre.gz >iso/initrd.gz
cp "$images/debian-installer/riscv64/linux" iso/linux
cat >iso/boot/grub/grub.cfg <<END
linux /linux console=ttyS0 auto=true priority=critical DEBIAN_FRONTEND=text TERM=dumb
initrd /initrd.gz
boot
END
truncate -s 8M efi.img && mkfs.vfat efi.img >/dev/null && mmd -i efi.img ::EFI ::EFI/BOOT &&
    mcopy -i efi.img "$(find root -name gcdriscv64.efi)" ::EFI/BOOT/BOOTRISCV64.EFI &&
    xorriso -as mkisofs -quiet -r -V INSTALLER -o installer.iso -append_partition 2 0xef efi.img \
        -e --interval:appended_partition_2:all:: -no-emul-boot iso >xorriso.log 2>&1 ||
    { cat xorriso.log; exit 1; }

installer_runs install.log "from a CD" installer.iso --net user --disk target.qcow2:write
# The same disk through the other firmware, above OpenSBI.
installed u-boot 'systemctl is-system-running --wait' --clock virtual --firmware opensbi+u-boot
finish
