#!/bin/sh
# Checks cpu/fpu.h against Berkeley TestFloat 3: every function the driver knows, five roundings.
#
#   run_testfloat.sh [DIR]     DIR: where testfloat_gen was built, or the program itself
#
# Build TestFloat and SoftFloat with `make SPECIALIZE_TYPE=RISCV` so that NaN results are canonical.
# Environment: FPU_TESTFLOAT  the built driver (else it is compiled here from the tree with $CC)
#              TESTFLOAT_LEVEL 1 (default) or 2 (many more vectors: hours for mulAdd)
#              TESTFLOAT_SKIP  functions to leave out, separated by blanks
# Status: 0 when nothing differs, or when no DIR is given (said so); 1 otherwise.
set -eu

gen=${1-}
if [ -z "$gen" ]; then
    echo "run_testfloat: skipped: no path of testfloat_gen given"
    exit 0
fi
if [ -d "$gen" ]; then
    gen=$gen/testfloat_gen
fi
if [ ! -x "$gen" ]; then
    echo "run_testfloat: $gen is not a program; build TestFloat there or give another path" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
driver=${FPU_TESTFLOAT-}
if [ -z "$driver" ]; then
    top=$(cd "$(dirname "$0")/../.." && pwd)
    driver=$work/fpu_testfloat
    ${CC:-cc} -std=gnu11 -O2 -I"$top" -o "$driver" \
        "$top"/tests/cpu/fpu_testfloat.c "$top"/cpu/fpu_*.c
fi

failures=0
for function in $("$driver" --list); do
    case " ${TESTFLOAT_SKIP-} " in
    *" $function "*) continue ;;
    esac
    for rounding in rne:near_even rtz:minMag rdn:min rup:max rmm:near_maxMag; do
        "$gen" -level "${TESTFLOAT_LEVEL:-1}" -exact -tininessafter "-r${rounding#*:}" \
            "$function" 2>"$work/gen" |
            "$driver" "$function" "${rounding%:*}" >>"$work/log" || failures=$((failures + 1))
        tail -n 1 "$work/log"
    done
done
awk '/ vectors, / { vectors += $3; differences += $5; runs++ }
     END { printf "total: %d runs, %d vectors, %d differences\n", runs, vectors, differences }' \
    "$work/log"
if [ "$failures" -ne 0 ]; then
    grep '^  ' "$work/log" || true
    echo "run_testfloat: $failures runs failed"
    exit 1
fi
