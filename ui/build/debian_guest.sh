#!/bin/sh
# The guest's half of `metic build debian`: /init of the initial ramdisk that debian.sh makes. It
# partitions the empty disk, unpacks the packages onto it and has Debian's own dpkg configure them,
# in the order in which debootstrap does, then installs GRUB. Ends by powering off; the last line it
# prints says whether all went well.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    DEBCONF_NONINTERACTIVE_SEEN=true HOME=/root
target=/target

say() { echo "metic-build: $*"; }
off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}
fail() {
    say "failed: $*"
    off
}
must() { "$@" || fail "$*"; }

start() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev
    mkdir -p /run /tmp
    depmod
    for module in virtio_pci virtio_mmio virtio_blk ext4 vfat nls_ascii nls_cp437 nls_utf8; do
        modprobe -q "$module"
    done
    . /metic/config
    date -s "@$epoch" >/dev/null
    # The disks come when their driver has found them.
    for try in $(seq 100); do
        [ -b /dev/vda ] && [ -b /dev/vdb ] && break
        sleep 0.1
    done
    disk=/dev/vda pool=/dev/vdb
    [ -b "$pool" ] || fail "the disks are not there"
}

# Identifiers that are the same for the same system, so that images can be compared.
uuid() {
    printf '%s %s' "$suite" "$1" | sha256sum |
        sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-4\3-8\4-\5/'
}

make_file_systems() {
    sfdisk -q "$disk" <<END || fail "cannot partition the disk"
label: gpt
label-id: $(uuid disk)
size=128MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(uuid esp), name=esp
type=72EC70A6-CF74-40E6-BD49-4BDA08E8F224, uuid=$(uuid root), name=root
END
    for try in $(seq 100); do
        [ -b "${disk}2" ] && break
        sleep 0.1
    done
    must mkfs.vfat -F 32 -n ESP -i "$(uuid esp | cut -c 1-8)" "${disk}1" >/dev/null
    must mkfs.ext4 -q -L root -U "$(uuid rootfs)" -E "hash_seed=$(uuid hash)" "${disk}2"
    mkdir -p $target
    must mount "${disk}2" $target
    mkdir -p $target/metic $target/proc $target/sys $target/dev $target/run $target/boot/efi
    must mount -t ext4 -o ro "$pool" $target/metic
}

inside() { chroot $target "$@"; }
deb_of() { sed -n "s|^\($1_.*\)|/metic/\1|p" /metic/debs; }

# Enough of a system for dpkg to run in: the required packages' files, base-files' links first.
unpack_base() {
    for name in $(grep '^base-files_' /metic/base) $(grep -v '^base-files_' /metic/base); do
        dpkg-deb --fsys-tarfile "$target/metic/$name" | tar -x -C $target || fail "unpacking $name"
    done
    mkdir -p $target/var/lib/dpkg/info $target/var/lib/dpkg/updates
    : >$target/var/lib/dpkg/status
    : >$target/var/lib/dpkg/available
    mount -t proc proc $target/proc
    mount -t sysfs sysfs $target/sys
    mount --bind /dev $target/dev
    mkdir -p $target/dev/pts
    mount -t devpts devpts $target/dev/pts
    mount -t tmpfs tmpfs $target/run
}
# Nothing may start while it is being installed.
hold_services() {
    printf '#!/bin/sh\nexit 101\n' >$target/usr/sbin/policy-rc.d
    chmod 755 $target/usr/sbin/policy-rc.d
    printf 'force-unsafe-io\nno-pager\n' >$target/etc/dpkg/dpkg.cfg.d/metic-build
    # A build has one processor and much to compress.
    mkdir -p $target/etc/initramfs-tools/conf.d
    printf 'COMPRESS=zstd\nCOMPRESSLEVEL=3\n' >$target/etc/initramfs-tools/conf.d/metic-build
}

