#!/bin/sh
# The tiers agree: the first 150 million instructions of a boot are the same on the virtual clock
# whether code is translated before its first run, the third time (the default), or never where it
# can run from its bytes; with and without traces.

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
finish
