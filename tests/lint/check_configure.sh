#!/bin/sh
# configure says clearly what is missing, and in which package it is.

set -u
bad=0
wrong() { echo "$*"; bad=1; }

# A compiler that lacks what MISSING names.
cat >"$TMP/cc" <<'END'
#!/bin/sh
for arg in "$@"; do
    [ "$arg" != "$MISSING" ] || { echo "no $arg" >&2; exit 1; }
done
exec cc "$@"
END
chmod +x "$TMP/cc"

# try FLAG PACKAGE: without the library behind FLAG, configure fails and names PACKAGE.
try() {
    rm -rf "$TMP/b" && mkdir "$TMP/b" && cd "$TMP/b" || exit 1
    if MISSING=$1 sh "$SRCDIR/configure" CC="$TMP/cc" >out 2>&1; then
        wrong "configure went on without $1"
    fi
    grep -q "^configure: these packages are missing:.* $2" out || {
        wrong "without $1, configure does not name $2:"
        cat out
    }
    [ ! -e Makefile ] || wrong "without $1, configure wrote a Makefile"
}

if [ -e "$SRCDIR/config.h" ]; then
    echo "the tree was built in place, so configure cannot run elsewhere"
    exit 77
fi
try -lffi libffi-dev
try -lcapstone libcapstone-dev
try -lfdt libfdt-dev
try -lz zlib1g-dev
try -lzstd libzstd-dev

# Criterion, SDL2 and libslirp can be done without.
rm -rf "$TMP/b" && mkdir "$TMP/b" && cd "$TMP/b" || exit 1
MISSING=-lcriterion sh "$SRCDIR/configure" CC="$TMP/cc" --without-sdl >out 2>&1 ||
    wrong "configure wants more than it needs: $(cat out)"
grep -q 'HAVE_SDL2 0' config.h || wrong "--without-sdl does not show in config.h"
grep -q 'HAVE_SLIRP 1' config.h || wrong "libslirp is not found"
MISSING=-lslirp sh "$SRCDIR/configure" CC="$TMP/cc" >out 2>&1 || wrong "configure needs libslirp"
grep -q 'HAVE_SLIRP 0' config.h || wrong "a missing libslirp does not show in config.h"
grep -q 'libslirp-dev' out || wrong "configure does not name libslirp-dev"
MISSING=-lcriterion sh "$SRCDIR/configure" CC="$TMP/cc" --without-slirp >out 2>&1 ||
    wrong "configure --without-slirp: $(cat out)"
grep -q 'HAVE_SLIRP 0' config.h || wrong "--without-slirp does not show in config.h"
# Libraries are put into the program where they can be.
grep -q '^PROGRAM_LIBS = .*-Bstatic.* -lz' Makefile || wrong "no library is put into the program"
MISSING=-Wl,-Bstatic sh "$SRCDIR/configure" CC="$TMP/cc" >out 2>&1 ||
    wrong "configure wants libraries for the program: $(cat out)"
grep -q '^PROGRAM_LIBS = .*-lz' Makefile && ! grep -q Bstatic Makefile ||
    wrong "libraries that cannot be put into the program are missing"
sh "$SRCDIR/configure" CC="$TMP/cc" --shared-libs >out 2>&1 || wrong "configure --shared-libs: $(cat out)"
! grep -q Bstatic Makefile || wrong "--shared-libs does not show in the Makefile"
MISSING=-lcriterion sh "$SRCDIR/configure" CC="$TMP/cc" >out 2>&1 || wrong "configure: $(cat out)"
make check >out 2>&1 && wrong "make check passes without Criterion"
grep -q libcriterion-dev out || wrong "make check does not say what it needs"

sh "$SRCDIR/configure" --no-such-option >out 2>&1 && wrong "configure takes unknown options"
grep -q 'unknown argument: --no-such-option' out || wrong "no word about the unknown option"
sh "$SRCDIR/configure" --prefix=relative >out 2>&1 && wrong "configure takes a relative prefix"
sh "$SRCDIR/configure" --help | grep -q -- --install-deps || wrong "--help is no help"
exit $bad
