#!/bin/sh
# Runs the commands of docs/tracing.md, in the page's order. A line <!-- check: STATUS says: PATTERN -->
# stands before each group of them: the last one ends so, and its output has a line like that. A line
# <!-- shows --> stands before what the last command prints, or the first lines of it and then `...`, blanks at
# their ends left out; <!-- shows: kernel --> the same of the kernel that the page names, else it is passed over.
#
#   sh tests/docs/check_tracing.sh --update     with METIC, SRCDIR and TMP set: writes what is shown anew
set -u
update=${1:-}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/guest
page=$SRCDIR/docs/tracing.md
passed=0
failed=0
command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 ||
    { echo "no riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
[ -s "$cache/vmlinuz" ] || { echo "no Debian kernel here"; exit 77; }

# commands: a line for each. shows: which command, and what it is said to print.
awk -v dir="$TMP" '
    /^<!-- check: / { sub(/^<!-- check: /, ""); sub(/ -->$/, ""); want = $0; inside = 1; next }
    /^<!-- shows/ { print ++blocks, commands, $2 == "-->" ? "any" : "kernel" >(dir "/blocks"); shown = 1; next }
    /^    / && inside { print want "\t" substr($0, 5) >(dir "/commands"); commands++; next }
    /^    / && shown { print substr($0, 5) >(dir "/shown." blocks); next }
    { inside = shown = 0 }' "$page"
[ "$(wc -l <"$TMP/commands")" -ge 15 ] || { echo "the page has no commands"; exit 1; }
[ "$(wc -l <"$TMP/blocks")" -ge 8 ] || { echo "the page shows nothing"; exit 1; }
kernel=$(sed -n 's/^<!-- kernel: \(.*\) -->$/\1/p' "$page")
same_kernel=no
if "$METIC" inspect "$cache/vmlinuz" | grep -qF "Image $kernel "; then same_kernel=yes; fi

tab=$(printf '\t')
number=0
while IFS="$tab" read -r want line; do
    number=$((number + 1))
    status=${want%% *}
    pattern=
    case $want in *says:\ *) pattern=${want#*says: } ;; esac
    M="$METIC" G=$cache SRC=$SRCDIR CC=${CC:-cc} timeout -k 5 120 sh -c "cd '$TMP' && $line" \
        >"$TMP/out.$number" 2>&1 </dev/null
    got=$?
    if [ $got -eq "$status" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$TMP/out.$number"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "status $got, not $status, or no '$pattern': $line"
        tail -n 15 "$TMP/out.$number"
    fi
done <"$TMP/commands"

# What is shown, as the command prints it now.
while read -r block number which; do
    [ "$which" = any ] || [ $same_kernel = yes ] || continue
    shown=$TMP/shown.$block
    if [ "$(tail -n 1 "$shown")" = ... ]; then
        lines=$(($(wc -l <"$shown") - 1))
        { sed 's/ *$//' "$TMP/out.$number" | head -n $lines; echo ...; } >"$TMP/now.$block"
    else
        sed 's/ *$//' "$TMP/out.$number" >"$TMP/now.$block"
    fi
    if [ "$update" = --update ]; then cp "$TMP/now.$block" "$shown"; fi
    if [ -s "$TMP/now.$block" ] && diff -u "$shown" "$TMP/now.$block"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "tracing.md: this is not what is printed by: $(sed -n "${number}s/^[^$tab]*$tab//p" "$TMP/commands")"
    fi
done <"$TMP/blocks"

if [ "$update" = --update ]; then
    awk -v dir="$TMP" '
        /^<!-- shows/ {
            print
            file = dir "/shown." ++blocks
            while ((getline text < file) > 0) { print "    " text }
            shown = 1
            next
        }
        /^    / && shown { next }
        { shown = 0; print }' "$page" >"$TMP/page" && cp "$TMP/page" "$page"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
