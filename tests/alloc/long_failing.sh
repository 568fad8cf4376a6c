#!/bin/sh
# Each single request to the host fails once, and it and all after it: see failing.sh.
set -- 1
. "$SRCDIR/tests/alloc/failing.sh"
