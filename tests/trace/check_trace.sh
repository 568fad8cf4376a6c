#!/bin/sh
# metic run --trace and metic trace: on a program whose every instruction is known, and on Debian's
# kernel; filters, formats, queries, damaged files.
# shellcheck disable=SC2016
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }

wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
}
# says FILE PATTERN [N]: lines that match, N when given.
says() {
    count=$(grep -cE -- "$2" "$1")
    if [ "$count" = "${3:-$count}" ] && [ "$count" -gt 0 ]; then
        passed=$((passed + 1))
    else
        wrong "$1: $count times, not ${3:-any}: $2"
        head -n 20 "$1" | sed 's/^/    /'
    fi
}
# run STATUS ARGUMENT...: metic; output to out and err.
run() {
    wanted=$1
    shift
    timeout -k 5 100 "$METIC" "$@" >out 2>err </dev/null
    status=$?
    if [ $status -eq "$wanted" ]; then
        passed=$((passed + 1))
    else
        wrong "metic $*: status $status, not $wanted"
        sed 's/^/    /' err
    fi
}

$cross -g -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o hello.elf \
    "$SRCDIR/tests/docs/hello.S" || exit 1

# Every instruction, in both engines, is what the commit log says: pc and registers, in order.
for engine in jit interp; do
    run 0 run hello.elf --engine $engine --clock virtual --quiet --trace $engine.trace
    run 0 run hello.elf --engine $engine --clock virtual --quiet --trace-format spike --trace log
    run 0 trace show $engine.trace --format json
    sed -n 's/^{"event":"insn".*"pc":"0x\([0-9a-f]*\)".*/\1/p' out >ours
    sed 's/^core *0: 3 0x0*\([0-9a-f]*\) .*/\1/' log >theirs
    # The commit log does not see the instruction that ended the machine's run, nor those behind it.
    if [ -s theirs ] && head -n "$(wc -l <theirs)" ours | cmp -s - theirs; then
        passed=$((passed + 1))
    else
        wrong "$engine: other instructions than in the commit log"
        diff ours theirs | head
    fi
done
# Nor does it miss the code of a page that cannot be kept, or tell of a write that was ignored.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o protected.elf \
    "$SRCDIR/tests/trace/protected.S" || exit 1
for engine in jit interp; do
    run 0 run protected.elf --engine $engine --quiet --trace-format spike --trace log
    says log '^core   0: 3 0x00000000800000[0-3]' 15
    says log 'c944_pmpaddr0 0x0000000020' 1
    says log '3b001073\)$' 1
done
run 0 trace diff jit.trace interp.trace
says out '^hart 0: the same, [0-9]+ instructions$'
if command -v jq >/dev/null 2>&1; then
    "$METIC" trace show jit.trace --format json | jq -e . >/dev/null || wrong "no JSON"
    "$METIC" trace show jit.trace --format chrome | jq -e . >/dev/null || wrong "no JSON for Chrome"
fi
# As Perfetto reads it; beside calls, what devices did.
if command -v python3 >/dev/null 2>&1; then
    for how in '' --branches; do
        # shellcheck disable=SC2086
        "$METIC" trace show jit.trace $how --format chrome >chrome.json 2>err
        # shellcheck disable=SC2046
        if python3 "$SRCDIR/tests/trace/chrome.py" chrome.json i $([ -n "$how" ] && echo B E) >err; then
            passed=$((passed + 1))
        else
            wrong "Chrome's form $how: $(head -n 3 err)"
        fi
    done
fi
run 0 trace query jit.trace writes 0x10000000
says out '6c to 10000000$' 2
says out '000000008000003c putc\+0x8: ' 6
run 0 trace query jit.trace values a5
says out 'putc: 68$' 1
mv out named
run 0 trace query jit.trace values x15
cmp -s out named && passed=$((passed + 1)) || wrong "x15 is not a5"
for name in x32 f32 x1x x; do
    run 125 trace query jit.trace values $name
    says err "no symbol '$name'" 1
