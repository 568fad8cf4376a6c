#!/bin/sh
# xv6-riscv, made for QEMU's virt board, built outside the tree, unchanged:
#     make check XV6=DIR
# Its shell answers on one hart and on three, and under check-long its own tests pass. It starts in
# M-mode with nothing beneath it, wants page-table bits set by hardware, and leaves its UART's
# interrupt standing.

set -u
dir=${XV6:-}
[ -n "$dir" ] || { echo "give a built xv6-riscv with make check XV6=DIR"; exit 77; }
[ -s "$dir/kernel/kernel" ] && [ -s "$dir/fs.img" ] ||
    { echo "$dir has no kernel/kernel and fs.img: make there first"; exit 1; }

passed=0
failed=0
# xv6 NAME HARTS SECONDS END STEP...: until END is on the console; xv6 cannot switch itself off.
xv6() {
    name=$1
    harts=$2
    limit_s=$3
    end=$4
    shift 4
    timeout -k 5 "$limit_s" "$METIC" run "$dir/kernel/kernel" --firmware none --cpus "$harts" \
        --ram 128M --disk "$dir/fs.img" --expect '$ ' "$@" >"$TMP/$name" 2>&1 </dev/null &
    machine=$!
    while kill -0 $machine 2>/dev/null && ! grep -q "$end" "$TMP/$name"; do sleep 0.2; done
    kill $machine 2>/dev/null
    wait $machine
    grep -q "$want" "$TMP/$name" && passed=$((passed + 1)) ||
        { failed=$((failed + 1)); echo "FAILED: $name"; tail -n 12 "$TMP/$name"; }
}

want='^README *2'
for harts in 1 3; do
    xv6 "shell-$harts" $harts 120 '^end' --send 'ls\n' --expect 'console' --expect '$ ' --send 'echo end\n'
done
if [ -n "${LONG:-}" ]; then
    want='ALL TESTS PASSED'
    xv6 tests 3 3000 ' TESTS ' --send 'usertests -q\n'
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