install_packages() {
    say "base"
    touch $target/etc/fstab
    [ -e $target/etc/localtime ] || ln -sf /usr/share/zoneinfo/UTC $target/etc/localtime
    for name in base-passwd base-files dpkg libc6 perl-base mawk debconf; do
        inside dpkg --force-depends --install $(deb_of "$name") || fail "installing $name"
    done
    say "unpacking"
    sed 's|^|/metic/|' /metic/debs >$target/run/debs
    inside sh -c 'xargs dpkg --force-depends --unpack </run/debs' || say "unpacking will be tried again"
    say "configuring"
    inside dpkg --configure -a --force-depends --force-configure-any ||
        inside dpkg --configure -a || fail "configuring the packages"
    inside sh -c 'xargs dpkg --skip-same-version --install </run/debs' || fail "installing the packages"
    inside dpkg --audit
}

configure_system() {
    echo "$hostname" >$target/etc/hostname
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$hostname" \
        >$target/etc/hosts
    cat >$target/etc/fstab <<END
UUID=$(blkid -s UUID -o value "${disk}2") / ext4 errors=remount-ro 0 1
UUID=$(blkid -s UUID -o value "${disk}1") /boot/efi vfat umask=0077 0 1
END
    rm -f $target/etc/apt/sources.list
    cat >$target/etc/apt/sources.list.d/debian.sources <<END
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    cat >$target/etc/systemd/network/80-dhcp.network <<END
[Match]
Name=en* eth*

[Network]
DHCP=yes
END
    inside systemctl enable systemd-networkd
    if [ -n "$password" ]; then
        printf 'root:%s\n' "$password" | inside chpasswd
    else
        inside passwd -q -d root
    fi
    if [ -e /metic/ssh_key ]; then
        mkdir -m 700 -p $target/root/.ssh
        install -m 600 /metic/ssh_key $target/root/.ssh/authorized_keys
    fi
    make_keys_later
    # Debian's riscv64 kernel has no uinput, without which the daemon ends; nothing here needs it.
    if [ -e $target/usr/sbin/spice-vdagentd ] && ! [ -e $target/etc/default/spice-vdagentd ]; then
        echo 'SPICE_VDAGENTD_EXTRA_ARGS="-f -u /dev/null"' >$target/etc/default/spice-vdagentd
    fi
    : >$target/etc/machine-id
    rm -f $target/var/lib/dbus/machine-id $target/var/lib/systemd/random-seed
}

# Keys that were made here would be the same in every image that is built: each makes its own.
make_keys_later() {
    [ -e $target/usr/sbin/sshd ] || return
    rm -f $target/etc/ssh/ssh_host_*
    cat >$target/etc/systemd/system/ssh-host-keys.service <<END
[Unit]
Description=Make this host's SSH keys
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
END
    inside systemctl enable ssh-host-keys.service
}

# Of two consoles the last is /dev/console; the kernel speaks on both, and each has a login.
install_boot_loader() {
    say "boot loader"
    must mount "${disk}1" $target/boot/efi
    sed -i -e 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=1/' \
        -e 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT=""/' \
        -e 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"/' $target/etc/default/grub
    echo 'GRUB_DISABLE_OS_PROBER=true' >>$target/etc/default/grub
    inside grub-install --target=riscv64-efi --efi-directory=/boot/efi --no-nvram --removable ||
        fail "installing GRUB"
    inside update-grub || fail "configuring GRUB"
    ls $target/boot/initrd.img-* >/dev/null || fail "there is no initial ramdisk for the kernel"
}

finish() {
    rm -f $target/usr/sbin/policy-rc.d $target/etc/dpkg/dpkg.cfg.d/metic-build \
        $target/etc/initramfs-tools/conf.d/metic-build $target/var/cache/apt/archives/*.deb
    rm -rf $target/var/log/*.log $target/var/log/apt/* $target/tmp/* $target/var/tmp/*
    umount $target/boot/efi $target/dev/pts $target/dev $target/sys $target/proc $target/run \
        $target/metic || fail "unmounting"
    rmdir $target/metic
    umount $target || fail "unmounting the disk"
    say "done"
}

start
make_file_systems
unpack_base
hold_services
install_packages
configure_system
install_boot_loader
finish
off