done
run 125 trace query jit.trace values pc
says err 'the pc is no register' 1
run 0 trace query jit.trace calls putc
says out 'putc\(10000000, [0-9a-f]+, 68, ' 1
# A call that never returns is told, too.
run 0 trace query jit.trace calls done
says out ': done\(.*, no return recorded$' 1
# What was written, held or returned can be chosen.
run 0 trace query jit.trace writes 0x10000000 --value 0x6c
says out ' 6c to 10000000$' 2
[ "$(wc -l <out)" -eq 2 ] && passed=$((passed + 1)) || wrong "other values than the one asked for"
run 0 trace query jit.trace values a5 --value 0x68
says out 'putc: 68$' 1
[ "$(wc -l <out)" -eq 1 ] && passed=$((passed + 1)) || wrong "other values of a5"
run 0 trace query jit.trace calls putc --value 0x10000000
says out 'putc\(10000000, .* = 10000000 ' 6
run 0 trace query jit.trace calls putc --value -12
says err 'has none of these'
run 2 trace query jit.trace calls putc --value twelve
run 0 trace query jit.trace counts function
# A path that was left on the way counts whole: the last one, and its store once more by itself.
says out ' 24 +33\.[0-9]% putc$' 1
run 0 trace show jit.trace --symbols hello.elf --function putc --limit 1
says out 'mv|addi a5,a2,0.*hello\.S:[0-9]+$' 1
# Places in symbols, as answers name them, can be asked for: one byte there, or so many.
run 0 trace query jit.trace reads text+0x1
says out ': 65 from 8000004' 1
[ "$(wc -l <out)" -eq 1 ] && passed=$((passed + 1)) || wrong "more than a byte of a place in a symbol"
run 0 trace query jit.trace reads text+1+2
[ "$(wc -l <out)" -eq 2 ] && passed=$((passed + 1)) || wrong "not two bytes of a place in a symbol"
run 0 trace query jit.trace calls putc+0x0
says out ' = 10000000 ' 6
run 0 trace show jit.trace --function putc+0x8
says out ' putc\+0x8 ' 6
[ "$(wc -l <out)" -eq 6 ] && passed=$((passed + 1)) || wrong "more than the place in a symbol"
run 0 trace show jit.trace --range putc+0x4-putc+0xc
says out ' putc\+0x[48] ' 12
for place in putc+ putc+x nosuch+0x8 putc+1+2+3 putc+-8; do
    run 125 trace query jit.trace writes "$place"
    says err "no symbol '" 1
done
run 2 trace show jit.trace --range putc+0x4
run 125 trace show jit.trace --range putc+0x4-putc
says err 'is no range' 1
run 0 run hello.elf --quiet --trace place.trace --trace-filter range=putc+0x4-putc+0xc
run 0 trace show place.trace
says out ' M 00000000800000(38|3c) ' 12
run 0 run hello.elf --quiet --show decode@putc+0x8
says out '8000003c: 00f50023'
run 0 trace show jit.trace --format qemu
says out '^0x000000008000003c:  00f50023 ' 6

# Hot loops that become traces, which the TLB often cannot serve, and which are left by side exits: the
# same instructions, accesses and registers as in the interpreter.
$cross -O2 -g -nostdlib -static -ffreestanding -mcmodel=medany -march=rv64gc -mabi=lp64d \
    -Wl,-n,-Ttext=0x80000000,--build-id=none -o walk.elf "$SRCDIR/tests/trace/walk.c" || exit 1
for events in blocks memory,registers,traps; do
    run 0 run walk.elf --engine interp --clock virtual --quiet --trace i.trace --trace-events $events
    for how in '' --eager-tier2; do
        # shellcheck disable=SC2086
        run 0 run walk.elf $how --clock virtual --quiet --trace j.trace --trace-events $events
        run 0 trace diff j.trace i.trace
        says out '^hart 0: the same, 1[0-9]{6} instructions$'
    done
done

# Where two runs part, it is said what each does there: here what is in a register.
for value in 7 9; do
    printf '.globl _start\n_start: li a0, 5\nli a1, %s\nli t0, 0x100000\nli t1, 0x5555\nsw t1, (t0)\n1: j 1b\n' $value >part.S
    $cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o part.elf part.S || exit 1
    run 0 run part.elf --quiet --clock virtual --trace part$value.trace
done
run 125 trace diff part7.trace part9.trace
says out '^hart 0: first difference after [0-9]+ instructions that are the same$' 1
says out '^  part[79]\.trace: instruction [0-9]+, pc 0000000080000002 ' 2
says out '^    0 +[0-9]+ M 0000000080000002 .* a1=[79]' 2

# Several harts are told in the order in which they ran: each addition to a counter that they share
# comes behind the one whose sum it found.
$cross -nostdlib -static -march=rv64gc -Wl,-n,-Ttext=0x80000000,--build-id=none -o turns.elf \
    "$SRCDIR/tests/trace/turns.S" || exit 1
run 0 run turns.elf --cpus 2 --clock virtual --quiet --trace t.trace --trace-events memory,registers
run 0 trace query t.trace writes counter
sed -n 's/.*: \([0-9a-f]*\) to .*/\1/p' out >sums
seq 1 40000 | awk '{ printf "%08x\n", $1 }' >wanted
cmp -s sums wanted && passed=$((passed + 1)) || wrong "writes of two harts are in another order"
run 0 trace query t.trace values counter
[ "$(wc -l <out)" -eq 40000 ] && passed=$((passed + 1)) ||
    wrong "$(wc -l <out) values of a counter that had 40000"
run 0 trace show t.trace
sed -n 's/.*amoadd.* w\[[0-9a-f]*\]=\([0-9a-f]*\)$/\1/p' out >sums
cmp -s sums wanted && passed=$((passed + 1)) || wrong "instructions of two harts are in another order"

