#!/bin/sh
# The upstream RISC-V ISA tests (github.com/riscv-software-src/riscv-tests), built outside the tree:
#     make check RISCV_TESTS=DIR
# DIR has the built programs (rv64ui-p-add, ...) or is a checkout with them in DIR/isa. They run on
# the translator and the interpreter, under check-long in lock-step of both too.

set -u
dir=${RISCV_TESTS:-}
[ -n "$dir" ] || { echo "give the built riscv-tests with make check RISCV_TESTS=DIR"; exit 77; }
[ ! -d "$dir/isa" ] || dir=$dir/isa

# What metic implements: a test of an extension that it has not would fail for that alone.
list() {
    (cd "$dir" && ls) | LC_ALL=C grep -E \
        '^rv64(ui|um|ua|uf|ud|uc|mi|si|uzba|uzbb|uzbs|ssvnapot|mzicbo|uzicond)-[pv]-[^.]*$'
}
count=$(list | wc -l)
[ "$count" -gt 0 ] || { echo "no built riscv-tests in $RISCV_TESTS"; exit 1; }

engines="jit interp"
[ -z "${LONG:-}" ] || engines="$engines both"

# run.sh ENGINE PROGRAM: one line when it fails.
cat >"$TMP/run.sh" <<'END'
log=$TMP/$1-$(basename "$2")
timeout 60 "$METIC" run "$2" --engine "$1" --quiet >"$log" 2>&1 </dev/null
status=$?
[ $status -eq 0 ] || echo "FAIL $1 $(basename "$2") status $status: $(tail -n 1 "$log")"
rm -f "$log"
END

failed=0
for engine in $engines; do
    list | sed "s|^|$dir/|" | xargs -P 2 -n 1 sh "$TMP/run.sh" "$engine" >"$TMP/failures"
    cat "$TMP/failures"
    bad=$(wc -l <"$TMP/failures")
    echo "$engine: $((count - bad)) of $count"
    failed=$((failed + bad))
done
total=$((count * $(echo "$engines" | wc -w)))
echo "$((total - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
