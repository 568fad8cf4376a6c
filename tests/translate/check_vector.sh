#!/bin/sh
# Vector loads and stores at page borders, faults and what vstart is then, hot loops that run into
# them (vector/faults.c), hot loops of other instructions (vector/ops.c, numbers.c, masked.c) and of
# which traces do several rounds at once (vector/rounds.c): the same from the interpreter, from code
# with and without traces, with and without the host's vectors, in lock-step, and from QEMU where it
# is installed.

set -u
passed=0
failed=0
cd "$TMP" || exit 1
cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }

# make_program OUTPUT OPTION...
make_program() {
    output=$1
    shift
    $cc -O1 -march=rv64gcv -mabi=lp64d -mcmodel=medany -ffreestanding -nostdlib -static \
        -fno-builtin -fno-pic -fno-stack-protector -Wall -Wextra \
        -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments "$@" -o "$output" \
        "$SRCDIR/tests/translate/vector/start.S" "$SRCDIR/tests/translate/vector/${source:-faults.c}"
}
# metic VLEN IMAGE OPTION...
metic() {
    vlen=$1
    shift
    timeout -k 5 100 "$METIC" run "$@" --cpu "rv64,v=on,vlen=$vlen" --firmware none --quiet \
        --verify </dev/null
}
# same NAME EXPECTED
same() {
    if cmp -s "$2" "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $1 is not $2"
        diff "$2" "$1" | head -n 12
    fi
}

make_program faults.elf || exit 1
make_program faults_qemu.elf -DNO_FAULT_FIRST || exit 1
for name in ops numbers masked rounds; do
    source=$name.c
    make_program $name.elf || exit 1
done
for vlen in 128 256; do
    metic $vlen faults.elf --engine interp >"interp-$vlen"
    grep -q '^end$' "interp-$vlen" || {
        echo "WRONG: the interpreter does not come to the end"
        exit 1
    }
    for how in "" --no-tier2 --eager-tier2 --host-features=plain --host-features=avx2 \
        --host-features=avx512 --no-links --one-entry-tlb --large-tlb --code-cache=96K; do
        # shellcheck disable=SC2086
        metic $vlen faults.elf $how >"jit$how-$vlen" 2>&1
        same "jit$how-$vlen" "interp-$vlen"
    done
    for name in ops numbers masked rounds; do
        metic $vlen $name.elf --engine interp >"$name-interp-$vlen"
        grep -q '^end$' "$name-interp-$vlen" || {
            echo "WRONG: the interpreter does not come to the end"
            exit 1
        }
        for how in --no-tier2 --eager-tier2 --host-features=plain --host-features=avx2 \
            --host-features=avx512 --cpus=2; do
            metic $vlen $name.elf $how >"$name$how-$vlen" 2>&1
            same "$name$how-$vlen" "$name-interp-$vlen"
        done
    done
    if command -v qemu-system-riscv64 >/dev/null 2>&1; then
        timeout -k 5 60 qemu-system-riscv64 -M virt -cpu "rv64,v=on,vlen=$vlen" -m 128M \
            -display none -monitor none -serial stdio -bios none -kernel faults_qemu.elf \
            </dev/null 2>&1 | tr -d '\r' >"qemu-$vlen"
        metic $vlen faults_qemu.elf >"ours-$vlen"
        same "ours-$vlen" "qemu-$vlen"
        for name in ops numbers masked rounds; do
            timeout -k 5 60 qemu-system-riscv64 -M virt -cpu "rv64,v=on,vlen=$vlen" -m 128M \
                -display none -monitor none -serial stdio -bios none -kernel $name.elf \
                </dev/null 2>&1 | tr -d '\r' >"$name-qemu-$vlen"
            same "$name-qemu-$vlen" "$name-interp-$vlen"
        done
    else
        echo "no qemu-system-riscv64: not compared with it (configure --install-bench-deps)"
    fi
done
metic 128 faults.elf --engine both >both 2>&1
same both interp-128
for name in ops numbers masked rounds; do
    metic 128 $name.elf --engine both >$name-both 2>&1
    same $name-both $name-interp-128
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