# What a hot loop tells of floats is what the interpreter does; a trace goes some rounds further.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o floats.elf \
    "$SRCDIR/tests/trace/floats.S" || exit 1
for how in '--engine interp' --no-tier2 --eager-tier2; do
    # shellcheck disable=SC2086
    run 0 run floats.elf --firmware none $how --trace-filter insns=0-50000 --trace "floats$how.trace" \
        --trace-events memory,registers
    "$METIC" trace diff 'floats--engine interp.trace' "floats$how.trace" >out 2>/dev/null
    says out '^hart 0: (the same, 500[0-9]{2} instr|first difference after 500[0-9]{2} instr)'
done

# And that is what the commit log says, of all that is not stored but follows, in every rounding mode.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o rounds.elf \
    "$SRCDIR/tests/trace/rounds.S" || exit 1
run 0 run rounds.elf --firmware none --engine interp --quiet --trace-format spike --trace log
sed -n 's/^core   0: 3 0x0*\([0-9a-f]*\) .* f[0-9]* *0x0*\([0-9a-f]*\).*/\1 \2/p' log >theirs
for how in '--engine interp' --no-tier2 --eager-tier2; do
    # shellcheck disable=SC2086
    run 0 run rounds.elf --firmware none $how --quiet --trace r.trace --trace-events memory,registers
    "$METIC" trace show r.trace --format json | sed -n \
        's/.*"pc":"0x0*\([0-9a-f]*\)".*"registers":{"f[ast][0-9]*":"0x0*\([0-9a-f]*\)"}.*/\1 \2/p' >ours
    if [ "$(wc -l <theirs)" -gt 10000 ] && cmp -s ours theirs; then
        passed=$((passed + 1))
    else
        wrong "$how: other floats than in the commit log"
        diff ours theirs | head
    fi
done

# A trace that keeps the end of the stream in memory, while C code tells of events, too.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o parked.elf \
    "$SRCDIR/tests/trace/parked.S" || exit 1
for events in blocks memory,registers,tlb,traps; do
    run 0 run parked.elf --firmware none --engine interp --clock virtual --quiet --trace i.trace \
        --trace-events $events
    for how in '' --eager-tier2; do
        # shellcheck disable=SC2086
        run 0 run parked.elf --firmware none $how --clock virtual --quiet --trace j.trace --trace-events $events
        run 0 trace diff j.trace i.trace
        says out '^hart 0: the same, 1203387 instructions$' 1
    done
done
# And in a ring, which it fills many times: what is left of it are the last instructions.
run 0 run parked.elf --firmware none --clock virtual --quiet --trace j.trace --trace-last 1M \
    --trace-events memory,registers
for trace in i j; do
    "$METIC" trace show $trace.trace --from 1180000 | grep ' M 00000000' | sed 's/ @[0-9a-f]*$//' >$trace.txt
done
[ "$(wc -l <j.txt)" -gt 20000 ] && cmp -s i.txt j.txt && passed=$((passed + 1)) ||
    wrong "a ring of a trace that keeps its end in memory: $(diff i.txt j.txt | head -n 4)"

# Until the guest has come further, twice: the first time it may be on its way to what was asked for.
until_it_ran() {
    for time in 1 2; do
        was=$("$METIC" monitor "$1" info status)
        tries=0
        until [ "$("$METIC" monitor "$1" info status)" != "$was" ] || [ $tries -eq 200 ]; do
            tries=$((tries + 1)); sleep 0.05
        done
    done
}

# The monitor begins and ends a recording in the middle of a run; one that does not wait for it, it leaves alone.
if grep -q 'HAVE_JANSSON 1' "${METIC%/*}/config.h"; then
    export XDG_RUNTIME_DIR="$TMP/run"
    mkdir -p "$XDG_RUNTIME_DIR"
    printf '.globl _start\n_start: addi t0, t0, 1\n j _start\n' >spin.S
    $cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o spin.elf spin.S || exit 1
    for start in @monitor _start; do
        timeout 100 "$METIC" run spin.elf --symbols spin.elf --name spin --serial none --quiet --trace spin.trace \
            --trace-events blocks --trace-last 64K --trace-filter start=$start >spin.out 2>&1 &
        tries=0
        until "$METIC" ps | grep -q '^spin ' || [ $tries -eq 200 ]; do tries=$((tries + 1)); sleep 0.1; done
        "$METIC" monitor spin trace >on 2>&1
        says on '^on or off\?$'
        "$METIC" monitor spin trace on >on 2>&1
        until_it_ran spin
        "$METIC" monitor spin trace off >>on 2>&1
        "$METIC" stop spin
        wait
        if [ $start = @monitor ]; then
            says on '^what happens is recorded$'
            says on '^what happens is not recorded$'
            run 0 trace query spin.trace counts insn
            says out ' 50.0% c.addi$'
        else
            says on 'there is no recording that waits for this: --trace-filter start=@monitor$' 2
        fi
    done
