# Sourced by the tests of Debian's installer: gets the installer (kernel, ramdisk, GRUB) from its own
# package and writes it answers, a preseed file in a ramdisk of its own: pre.gz. Everything is in the
# current directory, unpacked below root/; $images is the installer's folder there.

. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/firmware.sh"
. "$SRCDIR/ui/build/apt_private.sh"

apt_private_init "$TMP/apt" trixie riscv64 "$TMP/status" && apt_private_update || exit 77
apt_private -q download debian-installer-13-netboot-riscv64 grub-efi-riscv64-unsigned >apt.log 2>&1 ||
    { tail -n 3 apt.log; exit 77; }
for deb in *.deb; do dpkg-deb -x "$deb" root || exit 1; done
case $mirror in
http://*) address=${mirror#http://} ;;
*) echo "the mirror is not reached by plain http, which is all the installer is told"; exit 77 ;;
esac
images=root/usr/lib/debian-installer/images/13/riscv64/text

mkdir -p pre
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

# installer_runs LOG WHAT ARGUMENT...: the machine, until the installer has its components' index, or
# twenty minutes.
installer_runs() {
    log=$1
    what=$2
    shift 2
    "$METIC" disk create target.qcow2 4G >create.log 2>&1 || { cat create.log; wrong "metic disk create"; }
    "$METIC" run "$@" --pcap net.pcapng --serial "file:$log" >install 2>&1 </dev/null &
    machine=$!
    trap 'kill $machine 2>/dev/null' EXIT
    for second in $(seq 1200); do
        grep -qa 'Download installer components' "$log" 2>/dev/null && break
        kill -0 $machine 2>/dev/null || break
        sleep 1
    done
    kill $machine 2>/dev/null
    wait $machine
    has install 'boots by: EDK2'
    has "$log" 'Configuring the network with DHCP'
    has "$log" 'Checking the Debian archive mirror'
    has "$log" 'Download installer components'
    grep -qa 'GET .*/dists/trixie/Release' net.pcapng && grep -qa 'HTTP/1.1 200 OK' net.pcapng &&
        good "$what: the installer reads the archive's index over the network" ||
        { wrong "$what: the installer did not read the archive's index"; tail -n 20 "$log"; }
}
