# Sourced by check_pci.sh and long_pci.sh, after boot.sh: how the boots with PCI are judged.
#
# on_pci AIA NAME HARTS PATTERN OPTION...   the network comes up; PATTERN is in /proc/interrupts
# behind_port AIA                           the same behind root ports, with a hot reset of one bus
# equal AIA HARTS                           two runs with the virtual clock have equal digests
# restored AIA                              so has one that goes on from a snapshot
# more_than_mmio                            what finds no mmio slot sits on PCI
# uboot AIA                                 U-Boot reads a disk's partitions and asks for an address
# edk2 AIA                                  EDK2's shell reads a file from a disk

grep -q 'HAVE_SLIRP 1' config.h || { echo "built without libslirp (Debian: libslirp-dev)"; exit 77; }
opensbi=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin

on_pci() {
    aia=$1 name=$2 harts=$3 pattern=$4
    shift 4
    if [ "${1:-}" = --firmware ] && [ ! -f "${2:-}" ]; then
        echo "not tried: $2 (Debian: opensbi)"
        return
    fi
    boot "$name" 0 --machine "virt,aia=$aia" --virtio pci --cpus "$harts" --net user:restrict "$@" \
        --expect "$prompt" --send 'net-up; ls /sys/bus/pci/devices\n' --expect "$prompt" \
        --send 'cat /proc/interrupts; dmesg | grep riscv-imsic\n' --expect "$prompt" \
        --send 'poweroff\n' || return
    has "$name" 'lease of 10.0.2.15'
    has "$name" '0000:00:02.0'
    has "$name" "$pattern"
}

behind_port() {
    device=/sys/bus/pci/devices/0000:02:00.0
    boot ports 0 --machine "virt,aia=$1" --virtio pcie --cpus 2 --net user:restrict \
        --expect "$prompt" --send "net-up; echo bus >$device/reset_method\n" --expect "$prompt" \
        --send "echo 1 >$device/reset && echo was reset; cat $device/vendor\n" \
        --expect "$prompt" --send 'poweroff\n' || return
    has ports 'lease of 10.0.2.15'
    has ports '^was reset'
    has ports '^0x1af4'
}

equal() {
    for run in a b; do
        boot "equal-$1-$run" 0 --machine "virt,aia=$1" --virtio pci --cpus "$2" --clock virtual \
            --digest-every 100M --quiet --expect "$prompt" --send 'poweroff\n' || return
        grep '^digest ' "$TMP/equal-$1-$run" >"$TMP/digests-$run"
    done
    if [ "$(wc -l <"$TMP/digests-a")" -ge 5 ] && cmp -s "$TMP/digests-a" "$TMP/digests-b"; then
        good "equal digests: $1, $2 harts"
    else
        wrong "the digests differ or are few: $1, $2 harts"
    fi
}

# What a restored run prints must be how the one that was saved went on.
restored() {
    disk
    boot saved 0 --machine "virt,aia=$1" --virtio pcie --cpus 2 --clock virtual --ram 256M \
        --net none --disk "$TMP/disk.img:ro" --digest-every 50M --save "$TMP/saved.zst" \
        --save-at 800M --expect "$prompt" --send 'poweroff\n' || return
    timeout "$boot_timeout_s" "$METIC" restore "$TMP/saved.zst" --digest-every 50M \
        --expect "$prompt" --send 'poweroff\n' >"$TMP/restored" 2>&1 </dev/null
    grep '^digest ' "$TMP/restored" >"$TMP/digests-b"
    count=$(wc -l <"$TMP/digests-b")
    grep '^digest ' "$TMP/saved" | tail -n "$count" >"$TMP/digests-a"
    if [ "$count" -ge 3 ] && cmp -s "$TMP/digests-a" "$TMP/digests-b"; then
        good "restored: equal digests"
    else
        wrong "restored: the digests differ or are few"
    fi
}

disk() {
    truncate -s 8M "$TMP/disk.img"
    [ ! -x /sbin/sfdisk ] || printf 'label: gpt\nsize=2MiB, name=found-by-uboot\n' |
        /sbin/sfdisk -q "$TMP/disk.img" >/dev/null 2>&1
}

more_than_mmio() {
    disk
    set -- --disk "$TMP/disk.img:ro" --disk "$TMP/disk.img:ro" --disk "$TMP/disk.img:ro"
    boot many 0 "$@" "$@" --net user:restrict --virtio-console "file:$TMP/hvc" --expect "$prompt" \
        --send 'cat /sys/bus/pci/devices/*/device\n' --expect "$prompt" --send 'poweroff\n' &&
        has many '^0x1044' # the entropy source is the ninth
}

uboot() {
    if [ ! -f /usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin ] || [ ! -f "$opensbi" ] ||
        [ ! -x /sbin/sfdisk ]; then
        echo "not tried: U-Boot (Debian: u-boot-qemu, opensbi, fdisk)"
        return
    fi
    disk
    timeout "$boot_timeout_s" "$METIC" run /usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin \
        --machine "virt,aia=$1" --firmware "$opensbi" --virtio pci --disk "$TMP/disk.img" \
        --net user:restrict --expect autoboot --send '\n' --expect '=> ' \
        --send 'pci; virtio scan; part list virtio 0; dhcp\n' --expect '=> ' --send 'poweroff\n' \
        >"$TMP/uboot" 2>&1 </dev/null && good "U-Boot: $1" || wrong "U-Boot: $1"
    has uboot '0x1af4 *0x1042'
    has uboot 'found-by-uboot'
    has uboot 'bound to address 10.0.2.15'
}

edk2() {
    for tool in sfdisk mformat mcopy; do
        command -v $tool >/dev/null 2>&1 || [ -x /sbin/$tool ] ||
            { echo "not tried: EDK2 ($tool: Debian's fdisk, mtools)"; return; }
    done
    XDG_DATA_HOME=$(dirname "$cache")/test-data
    export XDG_DATA_HOME
    [ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || return
    truncate -s 64M "$TMP/esp.img"
    printf 'label: gpt\nstart=2048, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n' |
        PATH=$PATH:/sbin sfdisk -q "$TMP/esp.img" >/dev/null 2>&1
    mformat -i "$TMP/esp.img@@1M" -F -T 129000 -h 16 -s 63 ::
    echo 'read by the firmware' >"$TMP/note.txt"
    mcopy -i "$TMP/esp.img@@1M" "$TMP/note.txt" ::
    XDG_STATE_HOME=$TMP/state timeout "$boot_timeout_s" "$METIC" run "$TMP/esp.img" \
        --firmware edk2 --machine "virt,aia=$1" --virtio pci --net none \
        --expect 'Shell> ' --send 'pci\r' --expect 'Shell> ' --send 'type fs0:\\note.txt\r' \
        --expect 'Shell> ' --send 'reset -s\r' >"$TMP/edk2" 2>&1 </dev/null && good "EDK2: $1" ||
        wrong "EDK2: $1"
    has edk2 'Vendor 1AF4 Device 1042'
    has edk2 'read by the firmware'
}
