#!/bin/sh
# A minute of random register accesses on every device under address and undefined-behaviour
# sanitizers. On a failure the last seed printed repeats it; add it to fuzz_seeds.txt.

set -u
SECONDS_TO_RUN=${FUZZ_SECONDS:-60}
flags="-std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
here=$(pwd)
libs=$(sed -n "s/^LIBS = //p" Makefile)
mkdir -p "$TMP/obj" && cd "$TMP/obj" || exit 1
for source in "$SRCDIR"/cpu/base/*.c "$SRCDIR"/cpu/memory.c "$SRCDIR"/cpu/state.c \
    "$SRCDIR"/hw/*.c "$SRCDIR"/hw/*/*.c; do
    case $source in */machine*.c) continue ;; esac
    object=$(echo "${source#"$SRCDIR"/}" | tr / _).o
    # shellcheck disable=SC2086
    $CC $flags -I"$here" -I"$SRCDIR" -c -o "$object" "$source" || exit 1
done
ar rcs lib.a ./*.o || exit 1
# shellcheck disable=SC2086
$CC $flags -I"$SRCDIR" -o fuzz "$SRCDIR/tests/hw/fuzz_devices.c" lib.a $libs -lutil -pthread ||
    exit 1
seeds=$(sed 's/#.*//; s/ .*//' "$SRCDIR/tests/hw/fuzz_seeds.txt")
# shellcheck disable=SC2086
./fuzz "$SECONDS_TO_RUN" $seeds >out 2>&1 || { tail -n 60 out; exit 1; }
echo "$(grep -c '^seed' out) seeds without a finding"
echo "1 passed, 0 failed"
