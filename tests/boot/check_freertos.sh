#!/bin/sh
# FreeRTOS' demo for QEMU's virt board (FreeRTOS/Demo/RISC-V-Qemu-virt_GCC, 64-bit), built outside the
# tree, unchanged:
#     make check FREERTOS=FILE
# Its tasks run by the timer and print to the UART; timer and software interrupts come from the CLINT.

set -u
file=${FREERTOS:-}
[ -n "$file" ] || { echo "give FreeRTOS' built demo with make check FREERTOS=FILE"; exit 77; }
[ -s "$file" ] || { echo "there is no $file"; exit 1; }
for engine in jit interp; do
    timeout 120 "$METIC" run "$file" --engine $engine --limit-time 4s >"$TMP/out" 2>&1 </dev/null
    status=$?
    [ $status -eq 124 ] && grep -q 'Hello FreeRTOS' "$TMP/out" && grep -q 'Tx: Transfer2' "$TMP/out" || {
        echo "$engine: status $status"
        tail -n 10 "$TMP/out"
        exit 1
    }
done
