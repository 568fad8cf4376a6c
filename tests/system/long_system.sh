#!/bin/sh
# A million instructions and more of every class of system_diff.c against qemu-system-riscv64, by
# the translator; a tenth of that by the interpreter. Counted are the steps' own instructions
# before the trap that ends each. SEED, CLASS, STEPS as in check_system.sh.

set -u
. "$SRCDIR/tests/system/build.sh"
seed=${SEED:-$(date +%s)}
passed=0
failed=0

# compare ENGINE CLASS STEPS
compare() {
    if "$TMP/system_diff" "$TMP/driver" "$TMP" "$1" "$2" "$seed" "$3" >"$TMP/out" 2>&1; then
        passed=$((passed + 1))
        tail -n 1 "$TMP/out"
    else
        failed=$((failed + 1))
        head -n 200 "$TMP/out"
        grep DIFFERENT "$TMP/out"
    fi
}

for class in ${CLASS:-csr priv irq vm pmp atomic float words}; do
    # Steps are short where most instructions trap.
    case $class in
    csr | pmp) enough=1500000 ;;
    vm | words | atomic) enough=1000000 ;;
    priv | irq) enough=600000 ;;
    *) enough=200000 ;;
    esac
    steps=${STEPS:-$enough}
    compare jit "$class" "$steps"
    compare interp "$class" $((steps / 10))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
