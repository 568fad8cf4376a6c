#!/bin/sh
# Files that the code's comments name are there. (What pages say is checked by check_walk.sh.)

set -u
cd "$SRCDIR" || exit 1
find . \( -name .git -o -name obj -o -name 'build*' \) -prune -o -type f -print >"$TMP/files"
sed 's|.*/||' "$TMP/files" | LC_ALL=C sort -u >"$TMP/names"
bad=0
grep -E '^\./(cpu|translate|hw|ui|roms|tests)/.*\.(c|h|S|def|sh)$' "$TMP/files" |
    grep -v '^\./tests/lint/' | xargs grep -HnE '[A-Za-z0-9_]\.(c|h|def|sh|md)([^A-Za-z0-9_(]|$)' |
    grep -E '^[^:]*:[0-9]*:.*(/?\*|//|#) ' | grep -vE '#[[:space:]]*include' >"$TMP/lines"
[ -s "$TMP/lines" ] || { echo "found no comment: the check itself is broken"; exit 1; }
while IFS= read -r line; do
    where=${line%%:*}
    text=${line#*:*:}
    for name in $(printf '%s\n' "$text" |
        grep -oE '[A-Za-z0-9_/<>*$.-]*[A-Za-z0-9_>*]\.(c|h|def|sh|md)([^A-Za-z0-9_(]|$)' |
        sed -E 's/[^A-Za-z0-9_]$//; s/^(\.\/|>)//'); do
        case $name in
        *'<'* | *'*'* | *'$'* | lib*) continue ;;
        esac
        case $name in
        */*) [ -e "$name" ] || grep -q "/$name\$" "$TMP/files" && continue ;;
        *) grep -qxF "$name" "$TMP/names" && continue ;;
        esac
        echo "$where names $name, which is not there"
        bad=1
    done
done <"$TMP/lines"
exit $bad
