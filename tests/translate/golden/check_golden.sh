#!/bin/sh
# Host code of sequences.S, one block for each symbol g_..., compared with host.txt: so that a change
# in code generation is seen in review, where it was meant and where it was not. The host's features
# are forced (--plain-host), so the code is the same everywhere.
#
#   sh tests/translate/golden/check_golden.sh --update    with METIC, SRCDIR and TMP set: writes host.txt

set -u
update=${1:-}
golden=$SRCDIR/tests/translate/golden

cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }
$cc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o "$TMP/golden.elf" \
    "$golden/sequences.S" || exit 1
names=$(sed -n 's/^ *sequence \([a-z]\)/\1/p' "$golden/sequences.S")

for name in $names; do
    "$METIC" run "$TMP/golden.elf" --firmware none --quiet --serial none --plain-host \
        --show "host@g_$name" >"$TMP/shown" 2>"$TMP/err" || { cat "$TMP/err"; exit 1; }
    echo "$name:"
    sed 1d "$TMP/shown" | awk -f "$SRCDIR/tests/support/host_code.awk"
done >"$TMP/host.txt"

[ "$update" = --update ] && cp "$TMP/host.txt" "$golden/host.txt"

passed=0
failed=0
for name in $names; do
    for side in "$golden" "$TMP"; do
        awk -v name="$name:" '/^[a-z]/ { on = $0 == name } on' "$side/host.txt"
        echo "=="
    done >"$TMP/both"
    if awk '/^==/ { n++; next } { text[n + 0] = text[n + 0] "\n" $0 }
            END { exit !(text[0] != "" && text[0] == text[1]) }' "$TMP/both"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "other host code than before for $name"
    fi
done
if [ $failed -gt 0 ]; then
    diff -u "$golden/host.txt" "$TMP/host.txt" | head -n 60
    echo "meant? sh tests/translate/golden/check_golden.sh --update, and look at the difference"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
