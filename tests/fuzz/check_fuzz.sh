#!/bin/sh
# Every fuzzer for two seconds, linked with the libraries as they are built; only the target itself
# reports coverage. long_fuzz.sh does it properly.

set -u
sanitize=$(sed -n 's/^SANITIZE = //p' Makefile)
libs=$(sed -n 's/^LIBS = //p' Makefile)
flags="-std=gnu11 -O1 -D_GNU_SOURCE -pthread -I. -I$SRCDIR $sanitize"
passed=0
failed=0
# Word splitting is meant: these are lists.
# shellcheck disable=SC2086
$CC $flags -c -o "$TMP/driver.o" "$SRCDIR/tests/fuzz/fuzz.c" || exit 1
for target in "$SRCDIR"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    mkdir -p "$TMP/found/$name"
    # shellcheck disable=SC2086
    if $CC $flags -fsanitize-coverage=trace-pc -c -o "$TMP/target.o" "$target" &&
        $CC $flags -o "$TMP/fuzz" "$TMP/driver.o" "$TMP/target.o" libmetic-ui.a libmetic-hw.a \
            libmetic-translate.a libmetic-cpu.a libmetic-base.a $libs -ldl -lm &&
        timeout 60 "$TMP/fuzz" "${FUZZ_S:-2}" "${FUZZ_SEED:-1}" \
            "$SRCDIR/tests/fuzz/corpus/$name" "$TMP/found/$name"; then
        passed=$((passed + 1))
    else
        echo "$name: FAILED"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
