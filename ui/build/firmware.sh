#!/bin/sh
# `metic build firmware`: unpacks Debian's firmware packages into the user's own data directory, where
# `metic run` looks for them, so that a host whose Debian lacks them, or a user who is not root, has
# them too. Started by ui/command/cmd_build.c in a directory of its own; OUT is where they go.
# Exit status: 0, or 125 with a reason.

set -u
here=$(pwd)
suite=${BUILD_SUITE:-trixie}
packages='opensbi u-boot-qemu qemu-efi-riscv64'

. ./apt_private.sh

say() { [ -n "${BUILD_QUIET:-}" ] || printf 'metic: build: %s\n' "$*" >&2; }
die() { printf 'metic: build: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2; exit 125; }

apt_private_init "$here/apt" "$suite" riscv64 "$here/status" || die "cannot use apt" "See above."
say "reading the package lists of Debian $suite"
apt_private_update || die "the mirror does not answer, or cannot be trusted" "Look at 'apt-get update' on this host."
# shellcheck disable=SC2086
apt_private -q download $packages >download.log 2>&1 || { tail -n 5 download.log >&2; die "cannot download $packages"; }
for deb in *.deb; do
    dpkg-deb -x "$deb" tree || die "cannot unpack $deb"
    say "$(basename "$deb" .deb | sed 's/_all$//')"
done
mkdir -p "$(dirname "$OUT")" && rm -rf "$OUT.old" && { [ ! -e "$OUT" ] || mv "$OUT" "$OUT.old"; } &&
    cp -R tree "$OUT.new" && mv "$OUT.new" "$OUT" && rm -rf "$OUT.old" || die "cannot write $OUT"
say "unpacked into $OUT"
