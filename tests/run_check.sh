#!/bin/sh
# Runs one test, a Criterion program (obj/tests/...) or a script (tests/.../*.sh, relative to SRCDIR),
# in the build directory, and prints a line for it; behind that what it said, if it failed. For
# run_checks.sh, several at once: what is printed comes in one piece. Adds a line
# "PASSED FAILED SKIPPED NAME" to the file RESULTS.

set -u
: "${SRCDIR:?} ${METIC:?} ${RESULTS:?run this through make check}"
limit_s=${CHECK_TIMEOUT_S:-600}
[ -z "${LONG:-}" ] || limit_s=${CHECK_TIMEOUT_S:-9000}
name=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
skipped=0

# report VERDICT NOTE: with how long it took, from some seconds on.
report() {
    took_s=$(($(date +%s) - start_s))
    [ $took_s -lt 5 ] && took= || took="  $took_s s"
    {
        flock 8
        printf '%-7s %s%s%s\n' "$1" "$name" "${2:+  ($2)}" "$took"
        [ "$1" != FAILED ] || tail -n 60 "$work/out" | sed 's/^/    | /'
        printf '%d %d %d %s\n' "$passed" "$failed" "$skipped" "$name" >>"$RESULTS"
    } 8>"$RESULTS.lock"
}

# verdict OK_NOTE FAILED_NOTE
verdict() {
    if [ "$failed" -ne 0 ]; then report FAILED "$2"; else report ok "$1"; fi
}

run_criterion() {
    timeout -k 10 "$limit_s" "./$name" --tap="$work/tap" >"$work/out" 2>&1 </dev/null
    status=$?
    if [ -f "$work/tap" ]; then
        skipped=$(grep -c '^ok .*# *SKIP' "$work/tap")
        passed=$(grep '^ok ' "$work/tap" | grep -vc '# *SKIP')
        failed=$(grep -c '^not ok ' "$work/tap")
    fi
    # A crash of the runner itself, or a program without a test, is a failure too.
    if [ "$failed" -eq 0 ] && { [ $status -ne 0 ] || [ $((passed + skipped)) -eq 0 ]; }; then failed=1; fi
    verdict "$passed" "$passed passed, $failed failed, status $status"
}

run_script() {
    mkdir "$work/tmp"
    TMP="$work/tmp" timeout -k 10 "$limit_s" sh "$SRCDIR/$name" >"$work/out" 2>&1 </dev/null
    status=$?
    last=$(tail -n 1 "$work/out")
    counts=$(printf '%s\n' "$last" | sed -n \
        's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p')
    if [ $status -eq 77 ]; then
        skipped=1
        report skipped "$last"
    elif [ -n "$counts" ]; then
        # shellcheck disable=SC2086
        set -- $counts 0
        passed=$1
        failed=$2
        skipped=$3
        if [ "$failed" -eq 0 ] && [ $status -ne 0 ]; then failed=1; fi
        verdict "$last" "$last, status $status"
    else
        if [ $status -eq 0 ]; then passed=1; else failed=1; fi
        verdict '' "status $status"
    fi
}

start_s=$(date +%s)
case $name in
*.sh) run_script ;;
*) run_criterion ;;
esac
