#!/bin/sh
# A disk starts through the firmware of Debian's packages: a GPT disk whose EFI system partition has
# Debian's kernel as its boot program, by EDK2 and by U-Boot, above the built-in SBI and OpenSBI;
# firmware alone from flash; each image's variables; and what cannot be started is refused with a
# reason and a next step. long_disk.sh boots a whole Debian.

set -u
. "$SRCDIR/tests/boot/boot.sh"
for tool in sfdisk mkfs.vfat mcopy; do
    command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: fdisk, dosfstools, mtools)"; exit 77; }
done
# Nothing of this goes into the folders of whoever runs it.
XDG_STATE_HOME=$TMP/state
export XDG_STATE_HOME
cd "$TMP" || exit 1

# disk FILE NAME: a GPT disk whose EFI system partition has the kernel as EFI/BOOT/NAME.
disk() {
    truncate -s 64M esp && mkfs.vfat -n ESP esp >/dev/null && mmd -i esp ::EFI ::EFI/BOOT &&
        mcopy -i esp "$cache/vmlinuz" "::EFI/BOOT/$2" && truncate -s 66M "$1" &&
        printf 'label: gpt\nsize=64MiB, type=uefi\n' | sfdisk -q "$1" &&
        dd if=esp of="$1" bs=1M seek=1 conv=notrunc status=none || exit 1
}

# run NAME STATUS ARGUMENT...
run() {
    name=$1
    wanted=$2
    shift 2
    timeout -k 5 200 "$METIC" run "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ]; then good "$name"; else
        wrong "$name: status $got, not $wanted"
        tail -n 12 "$TMP/$name"
    fi
}

disk disk.img BOOTRISCV64.EFI
"$METIC" inspect disk.img >inspect 2>&1 || wrong "inspect: $(cat inspect)"
has inspect 'partition table: GPT'
has inspect 'EFI system, FAT "ESP", EFI boot program for 64-bit RISC-V'

# Debian 12 has no EDK2, so that this host has it from elsewhere or not at all.
if ! "$METIC" doctor | grep -q '^ok *EDK2 *[/]'; then
    XDG_DATA_HOME=$(dirname "$cache")/test-data
    export XDG_DATA_HOME
    [ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet ||
        echo "not tried: EDK2, which could not be fetched"
fi

firmware() {
    "$METIC" doctor | grep -q "^ok *$1 *[/]" || { echo "not tried: $1 is not here (metic build firmware)"; return 1; }
}

# The kernel gets as far as it can without a root file system, and the panic is the exit status.
if firmware U-Boot; then
    run u-boot 90 disk.img --firmware u-boot
    has u-boot 'EFI stub: '
    has u-boot 'Kernel panic - not syncing'
    run u-boot-m 0 disk.img --firmware none+u-boot --expect 'autoboot' --send '\n' --expect '=> ' \
        --send 'part list virtio 0\n' --expect 'Partition Type: EFI' --expect '=> ' --send 'poweroff\n'
    [ ! -d state/metic/flash ] || wrong "U-Boot has no flash variables, but there is $(find state)"
fi
if firmware OpenSBI && firmware U-Boot; then
    run opensbi-u-boot 90 disk.img --firmware opensbi+u-boot
    has opensbi-u-boot 'OpenSBI v'
fi
if firmware EDK2; then
    code=$("$METIC" doctor | sed -n 's/^ok *EDK2  *//p')
    run edk2 90 disk.img --trace disk.trace --trace-last 1M --trace-events blocks
    # The kernel's symbols are found where EDK2 has put it, by a trace that began before.
    "$METIC" trace query disk.trace counts function --limit 60 >counts 2>&1
    has counts '% \(vsnprintf\|_raw_spin_\|hrtimer_\)' # what a kernel does in its end varies
    has edk2 'metic: boots by: EDK2'
    has edk2 'Kernel panic - not syncing'
    [ "$(find state -name 'disk.img-*.vars' | wc -l)" -eq 1 ] && good "variables" ||
        wrong "the image has no variables: $(find state)"
    cp state/metic/flash/*.vars vars
    run flash 0 --flash "$code" --flash vars --net none --expect 'Shell> ' --send 'reset -s\r'
fi

# Refusals.
says() { has "$1" "$2"; }
truncate -s 64M blank.img
run blank 125 blank.img
says blank 'empty disk'
says blank 'metic build debian'
disk foreign.img BOOTX64.EFI
run foreign 125 foreign.img
says foreign 'boots on x86-64: it has no boot program for 64-bit RISC-V'
echo "no disk" >text.img
run text 125 text.img
says text 'is a text file'
gzip -c disk.img >disk.img.gz
run packed 125 disk.img.gz
says packed 'Unpack it: gzip -dk'
run kernel-edk2 125 "$cache/vmlinuz" --firmware edk2
says kernel-edk2 'EDK2 starts disks'
run order 125 disk.img --firmware u-boot+opensbi
says order 'As in opensbi+u-boot'
run edk2-none 125 disk.img --firmware none+edk2
finish
