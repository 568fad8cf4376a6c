#!/bin/sh
# Debian's installer from the network: EDK2 asks DHCP, and gets GRUB, the kernel and the ramdisk from
# metic's TFTP server, in the folder that the installer's package has for that. The installer takes
# its answers from a preseed file and gets the whole system, as in long_installer.sh (installer.sh).

set -u
. "$SRCDIR/tests/boot/installer.sh"
installer_prepare

cp -r "$images" tftp && cp pre.gz tftp/ || exit 1
cat >tftp/debian-installer/riscv64/grub/grub.cfg <<END
linux /debian-installer/riscv64/linux console=ttyS0 auto=true priority=critical DEBIAN_FRONTEND=text TERM=dumb
initrd /debian-installer/riscv64/initrd.gz /pre.gz
boot
END
installer_runs netboot.log "from the network" target.qcow2 --write --tftp tftp \
    --bootfile debian-installer/riscv64/bootnetriscv64.efi

grep -qa 'bootnetriscv64.efi' net.pcapng && good "GRUB came by TFTP" || wrong "no TFTP in the capture"
# The firmware's variables stay with the image (with the clock of the host): the entry that the
# installer wrote among them is what EDK2 starts.
installed variables efibootmgr
tr -d '\r' <variables | awk '/BootCurrent:/ { entry = "Boot" $2 "* debian" }
    entry && index($0, entry) { found = 1 } END { exit !found }' &&
    good "EDK2 starts the installer's entry" || wrong "EDK2 did not start the installer's entry"
finish
