#!/bin/sh
# Runs the commands of docs/tracing.md, in the page's order. A line <!-- check: STATUS says: PATTERN -->
# stands before each group of them: the last one ends so, and its output has a line like that.
set -u
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/guest
passed=0
failed=0
command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 ||
    { echo "no riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
[ -s "$cache/vmlinuz" ] || { echo "no Debian kernel here"; exit 77; }

awk '/^<!-- check: / { sub(/^<!-- check: /, ""); sub(/ -->$/, ""); want = $0; inside = 1; next }
     inside && /^    / { print want "\t" substr($0, 5); next }
     { inside = 0 }' "$SRCDIR/docs/tracing.md" >"$TMP/commands"
[ "$(wc -l <"$TMP/commands")" -ge 15 ] || { echo "the page has no commands"; exit 1; }
tab=$(printf '\t')
while IFS="$tab" read -r want line; do
    status=${want%% *}
    pattern=
    case $want in *says:\ *) pattern=${want#*says: } ;; esac
    M="$METIC" G=$cache SRC=$SRCDIR CC=${CC:-cc} timeout -k 5 120 sh -c "cd '$TMP' && $line" \
        >"$TMP/out" 2>&1 </dev/null
    got=$?
    if [ $got -eq "$status" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$TMP/out"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "status $got, not $status, or no '$pattern': $line"
        tail -n 15 "$TMP/out"
    fi
done <"$TMP/commands"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
