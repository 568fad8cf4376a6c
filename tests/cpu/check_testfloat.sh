#!/bin/sh
# make check TESTFLOAT=PATH: cpu/fpu.h against Berkeley TestFloat vectors (see run_testfloat.sh).
set -u
if [ -z "${TESTFLOAT:-}" ]; then
    echo "give TESTFLOAT=PATH, a testfloat_gen built with SPECIALIZE_TYPE=RISCV"
    exit 77
fi
exec "$(dirname "$0")/run_testfloat.sh" "$TESTFLOAT"
