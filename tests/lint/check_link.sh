#!/bin/sh
# No layer's library needs a symbol that a layer above it defines.

set -u

defined() { nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u; }
needed() { nm -u "$1" 2>/dev/null | awk '$1 == "U" { print $2 }' | LC_ALL=C sort -u; }

bad=0
# layer LOWER UPPER...
layer() {
    lower=libmetic-$1.a
    shift
    needed "$lower" >"$TMP/needed"
    [ -s "$TMP/needed" ] || { echo "$lower needs nothing at all: was it built?"; bad=1; }
    for upper in "$@"; do
        defined "libmetic-$upper.a" >"$TMP/defined"
        LC_ALL=C comm -12 "$TMP/needed" "$TMP/defined" |
            sed "s/^/$lower needs, from libmetic-$upper.a: /" >"$TMP/upward"
        if [ -s "$TMP/upward" ]; then
            cat "$TMP/upward"
            bad=1
        fi
    done
}
layer base cpu translate hw ui
layer cpu translate hw ui
layer translate hw ui
layer hw ui
exit $bad
