#!/bin/sh
# The same kernel in metic and QEMU: the pcs of its first instructions are the same, one for one. The
# firmware's are left out: OpenSBI traps otherwise where there is a hypervisor extension. QEMU logs each instruction (one to a
# block); ours come from a trace. A hundred thousand, three million under
# check-long.
set -u
cd "$TMP" || exit 1
qemu=${QEMU:-qemu-system-riscv64}
command -v "$qemu" >/dev/null 2>&1 || { echo "no $qemu"; exit 77; }
cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
[ -n "$cache" ] || { echo "no Debian kernel here"; exit 77; }
wanted=100000
[ -z "${LONG:-}" ] || wanted=3000000

# The same device tree for both, since a kernel walks it: QEMU's. The same firmware is OpenSBI.
firmware=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin
[ -s "$firmware" ] || { echo "no OpenSBI"; exit 77; }
timeout 60 "$qemu" -M virt,dumpdtb=virt.dtb -cpu rv64 -m 512M -display none -kernel "$cache/vmlinuz" \
    -append console=ttyS0 >/dev/null 2>&1
[ -s virt.dtb ] || { echo "QEMU gives no device tree"; exit 77; }

timeout 300 "$METIC" run "$cache/vmlinuz" --append console=ttyS0 --firmware "$firmware" --dtb virt.dtb \
    --serial none --clock virtual --quiet --trace k.trace --trace-events blocks \
    --trace-filter start=0x80200000 --limit-insns $((wanted + 5000000)) >/dev/null 2>err
timeout 600 "$METIC" trace show k.trace --limit $((wanted + wanted / 10)) --format json |
    sed -n 's/^{"event":"insn".*"pc":"0x\([0-9a-f]*\)".*/\1/p' | grep -v '^800[0-7]....$' | head -n "$wanted" >ours

# QEMU writes to a pipe, and ends when enough was read.
mkfifo log
timeout 600 "$qemu" -M virt -cpu rv64 -m 512M -display none -serial none -monitor none \
    -bios "$firmware" -kernel "$cache/vmlinuz" -append console=ttyS0 -accel tcg,one-insn-per-tb=on \
    -icount shift=0,sleep=off -d exec,nochain -D log >/dev/null 2>&1 &
awk -F/ -v wanted="$wanted" '
    /^Stopped/ { pc = ""; next } # it was looked up, and not run
    /^Trace/ { if (pc == "80200000") on = 1
               if (on && pc != "" && pc !~ /^800[0-7]....$/) { print pc; if (++n == wanted) exit }
               pc = $2; sub(/^0+/, "", pc) }' log >theirs
kill $! 2>/dev/null
wait 2>/dev/null

lines=$(wc -l <theirs)
same=$(cmp ours theirs 2>/dev/null | sed 's/.*line \([0-9]*\)$/\1/')
if [ "$lines" -ge "$wanted" ] && [ -z "$same" ]; then
    echo "1 passed, 0 failed"
    exit 0
fi
echo "first difference at instruction ${same:-?} of $lines"
[ -z "$same" ] || { sed -n "$((same - 3)),$((same + 3))p" ours | paste - - - - - - -
                    sed -n "$((same - 3)),$((same + 3))p" theirs | paste - - - - - - -; }
echo "0 passed, 1 failed"
exit 1
