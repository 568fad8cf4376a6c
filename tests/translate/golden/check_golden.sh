#!/bin/sh
# Host code of guest sequences, one block for each symbol g_..., compared with a listing: so that a
# change in code generation is seen in review, where it was meant and where it was not.
#   sequences.S  host.txt    the host's features are forced (--host-features plain): the same everywhere
#   vector.S     vector.txt  with AVX-512, on hosts that have it
#   vector.S     vector_avx2.txt  up to AVX2
#
#   sh tests/translate/golden/check_golden.sh --update    with METIC, SRCDIR and TMP set: writes them

set -u
update=${1:-}
golden=$SRCDIR/tests/translate/golden
passed=0
failed=0

cc=riscv64-linux-gnu-gcc
command -v $cc >/dev/null 2>&1 || { echo "no $cc (Debian: gcc-riscv64-linux-gnu)"; exit 77; }

# golden SEQUENCES LISTING OPTION...
golden() {
    source=$1
    listing=$2
    shift 2
    $cc -march=rv64gc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none \
        -o "$TMP/golden.elf" "$golden/$source" || exit 1
    names=$(sed -n 's/^ *sequence \([a-z]\)/\1/p' "$golden/$source")

    for name in $names; do
        "$METIC" run "$TMP/golden.elf" --firmware none --quiet --serial none --no-tier0 "$@" \
            --show "host@g_$name" >"$TMP/shown" 2>"$TMP/err" || { cat "$TMP/err"; exit 1; }
        echo "$name:"
        # How far away the common code or the cold part has a constant depends on their lengths.
        sed '1d; s/\[rip \([-+]\) 0x[0-9a-f]*\]/[rip \1 ...]/
            s/\((bytes) 62 .. .. .. .. [0-3][5d]\) .. .. ff ff/\1 .../' "$TMP/shown" |
            awk -f "$SRCDIR/tests/support/host_code.awk"
    done >"$TMP/$listing"

    [ "$update" = --update ] && cp "$TMP/$listing" "$golden/$listing"
    was_failed=$failed
    for name in $names; do
        for side in "$golden" "$TMP"; do
            awk -v name="$name:" '/^[a-z]/ { on = $0 == name } on' "$side/$listing"
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
    if [ $failed -gt $was_failed ]; then
        diff -u "$golden/$listing" "$TMP/$listing" | head -n 60
        echo "meant? sh tests/translate/golden/check_golden.sh --update, and look at the difference"
    fi
}

golden sequences.S host.txt --host-features plain
if grep -qw avx2 /proc/cpuinfo && grep -qw bmi2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    golden vector.S vector_avx2.txt --cpu rv64,v=on --host-features avx2
else
    echo "no AVX2 here: the vector sequences are not compared"
fi
if grep -qw avx512bw /proc/cpuinfo && grep -qw avx512vl /proc/cpuinfo; then
    golden vector.S vector.txt --cpu rv64,v=on
else
    echo "no AVX-512 here: the vector sequences are not compared"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
