#!/bin/sh
# What a reader trips over: lines over 100 columns, tabs and trailing blanks in C, files over 700
# lines and functions over 90 (tables, tests and the one public header may be longer), and names that belong to one machine:
# package servers, home folders, scratch paths.

set -u
cd "$SRCDIR" || exit 1
bad=0

# complain WHY: prints standard input, if any, as complaints.
complain() {
    sed "s|\$|  ($1)|" >"$TMP/complaint"
    if [ -s "$TMP/complaint" ]; then
        cat "$TMP/complaint"
        bad=1
    fi
}

find cpu translate hw ui -name '*.[chS]' | LC_ALL=C sort >"$TMP/code"
find cpu translate hw ui tests roms -name '*.[chS]' -o -name '*.def' >"$TMP/all"
[ -s "$TMP/code" ] || { echo "found no code: the check itself is broken"; exit 1; }

# Rows of a table may be longer.
grep -v '\.def$' "$TMP/all" | LC_ALL=C.UTF-8 xargs grep -HnE '^.{101,}' | cut -d: -f1,2 >"$TMP/found"
complain "longer than 100 columns" <"$TMP/found"
xargs grep -HnE "$(printf '\t')|[[:space:]]\$" <"$TMP/all" | grep -v '\.S:' | cut -d: -f1,2 \
    >"$TMP/found"
complain "tab or trailing blank" <"$TMP/found"
xargs wc -l <"$TMP/code" | awk '$2 != "total" && $1 > 700 { print $2 ": " $1 " lines" }' \
    >"$TMP/found"
complain "a long file" <"$TMP/found"
xargs awk '
    FNR == 1 { start = 0 }
    /^[a-z].*\(/ && !/;[[:space:]]*$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
    /^\{/ || /^[a-z].*\)[[:space:]]*\{$/ { start = FNR }
    /^\}/ && start { if (FNR - start > 90) print FILENAME ":" start ": " name; start = 0 }
' <"$TMP/code" >"$TMP/found"
complain "a function of more than 90 lines" <"$TMP/found"

# Spelt so that this file does not find itself.
names='://[a-z.]*deb[i]an|://[a-z.]*ubun[t]u|://[a-z.]*np[m]|reg[i]stry\.|/ho[m]e/[a-z]|/ro[o]t/\.|/wo[r]k/'
find . \( -name .git -o -name obj -o -name 'build*' \) -prune -o -type f -print |
    grep -vE '\.(bin|elf|png|gz)$' | xargs grep -InE "$names" >"$TMP/found"
complain "names a server, or a path of one machine" <"$TMP/found"
exit $bad
