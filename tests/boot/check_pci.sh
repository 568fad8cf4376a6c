#!/bin/sh
# Debian's kernel with its virtio devices on PCI, behind each interrupt controller: it must find them,
# use the network (pins with the PLIC and the APLIC, MSI-X with the IMSICs), and, with the virtual
# clock, do the same every time. U-Boot finds a disk and a network there, too.
# long_pci.sh has EDK2, more harts and the engines in lock-step.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/pci.sh"

on_pci none plic 1 'PLIC .*virtio'
on_pci none plic-4 4 'PLIC .*virtio'
on_pci aplic aplic 2 'APLIC-DIRECT .*virtio'
on_pci aplic-imsic imsic 1 'PCI-MSIX.*virtio.-input'
on_pci aplic-imsic imsic-4 4 'PCI-MSIX.*virtio.-input'
has imsic 'providing IPIs'
on_pci aplic-imsic imsic-opensbi 2 'PCI-MSIX.*virtio.-input' --firmware "$opensbi"

behind_port aplic-imsic
equal aplic-imsic 2
restored aplic-imsic
more_than_mmio
uboot aplic-imsic
finish
