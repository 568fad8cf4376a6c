#!/bin/sh
# Every row of the instruction table disassembles as binutils' objdump -M no-aliases prints it.
#
# Where the two are known to differ, and why:
#   c.nop                      objdump spells it c.addi zero,0 unless aliases are on
#   c.slli64 and kin           objdump's name for a HINT: c.slli with a shift of 0
#   c.addi16sp sp,0x0          a reserved encoding, which is none of ours
#   fcvt.d.w, .wu, .s          objdump knows them with rm 0 only
#   CSRs                       names that one side does not have; the other prints a number
#   instructions that the installed objdump does not know at all (it prints .4byte)
set -u
objdump=riscv64-linux-gnu-objdump
as=riscv64-linux-gnu-as
if ! command -v $objdump >/dev/null 2>&1 || ! command -v $as >/dev/null 2>&1; then
    echo "no $objdump (Debian package binutils-riscv64-linux-gnu)"
    exit 77
fi
work=${TMP:-.}
words=$work/disasm_words
${CC:-cc} -std=gnu11 -O1 -D_GNU_SOURCE -I"$SRCDIR" -o "$words" \
    "$SRCDIR/tests/cpu/riscv64/disasm_words.c" libmetic-cpu.a libmetic-base.a -pthread || exit 1

march=rv64gc
if echo nop | $as -march=rv64gcv -o /dev/null - 2>/dev/null; then
    march=rv64gcv
fi
for extension in zba zbb zbs zicbom zicboz zicbop zawrs zihintpause zicond svinval; do
    if echo nop | $as -march=${march}_$extension -o /dev/null - 2>/dev/null; then
        march=${march}_$extension
    fi
done

count=${LONG:+1000}
count=${count:-40}
failed=0
passed=0
for seed in 1 2 3; do
    "$words" $seed "$count" >"$work/ours"
    awk '{ print ".insn " $1 ", 0x" $2 }' "$work/ours" >"$work/words.s"
    $as -march=$march -o "$work/words.o" "$work/words.s" || exit 1
    $objdump -dz -M no-aliases "$work/words.o" |
        sed -n 's/^ *[0-9a-f]*:\t[0-9a-f]* *\t//p' >"$work/theirs"
    cut -d' ' -f3- "$work/ours" | paste -d'|' - "$work/theirs" >"$work/pairs"
    awk -F'|' '
        function strip(text) { sub(/ *#.*/, "", text); sub(/ <.*/, "", text); return text }
        {
            ours = $1; theirs = strip($2); lines++
            if (ours == theirs) { same++; next }
            # jump targets: objdump omits 0x in an object file
            hex = theirs
            if (sub(/[0-9a-f]+$/, "0x&", hex) && ours == hex) { same++; next }
            if (ours == "c.nop" && theirs == "c.addi\tzero,0") next
            if (theirs ~ /^c\.[a-z]*64\t/) next
            if (theirs == "c.addi16sp\tsp,0x0" || theirs == "c.addi16sp\tsp,0") next
            if (theirs ~ /^\.4byte/ && ours ~ /^(fcvt\.d\.|czero\.)/) next
            if (ours ~ /^csrr/ && (ours ~ /0x/ || theirs ~ /0x/)) next
            print "ours   " ours "\ntheirs " theirs; bad++
        }
        END {
            if (lines == 0 || same < lines * 0.9) { print same + 0, "of", lines + 0, "agree"; bad++ }
            exit bad > 0
        }' "$work/pairs" >"$work/differences" && passed=$((passed + 1)) || {
        failed=$((failed + 1))
        head -n 20 "$work/differences"
    }
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
