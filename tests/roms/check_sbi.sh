#!/bin/sh
# Runs the SBI conformance payload (sbi_test.h) behind our firmware with QEMU: several numbers of
# harts, with and without Sstc, and the build for harts without delegation and time CSR; then the
# demo, its commands given as boot arguments.
# The payload must be built, so this needs the cross compiler as well.

set -u
qemu=${QEMU:-qemu-system-riscv64}
cc=riscv64-unknown-elf-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc, which builds the payload"; exit 77; }
command -v "$qemu" >/dev/null 2>&1 || { echo "no $qemu to run it"; exit 77; }

make -s -C "$SRCDIR/roms" OUT="$TMP/new" test >"$TMP/log" 2>&1 &&
    make -s -C "$SRCDIR/roms" OUT="$TMP/old" DEFS=-DSBI_OLD_HART "$TMP/old/sbi/sbi.bin" \
        >>"$TMP/log" 2>&1 || { cat "$TMP/log"; exit 1; }
passed=0
failed=0

# verdict NAME STATUS
verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: status $2"
        grep -avE '^ok ' "$TMP/out" | tail -n 30
    fi
}

# virt FIRMWARE MACHINE CPU HARTS PAYLOAD [OPTION]...: output in $TMP/out, QEMU's status.
virt() {
    firmware=$1 machine=$2 cpu=$3 harts=$4 payload=$5
    shift 5
    timeout 120 "$qemu" -M "$machine" -cpu "$cpu" -smp "$harts" -m 128M -nographic \
        -bios "$firmware" -kernel "$payload" "$@" </dev/null >"$TMP/out" 2>&1
}

# conform FIRMWARE MACHINE CPU HARTS
conform() {
    virt "$@" "$TMP/new/sbi_test.bin" && grep -q ' passed, 0 failed' "$TMP/out"
    verdict "conformance: $*" $?
}

new=$TMP/new/sbi/sbi.bin
old=$TMP/old/sbi/sbi.bin
conform "$new" virt rv64 1
conform "$new" virt rv64 2
conform "$new" virt rv64 4
conform "$new" virt,aclint=on rv64,sstc=off 2
conform "$new" virt rv64,sscofpmf=on 2
conform "$old" virt rv64,h=off 2
[ -z "${LONG:-}" ] || conform "$new" virt rv64 64

virt "$new" virt rv64 2 "$TMP/new/demo/demo.bin" \
    -append run=cpuinfo,primes+1000,mandelbrot+int,poweroff &&
    grep -q '168 primes below 1000, the last 997' "$TMP/out" && grep -q '@@@@@' "$TMP/out"
verdict demo $?

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
