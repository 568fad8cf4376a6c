#!/bin/sh
# Two seconds of random register accesses on every device, and the seeds that once found something.
# long_fuzz_devices.sh does it for a minute under the sanitizers.

set -u
libs=$(sed -n "s/^LIBS = //p" Makefile)
sanitize=$(sed -n "s/^SANITIZE = //p" Makefile) # as the libraries were built
$CC $sanitize -std=gnu11 -D_GNU_SOURCE -O1 -I. -I"$SRCDIR" -o "$TMP/fuzz" \
    "$SRCDIR/tests/hw/fuzz_devices.c" libmetic-hw.a libmetic-translate.a libmetic-cpu.a \
    libmetic-base.a $libs -lutil -pthread || exit 1
seeds=$(sed 's/#.*//; s/ .*//' "$SRCDIR/tests/hw/fuzz_seeds.txt")
# shellcheck disable=SC2086
"$TMP/fuzz" 2 $seeds >"$TMP/out" 2>&1 || { tail -n 30 "$TMP/out"; exit 1; }
echo "1 passed, 0 failed"
