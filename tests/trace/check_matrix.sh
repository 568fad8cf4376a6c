#!/bin/sh
# Every kind of event, every filter, every form of metic run --trace, on a bare-metal program that does a little of
# everything: see matrix.py.
set -u
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
for program in $cross python3; do
    command -v $program >/dev/null 2>&1 || { echo "$program is not installed"; exit 77; }
done
$cross -march=rv64gc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    -o matrix.elf "$SRCDIR/tests/trace/matrix.S" || exit 1
# place SYMBOL: its address, without 0x.
place() { riscv64-linux-gnu-nm matrix.elf | awk -v name="$1" '$3 == name { print $1 }'; }
python3 "$SRCDIR/tests/trace/matrix.py" "$(place work)" "$(place shout)" "$(place leaf)"
