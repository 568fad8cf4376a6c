#!/bin/sh
# Compares riscv-virt's device tree with the one QEMU's virt machine makes, property by property.
# Left out of the comparison: what QEMU has and we do not offer yet (the platform bus), our SSWI and
# power button,
# what names the processor or is random, and phandles with what refers to them (a unit test checks
# those).

set -u
command -v dtc >/dev/null || { echo "dtc is not installed (device-tree-compiler)"; exit 77; }
command -v qemu-system-riscv64 >/dev/null ||
    { echo "qemu-system-riscv64 is not installed"; exit 77; }

sanitize=$(sed -n "s/^SANITIZE = //p" Makefile) # as the libraries were built
$CC $sanitize -std=gnu11 -D_GNU_SOURCE -I. -I"$SRCDIR" -o "$TMP/dump" \
    "$SRCDIR/tests/hw/boards/dump_fdt.c" libmetic-hw.a libmetic-translate.a libmetic-cpu.a \
    libmetic-base.a -lfdt -lm -lutil -pthread || exit 1

# One line per property: path/name = value. Of phandles in the middle of a value, those of the
# controllers that PCI's pins and delegated sources go to.
flatten() {
    irq=$(dtc -q -I dtb -O dts "$1" |
        sed -n '/uart\|serial@/,/};/s/.*interrupt-parent = <\(.*\)>;/\1/p')
    dtc -q -s -I dtb -O dts "$1" |
        sed "/interrupt-map =/s/ \(0x0[1-4]\) $irq / \1 IRQ /g; /riscv,deleg/s/<$irq /<IRQ /" | awk '
        /\{$/ { depth++; path[depth] = path[depth - 1] (depth > 1 ? "/" $1 : ""); next }
        /^\t*\};$/ { depth--; next }
        NF && depth > 0 { sub(/^\t+/, ""); sub(/;$/, ""); print path[depth] "/" $0 }' |
        grep -v -e '/platform-bus@' -e '/sswi@' -e '/gpio-keys' -e '/pmu/riscv' \
            -e '/model ' -e 'riscv,isa' -e 'rng-seed' -e 'phandle ' -e 'interrupt-parent ' \
            -e 'interrupts-extended ' -e 'regmap ' -e '/cpu = ' -e 'msi-parent ' \
            -e 'riscv,children '
}

passed=0
for aia in none aplic aplic-imsic; do
    "$TMP/dump" virt,aia=$aia >"$TMP/ours.dtb" || exit 1
    qemu-system-riscv64 -M virt,aia=$aia,dumpdtb="$TMP/theirs.dtb" -smp 2 -m 256M -nographic \
        >"$TMP/qemu.log" 2>&1 || { cat "$TMP/qemu.log"; exit 1; }
    flatten "$TMP/theirs.dtb" >"$TMP/theirs"
    flatten "$TMP/ours.dtb" >"$TMP/ours"
    [ "$(wc -l <"$TMP/ours")" -gt 60 ] || { echo "too few lines: the check is broken"; exit 1; }
    diff -u "$TMP/theirs" "$TMP/ours" || { echo "aia=$aia differs"; exit 1; }
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
