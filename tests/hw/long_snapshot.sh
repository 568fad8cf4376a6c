#!/bin/sh
# Snapshots at many points of a boot, with one hart and four, both engines, disk and network.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/hw/snapshot.sh"
points=${SNAPSHOT_POINTS:-25}
seed=${SNAPSHOT_SEED:-1}

program
head -c 3145728 /dev/zero | tr '\0' 'm' >"$TMP/disk.img"
for harts in 1 4; do
    for engine in jit interp; do
        same $harts $engine "$TMP/disk.img" "$net" "$seed"
        seed=$((seed + 1))
    done
done
same 2 jit - - "$seed"
finish
