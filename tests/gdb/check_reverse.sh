#!/bin/sh
# A real debugger, gdb-multiarch, going backwards: in a program on the virtual clock, with several
# harts, and in a replay. What states are found is compared in tests/hw/test_machine_history.c.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
command -v gdb-multiarch >/dev/null 2>&1 || { echo "gdb-multiarch is not installed"; exit 77; }
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }

# debug NAME FILE ARGUMENT...: metic with these arguments, GDB with the commands on standard input.
debug() {
    name=$1
    file=$2
    shift 2
    rm -f socket
    { echo 'set confirm off'; echo 'set pagination off'; echo 'set style enabled off'
      echo 'target remote socket'; cat; } >commands
    timeout -k 5 120 "$METIC" run "$@" --quiet --gdb="$TMP/socket" --gdb-wait >"$name.out" \
        2>"$name.err" </dev/null &
    machine=$!
    while [ ! -S socket ] && kill -0 $machine 2>/dev/null; do sleep 0.1; done
    # shellcheck disable=SC2086 # there may be none
    timeout -k 5 100 gdb-multiarch -nx -batch -x commands $file >"$name.gdb" 2>&1 </dev/null
    wait $machine
    status=$?
}
# says PATTERN N: gdb said so, N times.
says() {
    count=$(grep -cE -- "$1" "$name.gdb")
    if [ "$count" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $name: $count times, not $2: $1"
        sed 's/^/    gdb: /' "$name.gdb" | tail -n 40
    fi
}
# same WHAT IS WANTED
same() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $name: $1: '$2', not '$3'"
    fi
}

for each in docs/hello gdb/spin; do
    $cross -g -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none \
        -o "${each#*/}.elf" "$SRCDIR/tests/$each.S" || exit 1
done

# Three letters forward, back to the beginning, and to the end: each letter leaves once.
debug hello hello.elf hello.elf --clock virtual <<'END'
break putc
continue
continue
continue
reverse-continue
info registers a2
reverse-stepi
reverse-stepi
x/i $pc
reverse-continue
reverse-continue
info registers pc
delete
stepi
reverse-stepi
monitor info history
continue
END
says 'Breakpoint 1, putc' 5
says '^a2 +0x65' 1
says 'beqz' 2
says 'No more reverse-execution history' 1
says '^pc +0x1000' 1
says '^instructions 0 to [0-9]+, now 0 \(in the past\)' 1
says 'exited normally' 1
same output "$(cat hello.out)" hello
same status $status 0

# Who wrote it, of four harts; then another past.
debug spin spin.elf spin.elf --clock virtual --cpus 4 <<'END'
break loop if $s0 == 3
continue
delete
watch *(int *)&shared
continue
continue
reverse-continue
reverse-continue
set var *(int *)&shared = 1000
continue
kill
END
says '^Old value = 4$' 2
says '^New value = 4$' 2
says 'a new future begins here' 1
says '^Old value = 1000$' 1

# A replay ends where it can be turned round.
"$METIC" run --demo --record run.journal --quiet --expect 'demo> ' --send 'primes 100\n' \
    --expect 'demo> ' --send 'poweroff\n' >recorded.out || exit 1
debug replay '' --demo --replay run.journal <<'END'
continue
reverse-stepi
reverse-continue
continue
continue
END
says 'No more reverse-execution history' 3
says 'exited normally' 1
same output "$(cat replay.out)" "$(cat recorded.out)"

# The real clock has no past, and GDB is told.
debug real spin.elf spin.elf <<'END'
stepi
reverse-stepi
kill
END
says 'reverse execution needs --clock virtual or --replay FILE' 1
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
