#!/bin/sh
# Runs the tests given as arguments: Criterion programs (obj/tests/...) and scripts (tests/.../*.sh,
# relative to SRCDIR), as many at once as the host has processors, at most four; CHECK_LANES=N
# says another number. Prints a line for each, the output of those that fail, and one line at the
# end: N passed, N failed, N skipped. Exit status 1 when anything failed.
#
# A script passes with status 0 and is skipped with 77, its last line saying why. It may count for
# itself by ending with "N passed, N failed" or "N passed, N failed, N skipped". It is started in
# the build directory with SRCDIR, METIC (the program), CC, RISCV_TESTS, TESTFLOAT, XV6, FREERTOS,
# NUTTX and LONG (1 under check-long) in its environment, and TMP, a directory of its own that is
# removed afterwards. Others run beside it: what it changes outside TMP must stand that.

set -u
: "${SRCDIR:?run this through make check}"
SRCDIR=$(cd "$SRCDIR" && pwd)
METIC=${METIC:-$(pwd)/metic}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
RESULTS=$work/results
export SRCDIR METIC RESULTS
: >"$RESULTS"

lanes() {
    processors=$(getconf _NPROCESSORS_ONLN)
    echo "${CHECK_LANES:-$((processors < 4 ? processors : 4))}"
}

for test in "$@"; do
    case $test in *"${ONLY:-}"*) printf '%s\n' "$test" ;; esac
done | xargs -r -n 1 -P "$(lanes)" sh "$SRCDIR/tests/run_check.sh"
ended=$?

summary=$(awk '{ p += $1; f += $2; s += $3 } $2 { names = names " " $4 }
    END { printf "%d %d %d%s", p, f, s, names }' "$RESULTS")
# shellcheck disable=SC2086
set -- $summary
passed=$1
failed=$2
skipped=$3
shift 3
[ $# -eq 0 ] || echo "Failed: $*"
if [ "$failed" -eq 0 ] && [ $ended -ne 0 ]; then
    echo "the tests were not all run"
    failed=1
elif [ $((passed + failed + skipped)) -eq 0 ]; then
    echo "no test ran"
    failed=1
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
