#!/bin/sh
# What `make install` puts in place can be used from there: the program runs, and the example builds
# with pkg-config against the shared and the static library and drives two machines.

set -u
bad=0
wrong() { echo "$*"; bad=1; }

make install DESTDIR="$TMP/dest" >"$TMP/out" 2>&1 || { cat "$TMP/out"; exit 1; }
prefix=$(sed -n 's/^prefix=//p' metic.pc)
dest=$TMP/dest$prefix
"$dest/bin/metic" --version | grep -q "$(sed -n 's/^Version: //p' metic.pc)" ||
    wrong "the installed program does not say its version"

riscv=riscv64-linux-gnu-gcc
command -v $riscv >/dev/null 2>&1 || { echo "no $riscv (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
cat >"$TMP/count.S" <<'END'
    .globl _start
_start:
    addi s0, s0, 1
    j _start
END
$riscv -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o "$TMP/count.elf" "$TMP/count.S" ||
    exit 1
# Two instructions a turn of the loop, after the six of the reset vector.
cat >"$TMP/expected" <<'END'
turn 0: first 497, second 1997
turn 1: first 997, second 2997
turn 2: first 1497, second 3997
END

PKG_CONFIG_PATH=$dest/lib/pkgconfig
PKG_CONFIG_SYSROOT_DIR=
export PKG_CONFIG_PATH
# try NAME FLAGS...: builds and runs the example.
try() {
    name=$1
    shift
    # Word splitting is meant: these are lists of flags.
    # shellcheck disable=SC2046,SC2086
    ${CC:-cc} -Wall -Wextra -Werror -o "$TMP/$name" "$SRCDIR/tests/install/two_machines.c" \
        $(pkg-config --define-variable=prefix="$dest" --define-variable=libdir="$dest/lib" \
            --define-variable=includedir="$dest/include" --cflags metic) "$@" ||
        { wrong "$name: the example does not build"; return; }
    LD_LIBRARY_PATH=$dest/lib "$TMP/$name" "$TMP/count.elf" >"$TMP/out" 2>&1
    diff "$TMP/out" "$TMP/expected" || wrong "$name: the example counts wrongly"
}
try shared -L"$dest/lib" -lmetic
# shellcheck disable=SC2046
try static "$dest/lib/libmetic.a" $(sed -n 's/^Libs.private: //p' metic.pc)
exit $bad
