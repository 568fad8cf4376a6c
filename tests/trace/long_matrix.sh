#!/bin/sh
# Every kind of event and every filter on a real boot of Debian's kernel with a program, with one and four harts: see
# long_matrix.py. check_matrix.sh does the same of a bare-metal program, under make check.
set -u
cd "$TMP" || exit 1
command -v python3 >/dev/null 2>&1 || { echo "python3 is not installed"; exit 77; }
cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
[ -n "$cache" ] || { echo "no Debian kernel here"; exit 77; }
python3 "$SRCDIR/tests/trace/long_matrix.py" "$cache"