fi

# Filters: a function with what it calls, a page, calls alone, the last of a run.
run 0 run hello.elf --quiet --trace f.trace --trace-filter function=putc
run 0 trace show f.trace
says out ' putc(\+0x[0-9a-f]+)? ' 24
if grep -qE ' (next|done|_start)' out; then wrong "more than the function"; fi
# A function that calls itself: all of it, to the return of the first call.
riscv64-linux-gnu-gcc -O1 -fno-optimize-sibling-calls -mcmodel=medany -nostdlib -static -ffreestanding \
    -Wl,-Ttext=0x80000000,--build-id=none,-e_start -o again.elf "$SRCDIR/tests/trace/again.c" ||
    wrong "again.c"
run 0 run again.elf --quiet --trace g.trace --trace-events blocks
run 0 trace query g.trace counts function
all=$(awk '$3 == "fib" { print $1 }' out)
run 0 run again.elf --quiet --trace g.trace --trace-events blocks --trace-filter function=fib
run 0 trace query g.trace counts function
says out "^ *${all:-none} 100.0% fib$" 1
# It is called five times, the other one after each: each filter narrows.
run 0 run again.elf --quiet --trace g.trace --trace-events blocks --trace-filter function=fib \
    --trace-filter start=other
run 0 trace query g.trace counts function
says out "^ *$((all / 5 * 4)) 100.0% fib$" 1
run 0 run again.elf --quiet --trace g.trace --trace-events blocks --trace-filter function=fib \
    --trace-filter stop=other
run 0 trace query g.trace counts function
says out "^ *$((all / 5)) 100.0% fib$" 1
run 0 run hello.elf --quiet --trace c.trace --trace-calls putc
run 0 trace query c.trace calls putc
says out 'putc\(10000000, [0-9a-f]+, 68, .*from next' 1
says out 'putc\(10000000, \.\.\.\) = 10000000' 6
run 0 trace query c.trace calls putc --value 0x10000000 --last 2
says out 'putc\(10000000, \.\.\.\) = 10000000' 2
# Where nothing was chosen, or others were, registers tell of calls, and each call once.
run 0 run hello.elf --quiet --trace c.trace --trace-events all
run 0 trace query c.trace calls putc
says out 'putc\(10000000, [0-9a-f]+, 68, .* = 10000000 ' 1
run 0 run hello.elf --quiet --trace c.trace --trace-calls putc --trace-events registers
run 0 trace query c.trace calls done
says out ': done\(.*, no return recorded$' 1
run 0 trace query c.trace calls putc
says out 'putc\(10000000, ' 12
run 0 trace query c.trace calls putc --value 5
says err 'has none of these'
# Several of one name: it is said which one is meant.
printf '.globl _start\n_start: j _start\nagain: nop\n' >one.S
printf 'again: nop\n' >two.S
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o twice.elf one.S two.S || exit 1
run 124 run twice.elf --quiet --limit-insns 100 --trace twice.trace --trace-events memory
run 0 trace query twice.trace writes again
says err "'again' is the one at 0x8000000[0-9a-f]; there are others at 0x8000000[0-9a-f]: give an" 1
run 0 trace query twice.trace writes _start
grep -q 'there are others' err && wrong "_start is there once" || passed=$((passed + 1))
run 0 run hello.elf --quiet --trace l.trace --trace-last 64K --trace-events blocks
run 0 trace show l.trace
says out ' stop ' 1
run 2 run hello.elf --trace
run 2 run hello.elf --quiet --trace x.trace --trace-filter colour=red
says err "'colour=red' is none of the filters"
run 2 run hello.elf --quiet --trace x.trace --trace-filter function=nowhere
says err "no symbol 'nowhere'"
run 2 run hello.elf --quiet --trace x.trace --trace-events nonsense
run 0 run hello.elf --quiet --trace none.trace --trace-filter range=0x90000000-0x90001000
run 0 trace show none.trace --from 1M
says err 'has none of these'
run 0 trace query none.trace values task
says err '--trace-events tasks'
run 125 run hello.elf --quiet --trace missing/x
says err 'the trace missing/x: No such file'
run 2 trace show jit.trace --format xml
run 2 trace query jit.trace writes 0x10000000 --every 2
says err "query has no option '--every'; show has"
run 2 trace show jit.trace --from
run 2 trace show jit.trace --branches=yes
says err '--branches takes no value'
run 125 trace show hello.elf
says err 'is no metic trace'

# Damage: cut off anywhere, what comes before is told.
size=$(wc -c <jit.trace)
for part in 10 33 60 $((size / 2)) $((size - 1)); do
    head -c "$part" jit.trace >cut.trace
    timeout 10 "$METIC" trace show cut.trace >out 2>err
    status=$?
    if [ $status -ne 0 ] && [ $status -ne 125 ]; then wrong "cut at $part: status $status"; fi
    if [ $status -eq 0 ] && ! grep -q 'what comes before is used' err; then wrong "cut at $part"; fi
    passed=$((passed + 1))
