#!/bin/sh
# The kernels (kernels/kernels.def), bare metal in metic and QEMU, and native.

set -u
. "$(dirname "$0")/common.sh"
words="bench=${KERNELS:-}"
log=$DIR/kernels.log

build kernels.elf kernels.native || exit 1

# record WHO: turns the lines of the log into samples.
record() {
    awk -v who="$1" 'BEGIN { OFS = "\t" }
        { sub(/\r$/, "") }
        $1 == "kernel" && NF == 5 { print "kernels", $3, $2, "ns", who, $4, $5; n++ }
        END { exit n == 0 }' "$log" >>"$OUT"
}

run=0
while [ $run -lt "$N" ]; do
    for who in metic qemu native; do
        if [ $who = native ]; then
            "$DIR/kernels.native" "${KERNELS:-}" >"$log"
        else
            bare $who "$DIR/kernels.elf" "$words" >"$log" 2>&1
        fi && record $who || {
            echo "kernels: $who failed:"
            tail -n 5 "$log"
            exit 1
        }
    done
    run=$((run + 1))
done
