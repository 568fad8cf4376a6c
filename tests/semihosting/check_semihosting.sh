#!/bin/sh
# Semihosting: each call by hand in M, S and U mode, with blocks that point nowhere, in every engine and
# mode; both forms of the end; what is refused, and what is said of it; a folder, out of which no name
# leads; recordings, snapshots, GDB, traces; programs of a C library, as in QEMU.

set -u
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "no $cross, which builds the guest"; exit 77; }
passed=0
failed=0
good() { passed=$((passed + 1)); }
wrong() { failed=$((failed + 1)); echo "FAILED: $*: $(head -c 400 "$TMP/out") $(head -c 400 "$TMP/err")"; }
flags='-O2 -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector -fno-builtin -mcmodel=medany
    -march=rv64gc -mabi=lp64d -Wl,-N,-Ttext=0x80001000,--section-start=.init=0x80000000
    -Wl,--build-id=none,--no-warn-rwx-segments'
for mode in 0 1 2; do
    # Word splitting is meant: a list.
    # shellcheck disable=SC2086
    $cross $flags -DMODE=$mode -o "$TMP/mode$mode.elf" "$SRCDIR/tests/semihosting/program.c" || exit 1
done
for end in 2 3 4 5 6 7; do
    # shellcheck disable=SC2086
    $cross $flags -DEND=$end -o "$TMP/end$end.elf" "$SRCDIR/tests/semihosting/program.c" || exit 1
done

# run STATUS INPUT ARGUMENT...
run() {
    wanted=$1 typed=$2
    shift 2
    # shellcheck disable=SC2059
    printf "$typed" | timeout -s KILL 60 "$METIC" run "$@" >"$TMP/out" 2>"$TMP/err"
    status=$?
    if [ $status -eq "$wanted" ]; then good; else wrong "status $status, not $wanted: $*"; fi
}
says() { if grep -qF -- "$1" "$TMP/$2"; then good; else wrong "not said: $1"; fi; }
silent() { if grep -qF -- "$1" "$TMP/$2"; then wrong "said: $1"; else good; fi; }

# Every engine, clock and mode of the translator.
input='xy12345678\n'
while read -r mode how; do
    # Word splitting is meant: options.
    # shellcheck disable=SC2086
    run 42 "$input" "$TMP/mode$mode.elf" --semihosting=user --append 'more words and' $how
    says 'all is well' out
done <<'END'
0 --engine jit
1 --engine jit
2 --engine jit
1 --engine interp
2 --clock virtual
0 --engine both
1 --engine both
2 --engine both --eager-tier2
1 --eager-tier2
2 --eager-tier0
0 --no-tier0 --no-tier2
2 --one-entry-tlb
1 --block-insns 1
2 --no-links --verify
2 --digest-every 5k --engine interp
END
says '--semihosting-dir' err
says 'operation 0x99' err
says 'SYS_SYSTEM' err
if [ "$(grep -c 'semihosting-dir' "$TMP/err")" -eq 1 ]; then good; else wrong 'said more than once'; fi

# Ends. 5 points nowhere; 4 and 6 are no end of a program's own accord; 7 waits for more than there is.
while read -r end status; do
    run "$status" "$input" "$TMP/end$end.elf" --semihosting --append 'more words and'
done <<'END'
2 0
3 43
4 1
5 1
6 1
7 91
END
says 'waits for a character' err

# Off, and on for those who may: breakpoints, and a word on what is missing.
run 5 '' "$TMP/mode0.elf"
says '--semihosting answers' err
run 5 '' "$TMP/mode1.elf" --semihosting=off
run 5 '' "$TMP/mode2.elf" --semihosting
says '--semihosting=user' err
run 2 '' "$TMP/mode0.elf" --semihosting=maybe
run 2 '' "$TMP/mode0.elf" --semihosting-dir "$TMP/no-such-folder"

# Recorded and replayed, the end of the input included; the same digests.
for mode in 0 2; do
    (sleep 0.3; printf 'x'; sleep 0.3; printf 'y1234'; sleep 0.3; printf '5678\n') |
        timeout -s KILL 60 "$METIC" run "$TMP/mode$mode.elf" --semihosting=user --append 'a word and' \
            --record "$TMP/journal" --digest-every 3k >"$TMP/out" 2>"$TMP/err"
    status=$?
    if [ $status -eq 42 ]; then good; else wrong "recorded: $status"; fi
    grep digest "$TMP/err" >"$TMP/digests"
    run 42 '' "$TMP/mode$mode.elf" --semihosting=user --append 'a word and' --replay "$TMP/journal" \
        --digest-every 3k
    if grep digest "$TMP/err" | cmp -s - "$TMP/digests" && [ -s "$TMP/digests" ]; then good; else
        wrong "another run when replayed"
    fi
