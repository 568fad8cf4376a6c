#!/bin/sh
# Debian's kernel boots to a shell and powers off: both engines, several harts, the firmware of
# Debian's opensbi package, both clocks; and the ends a run can have (README.md: exit status).
# long_boot.sh has what takes minutes.

set -u
. "$SRCDIR/tests/boot/boot.sh"

# cpus NAME N: the guest saw so many.
cpus() {
    grep -q "^$2.\{0,1\}$" "$TMP/$1" || wrong "$1: the guest did not count $2 harts"
}

shell jit && cpus jit 1
shell jit-2 --cpus 2 && cpus jit-2 2
shell jit-4 --cpus 4 && cpus jit-4 4
shell interp --engine interp

for firmware in fw_dynamic fw_jump; do
    file=/usr/lib/riscv64-linux-gnu/opensbi/generic/$firmware.bin
    if [ -f "$file" ]; then
        shell "opensbi-$firmware" --firmware "$file" --cpus 2 && has "opensbi-$firmware" OpenSBI
    else
        echo "not tried: $file (Debian: opensbi)"
    fi
done

# Two runs with the virtual clock are the same run.
for harts in 1 4; do
    for run in a b; do
        shell "virtual-$harts-$run" --clock virtual --cpus "$harts" --digest-every 100M --quiet
        grep '^digest ' "$TMP/virtual-$harts-$run" >"$TMP/digests-$run"
    done
    if [ "$(wc -l <"$TMP/digests-a")" -lt 5 ]; then
        wrong "virtual-$harts: hardly any digests"
    elif cmp -s "$TMP/digests-a" "$TMP/digests-b"; then
        good "virtual-$harts: equal digests"
    else
        wrong "virtual-$harts: the digests differ"
        diff "$TMP/digests-a" "$TMP/digests-b" | head -n 4
    fi
done

boot reboot 0 --cpus 2 --expect "$prompt" --send 'reboot\n' --expect "$prompt" \
    --send 'poweroff\n'
if [ "$(grep -c 'Linux version' "$TMP/reboot")" -eq 2 ]; then
    good "reboot: the kernel started twice"
else
    wrong "reboot: the kernel did not start twice"
fi

boot both 124 --engine both --limit-insns 30M
boot limit-insns 124 --limit-insns 50M
boot limit-time 124 --limit-time 500ms
append='rdinit=/nothing panic=-1' boot panic 90
has panic 'Kernel panic'
finish
