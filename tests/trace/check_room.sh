#!/bin/sh
# Traces of blocks whose generated code looks for room only now and then (PROBE_LOOK_INSNS in
# translate/probe/probe.h): a program that writes three words for each instruction, which is as many
# as there is room for. Behind that is a page that ends the process.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
$cross -nostdlib -static -march=rv64gc -Wl,-n,-Ttext=0x80000000,--build-id=none -o room.elf \
    "$SRCDIR/tests/trace/room.S" || exit 1

# is WHAT IS SHOULD-BE
is() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $1: $2, not $3"
    fi
}
# recorded WHAT OPTION...: the program, and what its trace says ran.
recorded() {
    what=$1
    shift
    rm -f room.trace
    timeout -k 5 100 "$METIC" run room.elf --quiet --trace room.trace --trace-events blocks "$@" \
        </dev/null >out 2>err
    is "status, $what" $? 0
    timeout -k 5 100 "$METIC" trace query room.trace counts insn >counts 2>err
    is "status of the query, $what" $? 0
}

# With a filter each path tells its count, too; without samples of hot code nothing but the
# stream itself has the hart look.
for options in "--no-tier0 --no-tier2" "--no-tier2" "--no-tier0" "--eager-tier0 --clock virtual" \
    "--engine interp"; do
    for filter in "--trace-filter priv=MSU" ""; do
        # shellcheck disable=SC2086
        recorded "$options $filter" $options $filter
        is "branches, $options $filter" "$(awk '$3 == "c.beqz" { print $1 }' counts)" 500500
    done
done

# A ring has the last ones: fewer, but whole pieces up to the end.
for filter in "--trace-filter priv=MSU" ""; do
    # shellcheck disable=SC2086
    recorded "ring $filter" --no-tier0 --no-tier2 --trace-last 64k $filter
    count=$(awk '$3 == "c.beqz" { print $1 }' counts)
    is "a part of the branches, ring $filter" $((count > 1000 && count < 500000)) 1
    timeout -k 5 100 "$METIC" trace show room.trace 2>err | tail -n 2 >shown
    is "the last instructions, ring $filter" "$(grep -cE 'c\.sw a5|stop +c\.j' shown)" 2
done

# Whatever its size, it is the end of the whole trace, and no less of it than the size says: three
# words of eight bytes an instruction, of which a chunk, an eighth, may be gone.
recorded whole --no-tier0 --no-tier2 --trace-filter priv=MSU
timeout -k 5 100 "$METIC" trace show room.trace 2>err >whole
for kib in 64 300 1024 3000; do
    recorded "$kib KiB" --no-tier0 --no-tier2 --trace-filter priv=MSU --trace-last ${kib}K
    timeout -k 5 100 "$METIC" trace show room.trace 2>err >shown
    lines=$(wc -l <shown)
    is "the last lines, $kib KiB" "$(tail -n "$lines" whole | cmp - shown 2>&1)" ""
    least=$((kib * 1024 / 24 * 7 / 8 - 1000))
    is "$lines lines of $kib KiB are enough" $((lines >= least)) 1
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
