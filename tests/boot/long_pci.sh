#!/bin/sh
# What check_pci.sh has no time for: EDK2 reads a file from a disk on PCI behind each interrupt
# controller; both engines in lock-step through the boot; more harts; every disk there is room for.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/pci.sh"

on_pci aplic-imsic imsic-16 16 'PCI-MSIX.*virtio.-input'
on_pci aplic aplic-16 16 'APLIC-DIRECT .*virtio'
on_pci aplic-imsic imsic-interp 2 'PCI-MSIX.*virtio.-input' --engine interp
for aia in none aplic aplic-imsic; do
    equal "$aia" 4
    boot "both-$aia" 124 --machine "virt,aia=$aia" --virtio pci --cpus 2 --engine both \
        --limit-insns 150M
    uboot "$aia"
    edk2 "$aia"
done
finish
