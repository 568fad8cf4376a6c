#!/bin/sh
# A guest whose trap handler traps at once retires nothing. With the virtual clock its time must pass
# all the same, so that --limit-time ends it, and a signal too; with either clock its traps count as
# instructions for --limit-insns.

set -u
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "no $cross, which builds the guest"; exit 77; }
printf '.globl _start\n_start: .word 0\n' >"$TMP/storm.S"
$cross -nostdlib -static -Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    -o "$TMP/storm.elf" "$TMP/storm.S" || exit 1
passed=0
failed=0

# verdict NAME STATUS WANTED
verdict() {
    if [ "$2" -eq "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: status $2, not $3"
    fi
}

for engine in jit interp both; do
    timeout -s KILL 60 "$METIC" run --clock virtual --engine $engine --limit-time 10ms \
        "$TMP/storm.elf" </dev/null >"$TMP/out" 2>&1
    verdict "limit, $engine" $? 124
done
for how in 'jit real' 'interp real' 'jit virtual' 'interp virtual' 'both virtual'; do
    for cpus in 1 3; do
        timeout -s KILL 60 "$METIC" run --clock "${how#* }" --engine "${how% *}" --cpus $cpus \
            --limit-insns 300k "$TMP/storm.elf" </dev/null >"$TMP/out" 2>&1
        verdict "instructions, $how, $cpus" $? 124
        grep -q "300000 traps in a row" "$TMP/out"
        verdict "what it says, $how, $cpus" $? 0
    done
done
"$METIC" run --clock virtual "$TMP/storm.elf" </dev/null >"$TMP/out" 2>&1 &
pid=$!
sleep 1
kill -TERM $pid
(sleep 20; kill -KILL $pid 2>/dev/null) &
watchdog=$!
wait $pid
status=$?
kill $watchdog 2>/dev/null
killed=0
[ "$status" -ne 137 ] || killed=1
verdict "a signal ends it" "$killed" 0
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
