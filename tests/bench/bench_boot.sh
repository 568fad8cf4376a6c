#!/bin/sh
# Wall time from the start of the process to the guest's shell (and power-off, which takes no time):
# metic against QEMU with the same kernel, initramfs, harts and memory.

set -u
. "$(dirname "$0")/common.sh"
append="console=ttyS0 metic.bench"
log=$DIR/boot.log

cache=$(sh "$here/../guest/fetch.sh") || { echo "boot: no guest to boot"; exit 1; }

# measure WHO HARTS
measure() {
    start_ns=$(now_ns)
    linux "$1" "$2" "$cache/vmlinuz" "$cache/initramfs.cpio.gz" "$append" >"$log" 2>&1 &&
        grep -q 'metic.bench: shell reached' "$log" || {
        echo "boot: $1 with $2 harts did not reach the shell:"
        tail -n 15 "$log"
        exit 1
    }
    sample boot boot "boot to shell, $2 hart(s)" ns "$1" $(($(now_ns) - start_ns)) -
}

for harts in ${HARTS:-1 2}; do
    run=0
    while [ $run -lt "$N" ]; do
        measure metic "$harts"
        measure qemu "$harts"
        run=$((run + 1))
    done
done
