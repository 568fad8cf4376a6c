#!/bin/sh
# No layer's library needs a symbol that a layer above it defines; and what each thread has of its own
# is less than a page: the C library clears it whenever a thread starts.

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

own_bytes=$(readelf -lW "$METIC" | awk '$1 == "TLS" { print $6; n++ } END { if (!n) print 0 }')
if [ $((own_bytes)) -ge 4096 ]; then
    echo "threads begin with $((own_bytes)) bytes of their own: _Thread_local is for small things"
    bad=1
fi
exit $bad
