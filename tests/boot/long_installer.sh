#!/bin/sh
# Debian's installer off a CD image, through EDK2 and GRUB: it takes its answers from a preseed file,
# configures the emulated network by DHCP, and gets the archive's indices from the mirror that this
# host's apt uses. The CD image is made here, from the installer's own package (kernel and ramdisk) and
# GRUB's. What a mirror without the installer's components (udebs) lets one test ends there.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/ui/build/apt_private.sh"
for tool in mkfs.vfat mcopy xorriso; do
    command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: dosfstools, mtools, xorriso)"; exit 77; }
done
XDG_STATE_HOME=$TMP/state
XDG_DATA_HOME=$(dirname "$cache")/test-data
export XDG_STATE_HOME XDG_DATA_HOME
cd "$TMP" || exit 1
[ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || exit 1

apt_private_init "$TMP/apt" trixie riscv64 "$TMP/status" && apt_private_update || exit 77
apt_private -q download debian-installer-13-netboot-riscv64 grub-efi-riscv64-unsigned >apt.log 2>&1 ||
    { tail -n 3 apt.log; exit 77; }
for deb in *.deb; do dpkg-deb -x "$deb" root || exit 1; done
case $mirror in
http://*) address=${mirror#http://} ;;
*) echo "the mirror is not reached by plain http, which is all the installer is told"; exit 77 ;;
esac

mkdir -p pre iso/boot/grub
cat >pre/preseed.cfg <<END
d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/get_hostname string installed
d-i netcfg/get_domain string
d-i mirror/country string manual
d-i mirror/http/hostname string ${address%%/*}
d-i mirror/http/directory string /$(printf %s "${address#*/}" | sed 's|/$||')
d-i mirror/http/proxy string
d-i mirror/suite string trixie
END
(cd pre && echo preseed.cfg | cpio -o -H newc --quiet | gzip) >pre.gz
cat "$(find root -name initrd.gz | head -n 1)" pre.gz >iso/initrd.gz
cp "$(find root -name linux -type f | head -n 1)" iso/linux
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

"$METIC" disk create target.qcow2 4G >create.log 2>&1 || { cat create.log; wrong "metic disk create"; }
"$METIC" run installer.iso --net user --disk target.qcow2:write --pcap net.pcapng --serial file:install.log \
    >install 2>&1 </dev/null &
machine=$!
trap 'kill $machine 2>/dev/null' EXIT
for second in $(seq 1200); do
    grep -qa 'Download installer components' install.log 2>/dev/null && break
    kill -0 $machine 2>/dev/null || break
    sleep 1
done
kill $machine 2>/dev/null
wait $machine
has install 'boots by: EDK2'
has install.log 'Configuring the network with DHCP'
has install.log 'Checking the Debian archive mirror'
has install.log 'Download installer components'
grep -qa 'GET .*/dists/trixie/Release' net.pcapng && grep -qa 'HTTP/1.1 200 OK' net.pcapng &&
    good "the installer reads the archive's index over the network" ||
    { wrong "the installer did not read the archive's index"; tail -n 20 install.log; }
finish
