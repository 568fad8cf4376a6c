#!/bin/sh
# The tiers agree: the first 150 million instructions of a boot are the same on the virtual clock
# whether code is translated before its first run, the third time (the default), or never where it
# can run from its bytes; with and without traces. So are recordings of it and coverage.

set -u
. "$SRCDIR/tests/boot/boot.sh"

# digests NAME OPTION...
digests() {
    name=$1
    shift
    boot "$name" 124 --clock virtual --quiet --ram 256M --net none --digest-every 10M \
        --limit-insns 150M --stats "$@" || return
    grep '^digest ' "$TMP/$name" >"$TMP/$name.digests"
    if [ "$(wc -l <"$TMP/$name.digests")" -lt 10 ]; then
        wrong "$name: hardly any digests"
    elif cmp -s "$TMP/default.digests" "$TMP/$name.digests"; then
        good "$name: equal digests"
    else
        wrong "$name: the digests differ"
        diff "$TMP/default.digests" "$TMP/$name.digests" | head -n 4
    fi
}

# runs NAME: of tier 0.
runs() { sed -n 's/^tier 0  *\([0-9]*\) runs$/\1/p' "$TMP/$1"; }

digests default
digests no-tier0 --no-tier0
digests eager-tier0 --eager-tier0
digests no-tier0-no-tier2 --no-tier0 --no-tier2
few=$(runs default)
many=$(runs eager-tier0)
if [ "$(runs no-tier0)" -eq 0 ] && [ "$few" -gt 1000 ] && [ "$many" -gt $((few * 100)) ]; then
    good "ran from its bytes $few times, and $many when all that can does"
else
    wrong "tier 0 ran $(runs no-tier0), $few, $many times"
fi
# recorded NAME OPTION...: the first three million instructions, all that they did; and of twenty
# million how often each halfword of code ran.
recorded() {
    kind=recorded-$1
    shift
    boot "$kind" 124 --clock virtual --quiet --ram 256M --net none --limit-insns 3M \
        --trace "$TMP/$kind.trace" --trace-events memory,registers,traps --stats "$@" || return
    boot "covered-$kind" 124 --clock virtual --quiet --ram 256M --net none --limit-insns 20M \
        --cover "$TMP/$kind.cover" "$@" || return
    "$METIC" trace show "$TMP/$kind.trace" >"$TMP/$kind.text"
    awk '$1 == "b" { printf "%s %d %d\n", $2, $3, $5 }' "$TMP/$kind.cover" | python3 -c '
import sys
ran = {}
for line in sys.stdin:
    at, size, count = line.split()
    for byte in range(0, int(size), 2):
        ran[int(at, 16) + byte] = ran.get(int(at, 16) + byte, 0) + int(count)
for at in sorted(ran):
    print(hex(at), ran[at])' >"$TMP/$kind.ran"
    if [ "$(wc -l <"$TMP/$kind.text")" -lt 3000000 ] || [ "$(wc -l <"$TMP/$kind.ran")" -lt 10000 ]; then
        wrong "$kind: hardly anything"
    elif cmp "$TMP/recorded-default.text" "$TMP/$kind.text" &&
        cmp "$TMP/recorded-default.ran" "$TMP/$kind.ran"; then
        good "$kind: the same trace and coverage"
    else
        wrong "$kind: trace or coverage differ"
    fi
    [ "$kind" = recorded-default ] || rm -f "$TMP/$kind".*
}

recorded default
recorded no-tier0 --no-tier0
recorded eager-tier0 --eager-tier0
if [ "$(runs recorded-default)" -gt 100 ]; then
    good "a recorded run ran from its bytes, too"
else
    wrong "a recorded run did not run from its bytes"
fi
finish
