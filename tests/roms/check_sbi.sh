#!/bin/sh
# Runs the SBI conformance payload (sbi_test.h) behind our firmware: under metic, real and virtual
# clock, and where QEMU is installed under it too, with several numbers of harts, with and without
# Sstc, and in the build for harts without delegation and time CSR. Then the demo, its commands
# given as boot arguments. The payload must be built, so this needs the cross compiler.

set -u
qemu=${QEMU:-qemu-system-riscv64}
cc=riscv64-unknown-elf-gcc
command -v $cc >/dev/null 2>&1 ||
    { echo "no $cc (Debian: gcc-riscv64-unknown-elf), which builds the payload"; exit 77; }

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

# ours ARGUMENT...: metic's status, its output in $TMP/out.
ours() {
    timeout 120 "$METIC" run "$@" --ram 128M </dev/null >"$TMP/out" 2>&1
}

# conform_ours OPTION...
conform_ours() {
    ours "$TMP/new/sbi_test.bin" "$@" && grep -q ' passed, 0 failed' "$TMP/out"
    verdict "conformance: metic $*" $?
}

demo_ok() {
    grep -q '168 primes below 1000, the last 997' "$TMP/out" && grep -q '@@@@@' "$TMP/out"
}

new=$TMP/new/sbi/sbi.bin
old=$TMP/old/sbi/sbi.bin
demo_args=run=cpuinfo,primes+1000,mandelbrot+int,poweroff

conform_ours --firmware "$new" --cpus 1
conform_ours --firmware "$new" --cpus 2
conform_ours --firmware "$new" --cpus 2 --clock virtual
conform_ours --firmware "$old" --cpus 2
conform_ours --firmware "$new" --cpus 4 --machine virt,aia=aplic-imsic
[ -z "${LONG:-}" ] || conform_ours --cpus 64
ours "$TMP/new/demo/demo.bin" --append "$demo_args" && demo_ok
verdict "demo: metic" $?

if command -v "$qemu" >/dev/null 2>&1; then
    conform "$new" virt rv64 1
    conform "$new" virt rv64 4
    conform "$new" virt,aclint=on rv64,sstc=off 2
    conform "$new" virt,aia=aplic-imsic rv64 4
    conform "$new" virt rv64,sscofpmf=on 2
    conform "$old" virt rv64,h=off 2
    [ -z "${LONG:-}" ] || conform "$new" virt rv64 64
    virt "$new" virt rv64 2 "$TMP/new/demo/demo.bin" -append "$demo_args" && demo_ok
    verdict "demo: $qemu" $?
else
    echo "no $qemu: not run there"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
