#!/bin/sh
# Our commit log against Spike's own, byte for byte, on random vector instructions
# (random_vector.py):
#     make check SPIKE=PROGRAM
# SPIKE may be left out when `spike` is on the PATH. RANDOM_SEED is the first program's seed,
# RANDOM_TESTS the number of programs, of 1000 instructions each, by turns for VLEN 128 and 256. What
# differs because the two are different processors is not in the programs:
# - With vstart, arithmetic is illegal in Spike, and it has no SEW above LMUL * 64.
# - vset*vl* of x0 and x0 that changes VLMAX gives vill there, and so a new vl here.
# - A misaligned store over the end of a page, whose second part faults, has stored the first there.
# - An unordered sum of floats without an active element makes a NaN canonical there.
# - A vector instruction of floats makes mstatus.FS dirty here even when it raises no flag; the
#   programs begin with it dirty.

set -u
spike=${SPIKE:-$(command -v spike || true)}
[ -n "$spike" ] || { echo "Spike is not installed; give make check SPIKE=PROGRAM"; exit 77; }
cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
seed=${RANDOM_SEED:-1}
cd "$TMP" || exit 1

# Behind the boot ROM, up to the write to tohost.
begun() {
    awk -v end=" mem 0x$tohost 0x0*1\$" '/^core   0: 3 0x000000000000[01]/ { next }
        { print } $0 ~ end { exit }'
}

passed=0
failed=0
for n in $(seq 0 $((${RANDOM_TESTS:-8} - 1))); do
    number=$((seed + n))
    vlen=$((128 << number % 2))
    python3 "$SRCDIR/tests/isa/random_vector.py" $number 1000 $vlen "$SRCDIR/cpu/riscv64/rv_v.def" >program.S &&
        $cc -march=rv64gc -mno-relax -fno-pic -nostdlib -static -o program.elf program.S \
            -Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments || exit 1
    tohost=$(riscv64-linux-gnu-nm program.elf | sed -n 's/ . tohost$//p')
    timeout 60 "$spike" --isa=rv64gcv_zvl${vlen}b_zicclsm -m512 --triggers=0 --log-commits --log=/dev/stdout \
        program.elf </dev/null 2>/dev/null | begun >theirs
    for engine in jit interp; do
        timeout 60 "$METIC" run program.elf --quiet --ram 512M --cpu rv64,v=on,vlen=$vlen --engine $engine \
            --trace-format spike --trace own </dev/null >/dev/null 2>&1
        begun <own >own.begun
        lines=$(wc -l <own.begun)
        if [ "$lines" -ge 4000 ] && cmp -s own.begun theirs; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAIL $engine, VLEN $vlen, RANDOM_SEED=$number, of $lines lines; Spike's and ours:"
            diff theirs own.begun | head -n "${LINES_SHOWN:-6}" | cut -c1-500
        fi
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
