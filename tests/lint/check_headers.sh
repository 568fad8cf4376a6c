#!/bin/sh
# Every header compiles when it is the only one included.

set -u
build=$(pwd)
sdl=$(sed -n 's/^SDL_CFLAGS = //p' Makefile)
cd "$SRCDIR" || exit 1
bad=0
for header in $(find cpu translate hw ui tests -name '*.h' | LC_ALL=C sort); do
    echo "#include \"$header\"" >"$TMP/alone.c"
    # Word splitting is meant: CC may carry flags.
    # shellcheck disable=SC2086
    ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only "-I$build" -I. \
        $sdl "$TMP/alone.c" || { echo "$header does not compile alone"; bad=1; }
done
exit $bad
