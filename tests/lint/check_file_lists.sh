#!/bin/sh
# The explicit lists in Makefile.in name exactly the files that are in the tree.

set -u
cd "$SRCDIR" || exit 1

# listed NAME: the words of that list, one a line.
listed() {
    sed -e ':again' -e '/\\$/{N;s/\\\n//;b again' -e '}' Makefile.in |
        sed -n "s/^$1 = //p" | tr -s ' \t' '\n\n' | sed '/^$/d' | LC_ALL=C sort
}

# compare NAME: the list against the file names on standard input.
compare() {
    LC_ALL=C sort >"$TMP/tree"
    listed "$1" >"$TMP/listed"
    if ! diff "$TMP/listed" "$TMP/tree" >"$TMP/diff"; then
        sed -n "s/^< \(.*\)/$1 lists \1, which is not in the tree/p
                s/^> \(.*\)/$1 does not list \1/p" "$TMP/diff"
        bad=1
    fi
}

bad=0
grep -q 'wildcard.*\.c)' Makefile.in && { echo "Makefile.in has wildcards for sources"; bad=1; }
find cpu/base -name '*.c' >"$TMP/in"; compare BASE_SRCS <"$TMP/in"
find cpu -name '*.c' ! -path 'cpu/base/*' >"$TMP/in"; compare CPU_SRCS <"$TMP/in"
find translate -name '*.c' >"$TMP/in"; compare TRANSLATE_SRCS <"$TMP/in"
find hw -name '*.c' >"$TMP/in"; compare HW_SRCS <"$TMP/in"
find ui -name '*.c' ! -name main.c >"$TMP/in"; compare UI_SRCS <"$TMP/in"
find tests -name 'test_*.c' >"$TMP/in"; compare TEST_SRCS <"$TMP/in"
find tests -name 'check_*.sh' >"$TMP/in"; compare CHECK_SCRIPTS <"$TMP/in"
find tests -name 'long_*.sh' >"$TMP/in"; compare LONG_SCRIPTS <"$TMP/in"
exit $bad
