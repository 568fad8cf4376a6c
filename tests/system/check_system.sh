#!/bin/sh
# Random steps of every class of system_diff.c on metic and on qemu-system-riscv64: a few hundred
# each, under all engines; long_system.sh does a million instructions of each.
#
# SEED repeats a run, CLASS chooses one class, STEPS how many.

set -u
. "$SRCDIR/tests/system/build.sh"
seed=${SEED:-$(date +%s)}
passed=0
failed=0
for engine in jit interp both; do
    for class in ${CLASS:-csr priv irq vm pmp atomic float words}; do
        if "$TMP/system_diff" "$TMP/driver" "$TMP" $engine "$class" "$seed" "${STEPS:-400}" \
            >"$TMP/out" 2>&1; then
            passed=$((passed + 1))
            tail -n 1 "$TMP/out"
        else
            failed=$((failed + 1))
            cat "$TMP/out"
            echo "repeat with: make check ONLY=system/check CLASS=$class SEED=$seed"
        fi
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
