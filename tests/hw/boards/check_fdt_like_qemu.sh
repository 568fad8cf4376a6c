#!/bin/sh
# Compares riscv-virt's device tree with the one QEMU's virt machine makes, property by property.
# Left out of the comparison: what QEMU has and we do not offer yet (the platform bus), our SSWI,
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
"$TMP/dump" >"$TMP/ours.dtb" || exit 1
qemu-system-riscv64 -M virt,dumpdtb="$TMP/theirs.dtb" -smp 2 -m 256M -nographic \
    >"$TMP/qemu.log" 2>&1 || { cat "$TMP/qemu.log"; exit 1; }

# One line per property: path/name = value.
flatten() {
    plic=$(dtc -q -I dtb -O dts "$1" | sed -n '/plic@c000000 {/,/};/s/.*phandle = <\(.*\)>;/\1/p')
    dtc -q -s -I dtb -O dts "$1" | sed "/interrupt-map =/s/ \(0x0[1-4]\) $plic / \1 PLIC /g" | awk '
        /\{$/ { depth++; path[depth] = path[depth - 1] (depth > 1 ? "/" $1 : ""); next }
        /^\t*\};$/ { depth--; next }
        NF && depth > 0 { sub(/^\t+/, ""); sub(/;$/, ""); print path[depth] "/" $0 }' |
        grep -v -e '/platform-bus@' -e '/sswi@' -e '/pmu/riscv' \
            -e '/model ' -e 'riscv,isa' -e 'rng-seed' -e 'phandle ' -e 'interrupt-parent ' \
            -e 'interrupts-extended ' -e 'regmap ' -e '/cpu = '
}
flatten "$TMP/theirs.dtb" >"$TMP/theirs"
flatten "$TMP/ours.dtb" >"$TMP/ours"
[ "$(wc -l <"$TMP/ours")" -gt 60 ] || { echo "too few lines: the check itself is broken"; exit 1; }
diff -u "$TMP/theirs" "$TMP/ours" && echo "1 passed, 0 failed"
