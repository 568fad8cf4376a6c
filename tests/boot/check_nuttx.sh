#!/bin/sh
# NuttX for QEMU's virt board (rv-virt:smp64 for 8 harts, or :nsh64 for one), built outside the tree,
# unchanged:
#     make check NUTTX=FILE [NUTTX_HARTS=8]
# Its shell answers, and on several harts its `smp` moves threads between them; under check-long its
# own tests (ostest) end with status 0. It starts in M-mode with nothing beneath it, and uses the
# CLINT's timers and software interrupts, the PLIC and the UART.

set -u
file=${NUTTX:-}
harts=${NUTTX_HARTS:-8}
[ -n "$file" ] || { echo "give a built NuttX with make check NUTTX=FILE"; exit 77; }
[ -s "$file" ] || { echo "there is no $file"; exit 1; }

passed=0
failed=0
# nuttx NAME SECONDS OPTION...: until the last thing expected. On the virtual clock, so that a test
# that counts on time finds it on a busy host too. Without a way to power off, it is stopped.
nuttx() {
    name=$1
    limit_s=$2
    shift 2
    timeout -k 5 "$limit_s" "$METIC" run "$file" --firmware none --cpus "$harts" --clock virtual \
        --expect 'nsh> ' "$@" --send 'uname -a\n' --expect 'NuttX ' --expect 'nsh> ' >"$TMP/$name" 2>&1 </dev/null &
    machine=$!
    while kill -0 $machine 2>/dev/null && ! grep -q '^NuttX .*risc-v' "$TMP/$name"; do sleep 0.2; done
    kill $machine 2>/dev/null
    wait $machine
    grep -q '^NuttX .*risc-v' "$TMP/$name" && grep -q "$want" "$TMP/$name" && passed=$((passed + 1)) ||
        { failed=$((failed + 1)); echo "FAILED: $name"; tail -n 12 "$TMP/$name"; }
}

want='NuttShell'
nuttx shell 120
if [ "$harts" -gt 1 ]; then
    want='running on CPU1'
    nuttx smp 120 --send 'smp\n' --expect 'nsh> '
fi
if [ -n "${LONG:-}" ]; then
    want='ostest_main: Exiting with status 0'
    nuttx ostest 3000 --send 'ostest\n' --expect 'Exiting with status' --expect 'nsh> '
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
