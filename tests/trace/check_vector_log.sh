#!/bin/sh
# The commit log's lines of vector instructions are the known ones (vector_log.S, vector_log.txt), in
# both engines. tests/isa/check_spike_vector.sh compares many more with Spike's, where it is installed.

set -u
cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
cd "$TMP" || exit 1
$cc -march=rv64gcv -mno-relax -fno-pic -nostdlib -static -o vector_log.elf \
    -Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    "$SRCDIR/tests/trace/vector_log.S" || exit 1

passed=0
failed=0
for engine in jit interp; do
    timeout -k 5 100 "$METIC" run vector_log.elf --quiet --ram 256M --cpu rv64,v=on,vlen=128 \
        --engine $engine --trace-format spike --trace log </dev/null >out 2>&1
    sed -n '/ 0x0000000080000080 (/,/ mem 0x[0-9a-f]* 0x0*1$/p' log >known
    if cmp -s known "$SRCDIR/tests/trace/vector_log.txt"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $engine: what is known, and the log:"
        diff "$SRCDIR/tests/trace/vector_log.txt" known | sed 's/^/    /'
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
