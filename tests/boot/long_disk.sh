#!/bin/sh
# A whole Debian 13: `metic build debian` makes a disk image from packages (GPT, EFI system partition,
# GRUB, ext4, systemd), and it boots through EDK2, through U-Boot above both SBI firmwares, and by its
# kernel directly; each time to the login, with no failed unit, and off with status 0. It reboots,
# keeps what it wrote with --write, boots as qcow2, and building it again gives the same image without
# work. All on the virtual clock, so that a busy host lets no service run into a timeout.

set -u
. "$SRCDIR/tests/boot/boot.sh"
for tool in mke2fs debugfs; do
    command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: e2fsprogs)"; exit 77; }
done
. "$SRCDIR/tests/boot/firmware.sh"

"$METIC" build debian disk.img --variant minimal --hostname meticos --password 'a b$c' --include less \
    >build 2>&1 && good "build" || { cat build; wrong "build"; finish; }
"$METIC" build debian again.img --variant minimal --hostname meticos --password 'a b$c' --include less \
    >again 2>&1 && cmp -s disk.img again.img && has again 'were built before' || wrong "building it again"
rm -f again.img
"$METIC" inspect disk.img >inspect
has inspect 'EFI boot program for 64-bit RISC-V'

login='login: '
# system NAME ARGUMENT...: logs in, looks, and powers off.
system() {
    name=$1
    shift
    timeout -k 5 1200 "$METIC" run "$@" --clock virtual --expect "$login" --send 'root\n' --expect 'Password: ' \
        --send 'a b$c\n' --expect '# ' --send 'systemctl is-system-running --wait; echo "is $(hostname) $?"\n' \
        --expect 'is meticos ' --expect '# ' --send 'command -v less\n' --expect '# ' \
        --send 'poweroff\n' \
        >"$name" 2>&1 </dev/null
    got=$?
    [ "$got" -eq 0 ] && grep -q '^is meticos 0' "$name" && grep -q '^.*/usr/bin/less' "$name" &&
        grep -q '^.*running' "$name" && good "$name" || { wrong "$name: status $got"; tail -n 15 "$name"; }
}
system edk2 disk.img
has edk2 'boots by: EDK2'
system u-boot disk.img --firmware u-boot
system opensbi-u-boot disk.img --firmware opensbi+u-boot --cpus 2
system opensbi-edk2 disk.img --firmware opensbi+edk2
system pci disk.img --virtio pci
"$METIC" disk convert disk.img disk.qcow2 >convert 2>&1 && system qcow2 disk.qcow2 || wrong "disk.qcow2"

# The kernel and its ramdisk out of the image, given directly.
root="disk.img?offset=$("$METIC" inspect disk.img | sed -n 's/.* at \(0x[0-9a-f]*\), Linux root.*/\1/p')"
version=$(debugfs -R 'ls -p /boot' "$root" 2>/dev/null | sed -n 's|.*/vmlinux-\([^/]*\)/.*|\1|p')
for file in vmlinux initrd.img; do
    debugfs -R "dump /boot/$file-$version $file" "$root" 2>/dev/null
done
system direct vmlinux --initrd initrd.img --append 'root=LABEL=root console=ttyS0' --disk disk.img --ram 1G

# Reboot in one run; what was written before is there after it, and after the run.
timeout -k 5 1200 "$METIC" run disk.img --write --clock virtual --expect "$login" --send 'root\n' --expect 'Password: ' \
    --send 'a b$c\n' --expect '# ' --send 'echo kept >/root/note; reboot\n' \
    --expect "$login" --send 'root\n' --expect 'Password: ' --send 'a b$c\n' --expect '# ' \
    --send 'cat /root/note; poweroff\n' --expect 'kept' >reboot 2>&1 </dev/null
got=$?
[ "$got" -eq 0 ] && [ "$(grep -c 'Linux version' reboot)" -ge 0 ] && good "reboot" ||
    { wrong "reboot: status $got"; tail -n 15 reboot; }
[ "$(debugfs -R 'cat /root/note' "$root" 2>/dev/null)" = kept ] && good "written" || wrong "--write did not write"
finish
