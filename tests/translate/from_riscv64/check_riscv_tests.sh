#!/bin/sh
# make check RISCV_TESTS=DIR: the upstream RISC-V ISA tests, on interpreter and translator.
#
# DIR is where riscv-tests' isa/ was built: programs rv64ui-p-add, rv64ui-v-add and so on. Every one
# of the groups below is run; a program of them that does not pass is a failure, and so is finding
# none. RV32 and extensions that the hart does not have are left out by name.
set -u
if [ -z "${RISCV_TESTS:-}" ]; then
    echo "give RISCV_TESTS=DIR, riscv-tests' isa folder after a build"
    exit 77
fi
groups='ui um ua uf ud uc mi si uzba uzbb uzbs uzicond mzicbo ssvnapot'
passed=0
failed=0
for group in $groups; do
    for program in "$RISCV_TESTS/rv64$group"-[pv]-*; do
        case $program in
        *.dump | *.hex | *'*') continue ;;
        esac
        for engine in interp jit; do
            if timeout 60 "$METIC" run --engine $engine "$program" >"$TMP/out" 2>&1 </dev/null; then
                passed=$((passed + 1))
            else
                status=$?
                failed=$((failed + 1))
                echo "$(basename "$program") on $engine: status $status"
                tail -n 3 "$TMP/out"
            fi
        done
    done
done
if [ $((passed + failed)) -eq 0 ]; then
    echo "no programs named rv64ui-p-* in $RISCV_TESTS"
    failed=1
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
