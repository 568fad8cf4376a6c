#!/bin/sh
# /init of the ramdisk of long_install.sh: a system onto /dev/vda by debootstrap, from the mirror that
# the kernel's command line names.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive HOME=/root
say() { echo "install: $*"; }
off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}
must() { "$@" || { say "failed: $*"; off; }; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /run /tmp /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for word in $(cat /proc/cmdline); do
    case $word in
    mirror=*) mirror=${word#*=} ;;
    seconds=*) date -s "@${word#*=}" >/dev/null ;;
    esac
done
depmod
for module in virtio_mmio virtio_pci virtio_blk virtio_net af_packet ext4 vfat nls_ascii nls_cp437 nls_utf8; do
    modprobe -q "$module"
done
cat >/tmp/udhcpc <<'SCRIPT'
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
busybox ip addr add "$ip/24" dev "$interface"
busybox ip route add default via "$router"
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
SCRIPT
chmod 755 /tmp/udhcpc
interface=$(ls /sys/class/net | grep -v '^lo$' | head -n 1)
must busybox ip link set "$interface" up
must busybox udhcpc -q -n -t 20 -i "$interface" -s /tmp/udhcpc
say "address by DHCP"

sfdisk -q /dev/vda <<PARTS || { say "failed: sfdisk"; off; }
label: gpt
size=64MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
type=72EC70A6-CF74-40E6-BD49-4BDA08E8F224
PARTS
while [ ! -b /dev/vda2 ]; do sleep 0.1; done
must mkfs.vfat -F 32 -n ESP /dev/vda1 >/dev/null
must mkfs.ext4 -q -L root /dev/vda2
mkdir -p /target
must mount /dev/vda2 /target
say "disk made"
must debootstrap --variant=minbase \
    --include=systemd-sysv,udev,linux-image-riscv64,grub-efi-riscv64,initramfs-tools,zstd trixie /target "$mirror"
say "packages are there"
mkdir -p /target/boot/efi
must mount /dev/vda1 /target/boot/efi
for fs in proc sys dev; do mount --bind /$fs /target/$fs; done
mount -t tmpfs tmpfs /target/run
echo fresh >/target/etc/hostname
printf 'LABEL=root / ext4 errors=remount-ro 0 1\nLABEL=ESP /boot/efi vfat umask=0077 0 1\n' >/target/etc/fstab
printf 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX=console=ttyS0\n' >>/target/etc/default/grub
must chroot /target passwd -d root
must chroot /target grub-install --target=riscv64-efi --efi-directory=/boot/efi --removable --no-nvram
must chroot /target update-grub
umount /target/run /target/dev /target/sys /target/proc /target/boot/efi
must umount /target
say "done"
off
