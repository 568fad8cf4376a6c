#!/bin/sh
# The same kernel in metic and QEMU: the pcs of its first instructions are the same, one for one. The
# firmware's are left out: OpenSBI traps otherwise where there is a hypervisor extension. QEMU logs each
# instruction (one to a block); ours come from a trace. A hundred thousand, ten million under check-long.
set -u
cd "$TMP" || exit 1
qemu=${QEMU:-qemu-system-riscv64}
command -v "$qemu" >/dev/null 2>&1 || { echo "no $qemu"; exit 77; }
cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
[ -n "$cache" ] || { echo "no Debian kernel here"; exit 77; }
wanted=100000
[ -z "${LONG:-}" ] || wanted=10000000

# The same device tree for both, since a kernel walks it: QEMU's. The same firmware is OpenSBI.
firmware=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin
[ -s "$firmware" ] || { echo "no OpenSBI"; exit 77; }
timeout 60 "$qemu" -M virt,dumpdtb=virt.dtb -cpu rv64 -m 512M -display none -kernel "$cache/vmlinuz" \
    -append console=ttyS0 >/dev/null 2>&1
[ -s virt.dtb ] || { echo "QEMU gives no device tree"; exit 77; }

timeout 300 "$METIC" run "$cache/vmlinuz" --append console=ttyS0 --firmware "$firmware" --dtb virt.dtb \
    --serial none --clock virtual --quiet --trace k.trace --trace-events blocks,traps \
    --trace-filter start=0x80200000 --limit-insns $((wanted + 20000000)) >/dev/null 2>err
# An instruction that raised an exception is in QEMU's log; in ours the trap is, with its address. What
# could not be fetched is in neither.
timeout 1200 "$METIC" trace show k.trace --limit $((2 * wanted)) --format json | awk -v wanted="$wanted" '
    /^{"event":"insn"/ { pc = $0; sub(/.*"pc":"0x/, "", pc); sub(/".*/, "", pc) }
    /^{"event":"trap"/ {
        pc = $0; sub(/.*"words":\["0x/, "", pc)
        split(pc, word, /","0x|"/)
        pc = length(word[1]) < 16 && word[1] !~ /^(0|1|c)$/ ? word[3] : "8000000" }
    /^{"event":"(insn|trap)"/ && pc !~ /^800[0-7]....$/ && length(pc) > 7 { print pc; if (++n == wanted) exit }' >ours

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
if [ "$lines" -ge "$wanted" ] && cmp -s ours theirs; then
    echo "1 passed, 0 failed"
    exit 0
fi
same=$(cmp ours theirs 2>&1 | sed -n 's/.*line \([0-9]*\)$/\1/p')
echo "first difference at instruction ${same:-?} of $(wc -l <ours) and $lines"
[ "${same:-0}" -lt 4 ] || { sed -n "$((same - 3)),$((same + 3))p" ours | paste - - - - - - -
                           sed -n "$((same - 3)),$((same + 3))p" theirs | paste - - - - - - -; }
echo "0 passed, 1 failed"
exit 1
