# Sourced by the tests of Debian's installer: gets the installer (kernel, ramdisk, GRUB) from its own
# package. Everything is in the current directory, unpacked below root/; $images is the installer's
# folder there.
#
# installer_prepare    writes it answers, a preseed file in a ramdisk of its own: pre.gz. The rest of
#                      the installer comes from the mirror, as archives of a kind of their own (udebs);
#                      where the mirror has none for riscv64 they are made (udebs.sh). The system is
#                      put on $target (/dev/vda)
# installer_runs       the installation to its end, and the system that it made
#
# The installer's own log stands on its console, between what it says.

. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/firmware.sh"
. "$SRCDIR/ui/build/apt_private.sh"
. "$SRCDIR/tests/boot/udebs.sh"

apt_private_init "$TMP/apt" trixie riscv64 "$TMP/status" && apt_private_update || exit 77
apt_private -q download debian-installer-13-netboot-riscv64 grub-efi-riscv64-unsigned >apt.log 2>&1 ||
    { tail -n 3 apt.log; exit 77; }
for deb in *.deb; do dpkg-deb -x "$deb" root || exit 1; done
mirror=${mirror%/} # some servers refuse two slashes
case $mirror in
http://*) address=${mirror#http://} ;;
*) echo "the mirror is not reached by plain http, which is all the installer is told"; exit 77 ;;
esac
images=root/usr/lib/debian-installer/images/13/riscv64/text

# Whether the mirror has the installer's components: an archive that their index names.
download() { /usr/lib/apt/apt-helper download-file "$@" >helper.log 2>&1; }
mirror_has_udebs() {
    download "$mirror/dists/trixie/main/debian-installer/binary-riscv64/Packages.xz" udebs.xz &&
        name=$(xz -dc udebs.xz | sed -n 's/^Filename: \(.*\/anna_.*\)/\1/p' | head -n 1) && [ -n "$name" ] &&
        download "$mirror/$name" anna.udeb
}
installer_prepare() {
    udebs_server=
    if ! mirror_has_udebs; then
        for tool in dpkg-scanpackages riscv64-linux-gnu-gcc python3; do
            command -v "$tool" >/dev/null 2>&1 ||
                { echo "no $tool (Debian: dpkg-dev, gcc-riscv64-linux-gnu, python3)"; exit 77; }
        done
        echo "components are made here: the mirror has them not ($(grep -m 1 "^E:" helper.log))"
        release=$(zcat "$images/debian-installer/riscv64/initrd.gz" | cpio -it --quiet |
            sed -n 's|^\(usr/\)\{0,1\}lib/modules/\([^/]*\)$|\2|p')
        udebs_make flat "$release" || { echo "the installer's components cannot be made"; exit 77; }
        udebs_serve flat
        trap 'kill $udebs_server 2>/dev/null' EXIT
    fi

    mkdir -p pre
    cat >pre/preseed.cfg <<END
d-i preseed/early_command string tail -f /var/log/syslog >/dev/ttyS0 2>&1 </dev/null 3>&- 4>&- 5>&- &
d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/get_hostname string installed
d-i netcfg/get_domain string
d-i mirror/country string manual
d-i mirror/http/hostname string ${address%%/*}
d-i mirror/http/directory string /$(printf %s "${address#*/}" | sed 's|/$||')
d-i mirror/http/proxy string
d-i mirror/suite string trixie
d-i passwd/root-password password secret
d-i passwd/root-password-again password secret
d-i passwd/make-user boolean false
d-i debian-installer/allow_unauthenticated boolean ${udebs_server:+true}
d-i partman/early_command string debconf-set debian-installer/allow_unauthenticated false
d-i clock-setup/utc boolean true
d-i clock-setup/ntp boolean false
d-i time/zone string UTC
d-i partman-auto/disk string ${target:=/dev/vda}
d-i partman-auto/method string regular
d-i partman-auto/choose_recipe select atomic
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i partman-efi/non_efi_system boolean true
d-i apt-setup/cdrom/set-first boolean false
d-i apt-setup/services-select multiselect
d-i apt-setup/enable-source-repositories boolean false
tasksel tasksel/first multiselect
d-i pkgsel/upgrade select none
popularity-contest popularity-contest/participate boolean false
d-i grub-installer/only_debian boolean true
d-i grub-installer/force-efi-extra-removable boolean true
d-i cdrom-detect/eject boolean false
d-i finish-install/reboot_in_progress note
d-i debian-installer/exit/poweroff boolean true
END
    (cd pre && echo preseed.cfg | cpio -o -H newc --quiet | gzip) >pre.gz
}

# installed NAME COMMAND OPTION...: the system that was installed starts from the disk alone, runs the
# command as root, and goes off.
installed() {
    name=$1
    command=$2
    shift 2
    timeout -k 5 1800 "$METIC" run target.qcow2 "$@" --expect 'installed login: ' --send 'root\n' \
        --expect 'Password: ' --send 'secret\n' --expect '# ' --send "$command; echo done-\$?\\n" \
        --expect 'done-0' --expect '# ' --send 'poweroff\n' >"$name" 2>&1 </dev/null
    got=$?
    [ $got -eq 0 ] && good "$name" || { wrong "$name: status $got"; tail -n 20 "$name"; }
}

# installer_runs LOG WHAT ARGUMENT...: the machine that installs, then the one that was installed.
installer_runs() {
    log=$1
    what=$2
    shift 2
    "$METIC" disk create target.qcow2 4G >create.log 2>&1 || { cat create.log; wrong "metic disk create"; }
    timeout -k 5 10000 "$METIC" run --cpus 2 "$@" --pcap net.pcapng --serial "file:$log" >install 2>&1 </dev/null &
    machine=$!
    trap 'kill $machine $udebs_server 2>/dev/null' EXIT
    wait $machine
    got=$?
    [ $got -eq 0 ] && good "$what: installed" || { wrong "$what: status $got"; tail -n 20 "$log"; finish; }
    "$METIC" disk check target.qcow2 >check.log 2>&1 || { cat check.log; wrong "the image"; }
    has install 'boots by: EDK2'
    has "$log" 'Configuring the network with DHCP'
    has "$log" 'Checking the Debian archive mirror'
    has "$log" 'Installing the base system'
    has "$log" 'Good signature from "Debian Archive'
    has "$log" 'Installing GRUB boot loader'
    grep -qa 'GET .*/dists/trixie/Release' net.pcapng && grep -qa 'HTTP/1.1 200 OK' net.pcapng &&
        good "$what: the installer reads the archive's index over the network" ||
        { wrong "$what: the installer did not read the archive's index"; tail -n 20 "$log"; }
    installed system 'systemctl is-system-running --wait && dpkg --audit' --clock virtual
    has system 'boots by: EDK2'
    tr -d '\r' <system | grep -q 'running$' || wrong "$what: the installed system has failed units"
}
