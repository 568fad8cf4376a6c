#!/bin/sh
# The primitives (primitives/primitives.def): time per operation, bare metal, metic and QEMU.

set -u
. "$(dirname "$0")/common.sh"
log=$DIR/primitives.log

build primitives.elf || exit 1

run=0
while [ $run -lt "$N" ]; do
    for primitive in $(parts "${PRIMITIVES:-}" "$here/primitives/primitives.def"); do
        for who in metic qemu; do
            bare $who "$DIR/primitives.elf" "bench=$primitive" >"$log" 2>&1
            # The program prints picoseconds.
            awk -v who="$who" 'BEGIN { OFS = "\t" }
                { sub(/\r$/, "") }
                $1 == "primitive" && NF == 5 {
                    print "primitives", $3, $2, "ns", who, $4 / 1000, $5
                    n++
                }
                $1 == "end" { whole = 1 }
                END { exit n == 0 || !whole }' "$log" >>"$OUT" || {
                echo "primitives: $who failed at $primitive:"
                tail -n 5 "$log"
                exit 1
            }
        done
    done
    run=$((run + 1))
done