done
# begins hart|device: what is said of the harts, or of what no hart did, is as much as comes first.
begins() {
    case $1 in
    hart) lines='^[0-9]' ;;
    device) lines='^-' ;;
    esac
    grep "$lines" out >some
    grep "$lines" whole | head -c "$(wc -c <some)" | cmp -s - some
}
# A byte changed anywhere is found and named, and never told of as if it had happened: what is said
# is the whole, or with status 125 a part of it, each stream's as far as its damage.
run 0 trace check jit.trace
says out ' sections, all as they were written$' 1
run 0 trace show jit.trace
mv out whole
for question in 'counts insn' 'writes 0x10000000' 'values a5' 'calls putc'; do
    # shellcheck disable=SC2086
    run 0 trace query jit.trace $question
    mv out "whole $question"
done
at=0
while [ $at -lt "$size" ]; do
    cp jit.trace flipped.trace
    byte=$(od -An -tu1 -j $at -N 1 jit.trace)
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((byte ^ 255)))" | dd of=flipped.trace bs=1 seek=$at conv=notrunc 2>/dev/null
    timeout 10 "$METIC" trace check flipped.trace >out 2>err
    status=$?
    named=$(sed -n 's/^byte \([0-9]*\): damaged: .*/\1/p' out | head -n 1)
    if [ $status -ne 125 ]; then
        wrong "byte $at changed: check ends with $status"
    elif [ $at -ge 32 ] && { [ -z "$named" ] || [ "$named" -gt $at ]; }; then
        wrong "byte $at changed: named is '$named'"
    fi
    timeout 10 "$METIC" trace show flipped.trace >out 2>err
    status=$?
    if [ $status -ne 0 ] && [ $status -ne 125 ]; then
        wrong "byte $at changed: status $status"
    elif [ $status -eq 0 ] && ! cmp -s out whole; then
        wrong "byte $at changed: told otherwise"
    elif ! begins hart || ! begins device; then
        wrong "byte $at changed: what is told did not happen"
    fi
    # Answers need parts of the file alone: with status 0 they are those of the whole.
    for question in 'counts insn' 'writes 0x10000000' 'values a5' 'calls putc'; do
        # shellcheck disable=SC2086
        timeout 10 "$METIC" trace query flipped.trace $question >out 2>err
        status=$?
        if [ $status -ne 125 ] && { [ $status -ne 0 ] || ! cmp -s out "whole $question"; }; then
            wrong "byte $at changed: $question: status $status, or another answer"
        fi
    done
    passed=$((passed + 1))
    at=$((at < 200 ? at + 9 : at + size / 60))
done
# A file of an older version says what to do.
cp jit.trace old.trace
printf '\005' | dd of=old.trace bs=1 seek=12 conv=notrunc 2>/dev/null
printf '\000\000\000\000' | dd of=old.trace bs=1 seek=28 conv=notrunc 2>/dev/null
run 125 trace show old.trace
says err 'old.trace is a trace of version 5; this metic reads versions 6 to [0-9]+$' 1
says err 'ask the metic that wrote it, or record it again$' 1
# A part in the middle of a longer one that is damaged: what comes behind can be asked for.
run 0 run walk.elf --clock virtual --quiet --trace long.trace --trace-events blocks
size=$(wc -c <long.trace)
printf 'xxxx' | dd of=long.trace bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
run 125 trace show long.trace
says err 'byte [0-9]+ is damaged \(hart 0, from instruction [0-9]+ on\)' 1
from=$(sed -n 's/.*--hart 0 --from \([0-9]*\)$/\1/p' err)
run 0 trace show long.trace --hart 0 --from "${from:-0}" --limit 10
says out "^0 +${from:-none} " 1

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -z "$cache" ]; then
    echo "no Debian kernel here: the rest was not tried"
    echo "$passed passed, $failed failed, 1 skipped"
    [ $failed -eq 0 ]
    exit
fi
boot="$cache/vmlinuz --initrd $cache/initramfs.cpio.gz --append console=ttyS0 --serial none --quiet"