done

# Who waits for input takes no time, and can be ended; a script types.
run 42 '' "$TMP/mode0.elf" --semihosting --append 'more words and' --expect hello --send 'xy' --send '12345678\n'
run 42 '' "$TMP/mode0.elf" --semihosting --append 'more words and' --expect hello --send 'xy12345678\n' --clock virtual
for clock in real virtual; do
    sleep 20 | timeout -s TERM 1 "$METIC" run "$TMP/mode0.elf" --semihosting --append and --clock $clock \
        >"$TMP/out" 2>"$TMP/err"
    status=$?
    if [ $status -eq 124 ] && grep -q hello "$TMP/out"; then good; else wrong "waiting, $clock: $status"; fi
done

# A trace has the calls as instructions, with their results and what they wrote.
run 42 "$input" "$TMP/mode0.elf" --semihosting --append 'more words and' --trace "$TMP/trace"
"$METIC" trace show "$TMP/trace" --symbols "$TMP/mode0.elf" >"$TMP/out" 2>"$TMP/err"
if grep -q 'ebreak  *a0=3b9aca00$' "$TMP/out"; then good; else wrong 'no result in the trace'; fi
run 42 "$input" "$TMP/mode0.elf" --semihosting --append 'more words and' --trace "$TMP/trace" --trace-format spike
if grep -q '(0x00100073) x10 0x000000003b9aca00$' "$TMP/trace"; then good; else wrong 'no result in the commit log'; fi

# GDB, which itself skips a breakpoint instruction that it puts a breakpoint on, steps over a call; other breakpoints stay the program's own.
if command -v gdb-multiarch >/dev/null 2>&1; then
    printf 'xy12345678\n' | timeout -s KILL 60 "$METIC" run "$TMP/mode0.elf" --semihosting \
        --append 'more words and' --gdb="$TMP/gdb" --gdb-wait >"$TMP/out" 2>"$TMP/err" &
    metic=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "$TMP/gdb" ] || sleep 0.2; done
    timeout -s KILL 60 gdb-multiarch -nx -batch -ex 'set confirm off' -ex "target remote $TMP/gdb" \
        -ex 'break *host' -ex continue -ex stepi -ex 'printf "op %d\n", $a0' -ex stepi \
        -ex 'printf "behind %d: %d\n", $pc - (long)&host, $a0' -ex 'delete' -ex continue \
        "$TMP/mode0.elf" >"$TMP/gdb.out" 2>&1
    wait $metic
    status=$?
    if [ $status -eq 42 ]; then good; else wrong "under GDB: $status"; fi
    for line in 'op 49' 'behind 8: 1000000000'; do
        if grep -qx "$line" "$TMP/gdb.out"; then good; else wrong "GDB: not $line: $(cat "$TMP/gdb.out")"; fi
    done
fi

# The C library.
ccc=riscv64-unknown-elf-gcc
if ! echo 'int main(void) { return 0; }' >"$TMP/none.c" ||
    ! $ccc --specs=picolibc.specs -march=rv64gc -mabi=lp64d -mcmodel=medany -c -o "$TMP/none.o" "$TMP/none.c" 2>/dev/null; then
    echo "$passed passed, $failed failed, 1 skipped (no picolibc for $ccc)"
    [ $failed -eq 0 ]
    exit
fi
place='--defsym=__flash=0x80000000,--defsym=__flash_size=0x200000,--defsym=__ram=0x80200000'
place="$place,--defsym=__ram_size=0x400000,--defsym=__stack_size=0x10000"
$ccc -O2 -march=rv64gc -mabi=lp64d -mcmodel=medany --specs=picolibc.specs --oslib=semihost --crt0=semihost \
    -Wl,"$place" -o "$TMP/lib.elf" "$SRCDIR/tests/semihosting/library.c" || exit 1
fresh() {
    rm -rf "$TMP/dir"
    mkdir -p "$TMP/dir/folder"
    seq 1 20000 >"$TMP/dir/given"
}
seq 1 1000 | sed '1s/.*/6 7 words/; $s/.*/end/' >"$TMP/typed"

