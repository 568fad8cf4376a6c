#!/bin/sh
# Runs the tests given as arguments: Criterion programs (obj/tests/...) and scripts (tests/.../*.sh,
# relative to SRCDIR). Prints a line for each, the output of those that fail, and one line at the
# end: N passed, N failed, N skipped. Exit status 1 when anything failed.
#
# A script passes with status 0 and is skipped with 77, its last line saying why. It may count for
# itself by ending with "N passed, N failed" or "N passed, N failed, N skipped". It is started in
# the build directory with SRCDIR, METIC (the program), CC, RISCV_TESTS, TESTFLOAT, XV6, FREERTOS,
# NUTTX and LONG (1 under check-long) in its environment, and TMP, a directory of its own that is removed afterwards.

set -u
: "${SRCDIR:?run this through make check}"
SRCDIR=$(cd "$SRCDIR" && pwd)
METIC=${METIC:-$(pwd)/metic}
export SRCDIR METIC
limit_s=${CHECK_TIMEOUT_S:-600}
[ -z "${LONG:-}" ] || limit_s=${CHECK_TIMEOUT_S:-9000}

passed=0
failed=0
skipped=0
failures=
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# line VERDICT NAME NOTE: with how long it took, from some seconds on.
line() {
    took_s=$(($(date +%s) - start_s))
    [ $took_s -lt 5 ] && took= || took="  $took_s s"
    printf '%-7s %s%s%s\n' "$1" "$2" "${3:+  ($3)}" "$took"
}

fail() {
    failures="$failures $1"
    line FAILED "$1" "$2"
    tail -n 60 "$work/out" | sed 's/^/    | /'
}

# count N P S: adds to the totals.
add() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

run_criterion() {
    timeout -k 10 "$limit_s" "./$1" --tap="$work/tap" >"$work/out" 2>&1 </dev/null
    status=$?
    ok=0 bad=0 skip=0
    if [ -f "$work/tap" ]; then
        skip=$(grep -c '^ok .*# *SKIP' "$work/tap")
        ok=$(grep '^ok ' "$work/tap" | grep -vc '# *SKIP')
        bad=$(grep -c '^not ok ' "$work/tap")
    fi
    # A crash of the runner itself, or a program without a test, is a failure too.
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((ok + skip)) -eq 0 ]; }; then bad=1; fi
    add "$ok" "$bad" "$skip"
    if [ "$bad" -ne 0 ]; then
        fail "$1" "$ok passed, $bad failed, status $status"
    else
        line ok "$1" "$ok"
    fi
}

run_script() {
    mkdir "$work/tmp"
    TMP="$work/tmp" timeout -k 10 "$limit_s" sh "$SRCDIR/$1" >"$work/out" 2>&1 </dev/null
    status=$?
    rm -rf "$work/tmp"
    last=$(tail -n 1 "$work/out")
    counts=$(printf '%s\n' "$last" | sed -n \
        's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p')
    if [ "$status" -eq 77 ]; then
        add 0 0 1
        line skipped "$1" "$last"
    elif [ -n "$counts" ]; then
        # shellcheck disable=SC2086
        set -- "$1" $counts 0
        bad=$3
        if [ "$bad" -eq 0 ] && [ "$status" -ne 0 ]; then bad=1; fi
        add "$2" "$bad" "$4"
        if [ "$bad" -ne 0 ]; then fail "$1" "$last, status $status"; else line ok "$1" "$last"; fi
    elif [ "$status" -eq 0 ]; then
        add 1 0 0
        line ok "$1"
    else
        add 0 1 0
        fail "$1" "status $status"
    fi
}

for test in "$@"; do
    case $test in
    *"${ONLY:-}"*) ;;
    *) continue ;;
    esac
    rm -f "$work/tap"
    start_s=$(date +%s)
    case $test in
    *.sh) run_script "$test" ;;
    *) run_criterion "$test" ;;
    esac
done

if [ "$failed" -ne 0 ]; then
    printf 'Failed:%s\n' "$failures"
fi
if [ $((passed + failed + skipped)) -eq 0 ]; then
    echo "no test ran"
    failed=1
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