# A kernel, its names from its own table. Who writes jiffies is known.
# shellcheck disable=SC2086
run 124 run $boot --limit-insns 130M --trace k.trace --trace-filter insns=100M-103M
run 0 trace query k.trace writes jiffies_64
says out ' do_timer\+0x[0-9a-f]+: [0-9a-f]+ to ffffffff'
run 0 trace show k.trace --limit 3
says out '^0 +10[0-9]{7} S ffffffff'
# Queries pass over most of what the instructions show, but tell the same of the rest: calls by their
# registers, values of a register that everybody writes and of one that hardly anybody does, writes
# to a line of memory.
run 0 trace show k.trace --to 100600K
mv out shown
for function in kmem_cache_alloc_noprof __list_add_valid_or_report __memset; do
    run 0 trace query k.trace calls "$function" --to 100600K
    mv out calls
    awk -v name="$function" 'FNR == NR && match($0, / [0-9]+, /) {
            at = $0; sub(/.*called at instruction /, "", at); back = $4; sub(/,/, "", back)
            text = $0; sub(/.*: /, "", text); sub(/, called at.*/, "", text)
            call[at] = text; from[back] = from[back] " " at; n++; next }
        FNR == NR { next }
        $2 in from { split(from[$2], list, " ")
            for (i in list) result[list[i]] = " = " held["a0"] " (" }
        $2 in call { args = ""
            for (i = 0; i < 6; i++) { a = held["a" i]; args = args (i ? ", " : "") (a == "" ? "?" : a) }
            want[$2] = name "(" args ")" }
        { for (i = 5; i <= NF; i++) if ($i ~ /^(a[0-5]|ra|sp)=/) { split($i, w, "=")
              sub(/^0+/, "", w[2]); held[w[1]] = w[2] == "" ? "0" : w[2] } }
        END { for (at in call) if (index(call[at], want[at] result[at]) != 1) {
                  print at ": " call[at] ", not " want[at] result[at]; bad = 1 }
              exit bad || n < 10 }' calls shown >differs ||
        wrong "calls of $function: $(head -n 3 differs)"
    [ -s differs ] || passed=$((passed + 1))
done
for reg in ra s0 tp; do
    run 0 trace query k.trace values $reg --to 100600K
    sed 's/.*instruction \([0-9]*\),.*: \([0-9a-f]*\)$/\1 \2/' out >values
    awk -v reg="$reg=" '{ for (i = 5; i <= NF; i++) if (index($i, reg) == 1) {
            v = substr($i, length(reg) + 1); sub(/^0+/, "", v); v = v == "" ? "0" : v
            if (v != last || !any) print $2, v
            any = 1; last = v } }' shown | cmp -s - values && passed=$((passed + 1)) ||
        wrong "other values of $reg than the instructions show"
done
stack=$(sed -n 's/.* w\[\(ff[0-9a-f]*\)[0-9a-f]\]=.*/\1/p' shown | sort | uniq -c | sort -rn |
    awk 'NR == 1 { print $2 }')
run 0 trace query k.trace writes "0x${stack}0+16" --to 100600K
sed 's/.*instruction \([0-9]*\),.*/\1/' out >writes
grep -E " w\[${stack}[0-9a-f]\]=" shown | awk '{ print $2 }' | cmp -s - writes &&
    passed=$((passed + 1)) || wrong "other writes of ${stack}0 than the instructions show"
run 125 trace query k.trace writes phys:0x80000000
says err 'record with --trace-events memory,tlb'
# A disk that is full is told of at once, the guest goes on to its end, and what was written can be
# read.
kernel="$cache/vmlinuz --initrd $cache/initramfs.cpio.gz --append console=ttyS0 --quiet --clock virtual"
# shellcheck disable=SC2086
run 124 run $kernel --limit-insns 120M --serial file:console
for format in store json; do
    rm -f full.trace
    # shellcheck disable=SC2086
    (trap '' XFSZ; ulimit -f 6000; exec timeout 100 "$METIC" run $kernel --limit-insns 120M \
        --serial file:console.full --trace full.trace --trace-format $format \
        --trace-filter insns=60M-120M) >out 2>err </dev/null
    status=$?
    [ $status -eq 125 ] && passed=$((passed + 1)) || wrong "a full disk: status $status"
    head -n 1 err >first
    says first '^metic: the trace full.trace: File too large; nothing more is recorded, the guest goes on$'
    [ -s console ] && cmp -s console console.full && passed=$((passed + 1)) ||
        wrong "the guest has not gone on"
    [ $format = json ] || run 0 trace query full.trace counts function --limit 5
    [ $format = json ] || says err 'the file ends in the middle of a section; what comes before is used'
    [ $format = json ] || says out '%'
done
# Physical addresses: a page that is written has one, by which the same writes are found.
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 106M --trace p.trace --trace-events memory,tlb \
    --trace-filter insns=105900K-106M