# lib STATUS ARGUMENT...: with that input.
lib() {
    wanted=$1
    shift
    timeout -s KILL 60 "$METIC" run "$TMP/lib.elf" --quiet "$@" <"$TMP/typed" >"$TMP/out" 2>"$TMP/err"
    status=$?
    if [ $status -eq "$wanted" ]; then good; else wrong "library, status $status, not $wanted: $*"; fi
}
fresh
if command -v qemu-system-riscv64 >/dev/null 2>&1; then
    (cd "$TMP/dir" && timeout -s KILL 60 qemu-system-riscv64 -M virt -display none -monitor none -serial none \
        -bios none -kernel "$TMP/lib.elf" -chardev "file,id=c,path=$TMP/qemu,input-path=$TMP/typed" \
        -semihosting-config enable=on,chardev=c,arg=lib.elf,arg=one,arg=17) >/dev/null 2>&1
    status=$?
    if [ $status -eq 17 ]; then good; else wrong "QEMU: $status"; fi
fi
for how in '--engine jit' '--engine interp' '--clock virtual' '--engine both'; do
    fresh
    # shellcheck disable=SC2086
    lib 17 --semihosting-dir "$TMP/dir" --append 'one 17' $how
    says '42, words' out
    if [ "$(ls "$TMP/dir" "$TMP/dir/folder" | wc -l)" -eq 6 ] && [ -s "$TMP/dir/folder/inside" ]; then good; else
        wrong "left in the folder: $(ls -R "$TMP/dir")"
    fi
done
cp "$TMP/out" "$TMP/first"
# Until the end of its input is there, QEMU's program waits: what it printed is compared.
if [ -s "$TMP/qemu" ]; then
    if cmp -s "$TMP/qemu" "$TMP/out"; then good; else
        wrong "QEMU says otherwise: $(diff "$TMP/qemu" "$TMP/out" | head -n 5)"
    fi
fi
fresh
lib 17 --semihosting-dir "$TMP/dir" --append 'one 17' --record "$TMP/journal"
fresh
rm "$TMP/dir/given"
lib 17 --semihosting-dir "$TMP/dir" --append 'one 17' --replay "$TMP/journal"
if cmp -s "$TMP/first" "$TMP/out" && [ "$(ls "$TMP/dir")" = folder ]; then good; else wrong 'the replay differs'; fi
fresh
lib 17 --semihosting-dir "$TMP/dir:ro" --append 'one 17'
says 'given r: ' out
says 'made w: errno' out
if [ ! -e "$TMP/dir/made" ]; then good; else wrong 'written though read-only'; fi
lib 7 --semihosting
says 'given r: errno 13' out

# Names and links lead nowhere else.
mkdir -p "$TMP/outside"
echo secret >"$TMP/outside/secret"
fresh
rm "$TMP/dir/given"
ln -s "$TMP/outside/secret" "$TMP/dir/given"
ln -s ../../outside "$TMP/dir/missing"
rmdir "$TMP/dir/folder"
ln -s "$TMP/outside" "$TMP/dir/folder"
mkfifo "$TMP/dir/made"
lib 17 --semihosting-dir "$TMP/dir" --append 'one 17'
says 'given r: errno 13' out
says 'folder/inside w: errno 13' out
says 'outside the folder' err
if [ "$(ls "$TMP/outside")" = secret ]; then good; else wrong "outside: $(ls "$TMP/outside")"; fi

# A snapshot, with a file open and input claimed.
cat >"$TMP/two.c" <<'END'
#include <stdio.h>
int main(void)
{
    char line[64];
    FILE *file = fopen("two", "w");
    printf("first %s", fgets(line, 64, stdin));
    for (volatile int i = 0; i < 1000000; i++) {
    }
    printf("second %s", fgets(line, 64, stdin));
    return fputs("x", file) < 0 || fflush(file) != 0 ? 8 : 9;
}
END
$ccc -O2 -march=rv64gc -mabi=lp64d -mcmodel=medany --specs=picolibc.specs --oslib=semihost --crt0=semihost \
    -Wl,"$place" -o "$TMP/two.elf" "$TMP/two.c" || exit 1
fresh
timeout -s KILL 60 "$METIC" run "$TMP/two.elf" --semihosting-dir "$TMP/dir" --clock virtual --save "$TMP/saved" \
    --save-at 1M --expect first --send 'more\n' <"$TMP/typed" >"$TMP/out" 2>"$TMP/err"
status=$?
if [ $status -eq 9 ]; then good; else wrong "to be saved: $status"; fi
printf 'other\n' | timeout -s KILL 60 "$METIC" restore "$TMP/saved" >"$TMP/out" 2>"$TMP/err"
status=$?
# The file is closed there.
if [ $status -eq 8 ] && grep -q '^second' "$TMP/out"; then good; else wrong "restored: $status"; fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
