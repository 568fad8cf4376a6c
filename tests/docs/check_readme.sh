#!/bin/sh
# Runs the commands of README.md that stand after a line <!-- check: run --> or <!-- check: boot -->,
# in the order of the page. `run`: each line ends with status 0. `boot`: the same, but a machine
# boots Debian's kernel, so each of them gets a limit and must reach it (124); left out when the
# kernel is not in the cache. Also: relative links on the pages lead to files.

set -u
build=$PWD
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/guest
passed=0
failed=0
skipped=0

# commands: lines "KIND command" of the README.
commands() {
    awk '/^<!-- check: / { kind = $3; next }
         kind != "" && /^    / { print kind, substr($0, 5); inside = 1; next }
         inside { kind = ""; inside = 0 }' "$SRCDIR/README.md"
}

# one KIND COMMAND, in the directory that the page's commands share.
one() {
    wanted=0
    line=$2
    case $1-$line in
    boot-\$M\ run*)
        [ -s "$cache/vmlinuz" ] || { skipped=$((skipped + 1)); return; }
        line="$line --limit-insns 20M" wanted=124
        ;;
    *make\ install*) line="cd '$build' && $(printf %s "$line" | sed "s|=\$PWD|='$TMP'|")" ;;
    esac
    M=$METIC G=$cache SRC=$SRCDIR timeout -k 5 120 sh -c "cd '$TMP' && $line" >"$TMP/out" 2>&1 </dev/null
    status=$?
    if [ $status -eq $wanted ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "status $status, not $wanted: $line"
        tail -n 20 "$TMP/out"
    fi
}

command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 ||
    { echo "no riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
commands >"$TMP/commands"
[ "$(wc -l <"$TMP/commands")" -ge 10 ] || { echo "the README has no commands to check"; exit 1; }
while read -r kind line; do
    one "$kind" "$line" </dev/null
done <"$TMP/commands"

for page in $(cd "$SRCDIR" && ls ./*.md translate/*.md docs/*.md roms/*.md); do
    for target in $(cd "$SRCDIR" && grep -o '](\([^)#]*\)' "$page" | sed 's/^](//'); do
        case $target in *://*) continue ;; esac
        if [ -e "$SRCDIR/$(dirname "$page")/$target" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$page: there is no $target"
        fi
    done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