run 0 trace show p.trace
says out ' w\[ff[0-9a-f]+\]=[0-9a-f]+ @[0-9a-f]{8}$'
place=$(sed -n 's/.* w\[\(ff6[0-9a-f]*\)[0-9a-f]\{3\}\]=[0-9a-f]* @\([0-9a-f]*\)[0-9a-f]\{3\}$/\1 \2/p' out | tail -n 1)
reads=$(sed -n 's/.* r\[\(ff6[0-9a-f]*\)[0-9a-f]\{3\}\]->[0-9a-f]* @\([0-9a-f]*\)[0-9a-f]\{3\}$/\1 \2/p' out | tail -n 1)
run 0 trace query p.trace writes "0x${place% *}000+4096"
sed 's/,* physical .*//' out >virtual
run 0 trace query p.trace writes "phys:0x${place#* }000+4096"
sed 's/, physical .*//' out >physical
says physical ' to ff6'
cmp -s virtual physical && passed=$((passed + 1)) || wrong "writes of $place differ by address"
# The same for reads, from a moment behind the fill on, and of a file without its index.
run 0 trace query p.trace reads "0x${reads% *}000+4096"
mv out virtual
run 0 trace query p.trace reads "phys:0x${reads#* }000+4096"
sed 's/, physical .*//' out >physical
says physical ' from ff6'
cmp -s virtual physical && passed=$((passed + 1)) || wrong "reads of $reads differ by address"
middle=$(sed -n "$((($(wc -l <out) + 1) / 2))s/.*instruction \([0-9]*\),.*/\1/p" out)
run 0 trace query p.trace reads "phys:0x${reads#* }000+4096" --from "$middle"
sed -n "/instruction $middle,/,\$p" physical >behind
sed 's/, physical .*//' out | cmp -s - behind && passed=$((passed + 1)) ||
    wrong "reads from $middle on are others"
head -c $(($(stat -c %s p.trace) - 1)) p.trace >walked.trace
run 0 trace query walked.trace reads "phys:0x${reads#* }000+4096"
sed 's/, physical .*//' out | cmp -s - physical && passed=$((passed + 1)) ||
    wrong "other reads without the index at the end"

# What is shown from a moment on has the physical addresses of pages that were filled before it.
run 0 trace show p.trace --from "$middle"
mv out from
run 0 trace show p.trace
awk -v from="$middle" '$2 >= from' out | grep ' @' >whole
grep ' @' from | cmp -s - whole && [ -s whole ] && passed=$((passed + 1)) ||
    wrong "physical addresses from $middle on are others than in the whole"

# The header of a store says where the last index is. This one does not.
blind() {
    printf '\000\000\000\000\000\000\000\000\000\000\000\000' |
        dd of="$1" bs=1 seek=20 conv=notrunc 2>/dev/null
}

# Killed at any moment, what was recorded before is a whole trace: the same as another run's beginning.
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 40M --trace whole.trace
for bytes in 1 100000 1000000 3000000 6000000 12000000; do
    rm -f killed.trace
    # shellcheck disable=SC2086
    timeout 100 "$METIC" run $boot --clock virtual --limit-insns 60M --trace killed.trace \
        >/dev/null 2>&1 </dev/null &
    pid=$!
    until [ "$(stat -c %s killed.trace 2>/dev/null || echo 0)" -ge $bytes ]; do
        kill -0 $pid || wrong "a run ended before its trace had $bytes bytes"
        kill -0 $pid || break
        sleep 0.02
    done
    kill -KILL "$(pgrep -P $pid)"
    wait $pid 2>/dev/null
    size=$(stat -c %s killed.trace)
    # A file begins with the kernel's symbols, before any instruction.
    run 0 trace info killed.trace
    [ "$size" -lt 2000000 ] || says out '^hart 0: .* to [0-9]{4,}$' 1
    grep -E '^hart 0: .* to [0-9]{4,}$' out >has_instructions
    run 0 trace query killed.trace counts function
    # As by a walk through all of it: its header does not say where the last index is.
    mv out by_header
    blind killed.trace
    run 0 trace query killed.trace counts function
    cmp -s out by_header && passed=$((passed + 1)) || wrong "$bytes bytes: other answers by the header"
    run 125 trace diff killed.trace whole.trace
    if [ -s has_instructions ]; then
        says out '^hart 0: first difference after [0-9]{4,} instructions that are the same$'
        says out '^  (killed|whole)\.trace ends there$' 1
    fi
done

# By the directory at the end, by what the header says of one that was cut off (one byte less has no
# end), and by a walk from the start: the same answers.
head -c $(($(stat -c %s whole.trace) - 1)) whole.trace >cut.trace
cp cut.trace walked.trace
blind walked.trace
for ask in 'writes jiffies_64' 'values jiffies_64' 'calls printk_get_console_flush_type' \
    'calls vsnprintf --limit 50' 'values a0 --from 20M --limit 50' 'counts page' 'counts priv'; do
    # shellcheck disable=SC2086
    run 0 trace query whole.trace $ask
    mv out indexed
    for other in cut walked; do
        # shellcheck disable=SC2086
        run 0 trace query $other.trace $ask
        says err 'what comes before is used'
        if cmp -s out indexed; then passed=$((passed + 1)); else wrong "$ask: other answers, $other"; fi
    done
