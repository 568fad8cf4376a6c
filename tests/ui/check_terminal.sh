#!/bin/sh
# metic on a terminal, as a user has it: raw while it runs, keys reach the guest (Ctrl-C too), the
# Ctrl-A keys, and the terminal as it was after every end: power-off, Ctrl-A X, signals, a crash. A
# closed window ends it.

set -u
passed=0
failed=0
ok() { passed=$((passed + 1)); }
wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
    sed 's/^/    /' "$TMP/out"
}

${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -o "$TMP/on_terminal" \
    "$SRCDIR/tests/ui/on_terminal.c" || exit 1

# play STATUS STEP... -- PROGRAM ARGUMENT...: the steps go, and the program ends with the status.
play() {
    wanted=$1
    shift
    if "$TMP/on_terminal" "$@" >"$TMP/out" 2>&1; then ok; else wrong "could not play: $*"; fi
    if grep -qx "status $wanted" "$TMP/out"; then ok; else wrong "status not $wanted: $*"; fi
    if grep -qx 'changed' "$TMP/out"; then wrong "the terminal was left changed: $*"; else ok; fi
}
shows() { if grep -qF -- "$1" "$TMP/out"; then ok; else wrong "does not show: $1"; fi; }

# Keys: echo and Ctrl-C are the guest's business.
play 0 expect 'demo> ' raw send 'echo ab\x03c\r' expect 'demo> ' send 'echo hello\r' \
    expect 'hello' expect 'hello' expect 'demo> ' send 'poweroff\r' -- "$METIC" run --demo
shows 'the guest powered off'
play 0 expect 'demo> ' send '\x01h' expect 'Ctrl-A X' send '\x01q' send 'echo on\r' \
    expect 'on' expect 'demo> ' send '\x01x' -- "$METIC" run --demo
shows 'ended with Ctrl-A X'
play 0 expect 'demo> ' send '\x01x' -- "$METIC" run --demo --clock virtual

# The monitor's prompt: completion, history, editing; the guest's output waits; back in three ways.
play 0 expect 'demo> ' send '\x01h' expect 'back to the guest' send '\x01c' expect '(metic) ' \
    send 'inf\x09' send '\x09' expect 'info status' expect 'info events' send 'har\x09\r' \
    expect 'hart 0: pc' expect '(metic) ' send 'nothing\r' expect "no command 'nothing'" \
    send 'pause\r' expect 'event: STOP' send '\x1b[A\x15contxnue\x1b[D\x1b[D\x1b[D\x08i\r' \
    expect 'event: RESUME' send 'info events\r' expect 'Z STOP' send 'xp 0x1000 16\r' \
    expect '0000000000001000: ' send 'exit\r' expect 'back to the guest' send 'help\r' expect cpuinfo \
    expect 'demo> ' send '\x01c' expect '(metic) ' send '\x04' expect 'back to the guest' \
    send 'echo one\r' expect one expect one expect 'demo> ' send '\x01c' expect '(metic) ' send '\x01c' \
    send 'echo two\r' expect two expect two expect 'demo> ' send '\x01c' expect '(metic) ' \
    send 'quit\r' -- "$METIC" run --demo
play 0 expect 'demo> ' send '\x01c' expect '(metic) ' send '\x01x' -- "$METIC" run --demo --clock virtual
shows 'ended with Ctrl-A X'

# Signals: 1 HUP, 2 INT, 3 QUIT, 6 ABRT, 11 SEGV, 15 TERM.
for number in 1 2 3 6 11 15; do
    play $((128 + number)) expect 'demo> ' raw signal $number -- "$METIC" run --demo
done

# Stopped (20 TSTP) and going on (18 CONT).
play 0 expect 'demo> ' raw signal 20 cooked stopped signal 18 raw send 'poweroff\r' -- "$METIC" run --demo

# Refused with the terminal untouched.
play 125 -- "$METIC" run no-such-file
play 2 -- "$METIC" run --demo --cpus many

# A closed window, also behind a program that does not pass SIGHUP on, as make does not.
play 129 expect 'demo> ' close -- "$METIC" run --demo
play 129 expect 'demo> ' close -- sh -c "trap : HUP; '$METIC' run --demo; exit \$?"
play 129 expect 'demo> ' close -- sh -c "trap : HUP; '$METIC' run --demo --clock virtual; exit \$?"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
