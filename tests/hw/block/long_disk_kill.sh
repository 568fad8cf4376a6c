#!/bin/sh
# KILLS times (20) each: a machine is killed while its guest writes to ext4, on a qcow2 image, on an
# overlay over a qcow2 image, and on a raw image. RANDOM_SEED chooses other moments.

set -u
. "$SRCDIR/tests/hw/block/disk_guest.sh"
. "$SRCDIR/tests/hw/block/kill_guest.sh"
kills=${KILLS:-20}
fs start.raw 256M
"$METIC" disk convert start.raw image.qcow2
kill_rounds image.qcow2 qcow2 "$kills"
"$METIC" disk convert start.raw base.qcow2 --compress
"$METIC" disk create over.qcow2 --backing base.qcow2 --cluster 4K
kill_rounds over.qcow2 qcow2 "$kills"
kill_rounds start.raw raw "$kills"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