done
# The last answers are the last ones of all; as JSON there are as many. A file of two harts, as well.
if command -v jq >/dev/null 2>&1; then json='jq -ce .'; else json=cat; fi
while read -r file ask; do
    # shellcheck disable=SC2086
    run 0 trace query "$file" $ask
    mv out all
    [ "$(wc -l <all)" -gt 3 ] && passed=$((passed + 1)) || wrong "$ask: $(wc -l <all) answers"
    for last in 1 3 100; do
        # shellcheck disable=SC2086
        run 0 trace query "$file" $ask --last $last
        tail -n $last all | cmp -s - out && passed=$((passed + 1)) ||
            wrong "$file $ask --last $last: $(head -n 1 out)"
    done
    # shellcheck disable=SC2086
    run 0 trace query "$file" $ask --format json
    # shellcheck disable=SC2086
    [ "$($json <out | grep -c '^{"event":"[a-z]*","hart":[01],')" -eq "$(wc -l <all)" ] &&
        passed=$((passed + 1)) || wrong "$ask as JSON: $(head -n 1 out)"
done <<END
whole.trace writes __log_buf
whole.trace writes memblock --to 20M
whole.trace reads jiffies_64
whole.trace values tp
whole.trace values ra --from 10M --to 12M
whole.trace calls vsnprintf
t.trace writes counter
t.trace values counter
t.trace values t0
END
run 0 trace query whole.trace counts insn --limit 3 --format json
says out '^\{"event":"count","by":"insn","count":[0-9]+,"name":"[a-z.]+"\}$' 3
run 0 trace query whole.trace values task
says out '^hart 0, instruction [0-9]+, [0-9]+ ns, [SM]-mode: swapper \([0-9a-f]+\)$' 1
run 2 trace query whole.trace values ra --last 0
run 2 trace query whole.trace values ra --last 1 --limit 1
run 2 trace query whole.trace values ra --format qemu
run 2 trace show whole.trace --last 1
says err "show has no option '--last'; query has"
# So what is damaged in the middle of one that was cut off does not hide what comes behind.
# Where its pieces of code lie, without which nothing behind them can be told, differs from run to run.
for at in 1500000 2000000 2500000 3000000; do
    cp cut.trace holed.trace
    printf 'xxxx' | dd of=holed.trace bs=1 seek=$at conv=notrunc 2>/dev/null
    run 125 trace check holed.trace
    head -n 1 out | grep -q 'damaged: hart 0, instructions' && break
done
says out "^byte [0-9]+: damaged: hart 0, instructions [0-9]+ to [0-9]+$" 1
run 0 trace query whole.trace counts page
mv out indexed
run 0 trace query holed.trace counts page
cmp -s out indexed && passed=$((passed + 1)) || wrong "no counts of what is behind the damage"
# Who ran: as many instructions as there are.
run 0 trace query whole.trace counts insn --limit 1000000
total=$(awk '{ n += $1 } END { print n }' out)
for by in priv satp hart task; do
    run 0 trace query whole.trace counts $by
    is=$(awk '{ n += $1 } END { print n }' out)
    [ "$is" = "$total" ] && passed=$((passed + 1)) || wrong "by $by: $is instructions of $total"
done
# The calls are those that the instructions show.
run 0 trace query whole.trace calls vsnprintf
mv out calls
run 0 trace show whole.trace --function vsnprintf
entries=$(grep -c ' vsnprintf  ' out)
if [ "$(wc -l <calls)" -gt 10 ] && [ "$(wc -l <calls)" -le "$entries" ] &&
    [ "$(wc -l <calls)" -ge $((entries - 4)) ]; then
    passed=$((passed + 1))
else
    wrong "$(wc -l <calls) calls of vsnprintf, $entries entries"
fi
# One that has no registers cannot tell calls; one that has no such CSR says so.
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 5M --trace blocks.trace --trace-events blocks
run 125 trace query blocks.trace calls vsnprintf
says err 'has no registers, by which calls are told'
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 20M --trace csrs.trace --trace-events csrs
run 0 trace query csrs.trace values satp
says out ': a00000000008[0-9a-f]{4}$'
run 0 trace query csrs.trace writes 0x80000000
says err 'has none of these'

# Calls in the guest's programs and kernel, with the task they are made for; nothing is recorded
# but the calls.
# shellcheck disable=SC2086
run 0 run $boot --trace c.trace --trace-calls do_sys_openat2 --expect 'metic:~# ' \
    --send 'cat /nothing; poweroff -f\n'
run 0 trace query c.trace calls do_sys_openat2
says out '= fffffffffffffffe \(-2\)$'
run 0 trace show c.trace
says out ' task: (cat|busybox) \('

# The last of a run that ends in a panic, and of the delay behind it, which goes on until the host
# has seen it; with the virtual clock, as a kernel's delays are otherwise
# as many blocks as the host has time for.
# shellcheck disable=SC2086
run 90 run $boot --clock virtual --append rdinit=/nothing --trace p.trace --trace-last 16M \
    --trace-events blocks
run 0 trace query p.trace counts function
says out ' (format_decode|vt_console_print)$'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
