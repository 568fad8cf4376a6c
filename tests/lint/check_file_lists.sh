#!/bin/sh
# The explicit lists in Makefile.in name exactly the files that are in the tree.

set -u
cd "$SRCDIR" || exit 1
sed -n '/^# ---- What belongs to which layer/,/^# ---- Derived/p' Makefile.in |
    sed -e '/^#/d' -e '/^$/d' >"$TMP/listed"
sh tests/lint/file_lists.sh >"$TMP/tree"
diff "$TMP/listed" "$TMP/tree" && exit 0
echo "The lists in Makefile.in (<) are not what the tree has (>): tests/lint/file_lists.sh --write"
exit 1
