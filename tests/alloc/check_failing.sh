#!/bin/sh
# A host that runs out of memory, threads or descriptors ends a run with a reason, never with a crash:
# see failing.sh. Every 31st request fails here, each of them in long_failing.sh.
set -- 31
. "$SRCDIR/tests/alloc/failing.sh"
