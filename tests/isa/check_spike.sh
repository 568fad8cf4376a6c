#!/bin/sh
# Our commit log against Spike's own, byte for byte, on the upstream ISA tests:
#     make check SPIKE=PROGRAM RISCV_TESTS=DIR
# SPIKE may be left out when `spike` is on the PATH; RISCV_TESTS as in check_riscv_tests.sh. Each test
# runs from its first instruction to its write to tohost, which ends it; the boot ROMs before it are
# each simulator's own, and Spike goes on in the loop behind tohost until its host looks. What differs
# because the two are different processors, not because the logs do:
# - Spike's mtimecmp is 0 at reset, so mip has the timer's bit; ours is as late as can be.
# - medeleg's bit 0 (misaligned jumps, which cannot happen with compressed instructions) is writable here,
#   as in QEMU.
# - marchid is 5 in Spike (rv64mi-p-mcsr); misa can be written there (rv64mi-p-ma_fetch goes another way);
#   triggers' registers keep what is written without there being a trigger (rv64mi-p-breakpoint).
# - Spike takes a reservation away every few thousand instructions, so an sc of rv64ua-p-lrsc or -v- fails once more.
# - menvcfg.ADUE is set at reset here, as in QEMU. It is cleared by GDB before the first instruction.

set -u
dir=${RISCV_TESTS:-}
spike=${SPIKE:-$(command -v spike || true)}
[ -n "$spike" ] || { echo "Spike is not installed; give make check SPIKE=PROGRAM"; exit 77; }
command -v gdb-multiarch >/dev/null 2>&1 || { echo "gdb-multiarch is not installed"; exit 77; }
[ -n "$dir" ] || { echo "give the built riscv-tests with make check RISCV_TESTS=DIR"; exit 77; }
[ ! -d "$dir/isa" ] || dir=$dir/isa

extensions=zicntr_zihpm_zicond_zicbom_zicboz_zicbop_zawrs_zba_zbb_zbs
isa=rv64gc_${extensions}_svinval_svnapot_svpbmt_zicclsm

# Those of another processor.
other='(rv64mi-p-(mcsr|ma_fetch|breakpoint)|rv64ua-[pv]-lrsc)'
list() {
    (cd "$dir" && ls) | LC_ALL=C grep -E \
        '^rv64(ui|um|ua|uf|ud|uc|mi|si|uzba|uzbb|uzbs|ssvnapot|mzicbo|uzicond)-[pv]-[^.]*$' | grep -vE "^$other\$"
}
count=$(list | wc -l)
[ "$count" -gt 0 ] || { echo "no built riscv-tests in $RISCV_TESTS"; exit 1; }

# compare PROGRAM: one line when the logs differ, with the first different lines.
cat >"$TMP/compare" <<'END'
name=$(basename "$1")
own=$TMP/$name.own theirs=$TMP/$name.theirs
tohost=$(riscv64-linux-gnu-nm "$1" | sed -n 's/ . tohost$//p')
# Behind the boot ROM, up to the end: tohost, which -v- tests write where their kernel maps it. A host
# may look right behind that, so the jump to itself there need not be in both logs.
begun() {
    mapped=ffffffffffe${tohost#00000000800}
    awk -v end=" mem 0x($tohost|$mapped) 0x0*[1-9a-f][0-9a-f]*\$" '/^core   0: 3 0x000000000000[01]/ { next }
        / c836_mip 0x.*8[0-9a-f]$/ { $0 = substr($0, 1, length($0) - 2) "0" substr($0, length($0)) }
        / c770_medeleg / && /[13579bdf]$/ { sub(/1$/, "0"); sub(/9$/, "8") }
        { print } $0 ~ end { exit }'
}
# Both begin as Svade has it: menvcfg.ADUE is 0 (see above).
timeout 60 "$METIC" run "$1" --quiet --trace-format spike --trace "$own" --gdb="$TMP/$name.gdb" \
    --gdb-wait </dev/null >/dev/null 2>&1 &
while [ ! -S "$TMP/$name.gdb" ] && kill -0 $! 2>/dev/null; do sleep 0.05; done
timeout 60 gdb-multiarch -nx -batch -ex "target remote $TMP/$name.gdb" -ex 'set $menvcfg = 0' \
    -ex detach >/dev/null 2>&1
wait
begun <"$own" >"$own.begun"
lines=$(wc -l <"$own.begun")
timeout 60 "$SPIKE" --isa="$ISA" -m512 --triggers=0 --log-commits --log=/dev/stdout "$1" </dev/null 2>/dev/null |
    begun >"$theirs"
if [ "$lines" -lt 20 ] || ! cmp -s "$own.begun" "$theirs"; then
    echo "FAIL $name, of $lines lines; Spike's and ours:"
    diff "$theirs" "$own.begun" | head -n ${LINES_SHOWN:-6}
fi
rm -f "$own"* "$theirs"* "$TMP/$name.gdb"
END

export TMP METIC
list | sed "s|^|$dir/|" | SPIKE=$spike ISA=$isa xargs -P 2 -n 1 sh "$TMP/compare" >"$TMP/failures"
cat "$TMP/failures"
failed=$(grep -c '^FAIL' "$TMP/failures")
echo "left out, of other processors: $other"
echo "$((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
