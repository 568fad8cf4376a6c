#!/bin/sh
# The committed images are what their sources build to, byte for byte, and the checksums are theirs.
# The rebuild needs Debian's riscv64-unknown-elf compiler, the one the images were built with.

set -u
cd "$SRCDIR/roms" || exit 1
sha256sum -c --quiet SHA256SUMS || { echo "an image differs from SHA256SUMS"; exit 1; }

cc=riscv64-unknown-elf-gcc
command -v $cc >/dev/null 2>&1 ||
    { echo "no $cc (Debian: gcc-riscv64-unknown-elf), so the images were not rebuilt"; exit 77; }
built_with=$(sed -n 's/^# built with: //p' Makefile)
[ "$($cc -dumpfullversion)" = "$built_with" ] ||
    { echo "$cc $($cc -dumpfullversion), but the images are from $built_with"; exit 77; }

make -s OUT="$TMP" all >"$TMP/log" 2>&1 || { cat "$TMP/log"; exit 1; }
bad=0
for image in sbi/sbi.bin demo/demo.bin; do
    cmp "$image" "$TMP/$image" || { echo "$image is not what its source builds to"; bad=1; }
done
exit $bad
