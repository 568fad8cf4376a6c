#!/bin/sh
# metic profile and metic cover on a program with known shares and known lines (work.c): the shares,
# and gcov's counts of a build for the host. Then a kernel: names, tasks, a page.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
work=$SRCDIR/tests/trace/work.c

good() { passed=$((passed + 1)); }
wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
}
# is NAME VALUE LEAST MOST
is() {
    if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then good; else wrong "$1: $2, not $3 to $4"; fi
}
metic() { timeout -k 5 100 "$METIC" "$@" </dev/null; }

$cross -g -O1 -fno-pie -no-pie -fno-omit-frame-pointer -fno-ipa-cp -ffreestanding -nostdlib -static \
    -mcmodel=medany -Wl,--build-id=none,--section-start=.text.begin=0x80000000,-Ttext=0x80001000 \
    -Wl,-Tdata=0x80003000 -o work.elf "$work" || exit 1

# --- shares ----------------------------------------------------------------------------------------

for how in '--clock virtual' '' '--engine interp --clock virtual'; do
    # shellcheck disable=SC2086
    metic profile work.elf --quiet $how --profile p.folded --profile-every 1k || wrong "profile $how"
    heavy=$(awk '/heavy/ { n += $NF } END { print n + 0 }' p.folded)
    light=$(awk '/light/ { n += $NF } END { print n + 0 }' p.folded)
    is "heavy in thousandths ($how)" $((1000 * heavy / (heavy + light))) 745 755
    if grep -q 'work;heavy;spin ' p.folded; then good; else wrong "no stack ($how)"; fi
done
metic profile work.elf --quiet --clock virtual --profile p.html --profile-every 1k || wrong "html"
if grep -q '"heavy"' p.html && grep -q 'Flame graph' p.html && grep -q 'mov ' p.html; then
    good
else
    wrong "page"
fi
# Samples of hot code add up: those of its instructions to those of the block, and all to all.
sum_code() {
    awk '/^<h3>/ { told += n; match($0, /: [0-9]+ samples/); n = substr($0, RSTART + 2) + 0; all += n; rows = 0 }
        /^<h3>|^ *[0-9]+ +[0-9a-f]+: [0-9a-f]/ { sub(/^<h3>.*<pre>/, ""); if ($2 ~ /:$/) counted += $1 }
        /^ *[0-9]+  beside it/ { counted += $1 }
        /samples were in code that had no/ { sub(/^<p>/, ""); others = $1 + 0 }
        / samples, a sample every/ { sub(/^.*<p>/, ""); samples = $1 + 0 }
        END { print samples, all, counted, others }' "$1"
}
# (Eight blocks are shown.)
sum_code p.html >sums
read -r samples all counted others <sums
is "samples of instructions in hot code" "$counted" "$all" "$all"
is "thousandths of samples in hot code" $((1000 * (all + others) / (samples + 1))) 900 1000
metic profile work.elf --quiet --clock virtual --profile p.json --profile-every 1k || wrong "json"
if ! command -v python3 >/dev/null 2>&1 || python3 "$SRCDIR/tests/trace/chrome.py" p.json X >err; then
    good
else
    wrong "not as Perfetto reads it: $(head -n 3 err)"
fi
# One loop that is all one trace: shares follow from the lengths of its functions. By time, too, whose
# samples harts take only where they look up; and by a count that the loop's length divides.
$cross -g -O1 -fno-pie -no-pie -ffreestanding -nostdlib -static -mcmodel=medany \
    -Wl,--build-id=none,--section-start=.text.begin=0x80000000,-Ttext=0x80001000 \
    -Dsmall=_ZN4loud5smallEj -Wl,-Tdata=0x80003000 -o shares.elf "$SRCDIR/tests/trace/shares.c" || exit 1
# insns FUNCTION: how many it has.
insns() {
    ${cross%gcc}objdump -d --disassemble="$1" shares.elf | grep -c '^ *[0-9a-f]*:	'
}
large=$(insns large)
small=$(insns _ZN4loud5smallEj)
round=$((large + small + 6))
expected=$((1000 * large / (large + small)))
for how in '--profile-every 200us' "--clock virtual --profile-every ${round}00" \
    "--profile-every ${round}00" "--engine interp --profile-every ${round}000" \
    "--no-tier2 --profile-every ${round}000"; do
    # shellcheck disable=SC2086
    metic profile shares.elf --quiet --profile s.folded $how || wrong "profile shares.elf $how"
    in_large=$(sed -n 's/.*;large \([0-9]*\)$/\1/p' s.folded)
    in_small=$(sed -n 's/.*;loud::small(unsigned int) \([0-9]*\)$/\1/p' s.folded)
    case $how in *us) off=80 ;; *) off=15 ;; esac
    is "large in thousandths ($how)" \
        $((1000 * ${in_large:-0} / (${in_large:-0} + ${in_small:-0} + 1))) \
        $((expected - off)) $((expected + off))
done
metic profile work.elf --quiet --clock virtual --profile-every 1ms 2>err
is "status of 1ms with the virtual clock" $? 125 125

# --- stacks without frame pointers, by call frame information (deep.c) -------------------------------

# deep NAME FLAGS...
deep() {
    name=$1
    shift
    $cross -O2 -g -fomit-frame-pointer -ffreestanding -nostdlib -fno-ipa-cp -fno-ipa-sra \
        -fno-optimize-sibling-calls "$@" -o "$name" "$SRCDIR/tests/trace/deep.c" || exit 1
}
# Half of its samples are in outer, half in outer under again, whose four calls are told each.
# stacks NAME WHERE
stacks() {
    direct=$(awk -v top="$2;_start;work;outer;middle;inner" '$1 == top { print $2 }' "$3")
    under=$(awk -v top="$2;_start;work;again;again;again;again;outer;middle;inner" \
        '$1 == top { print $2 }' "$3")
    all=$(awk -v top="$2;" 'index($1, top) == 1 { n += $NF } END { print n + 0 }' "$3")
    is "$1: thousandths of known stacks" $((1000 * (${direct:-0} + ${under:-0}) / (all + 1))) 950 1000
    is "$1: thousandths below again" $((1000 * ${under:-0} / (${direct:-0} + ${under:-0} + 1))) 470 530
}
# A recursion that is deeper than a stack of samples: it is told that there is more.
deeper() {
    sed 's/again(3);/again(10000);/; s/\.space 8192/.space 4194304/; s/i < 4000;/i < 400;/' "$SRCDIR/tests/trace/deep.c" >deeper.c
    $cross -O2 -g -fomit-frame-pointer -ffreestanding -nostdlib -fno-ipa-cp -fno-ipa-sra \
        -fno-optimize-sibling-calls -DBARE -fno-pie -no-pie -static -mcmodel=medany \
        -Wl,--build-id=none,--section-start=.text.begin=0x80000000,-Ttext=0x80001000 -o deeper.elf deeper.c || exit 1
    metic profile deeper.elf --quiet --clock virtual --profile d.folded --profile-every 10k || wrong "profile of deeper.c"
    is "stacks that are cut" "$(awk '/^firmware;\(deeper\);again;again;again;.*again;outer;middle;inner / && NF == 2 { n += $2 }
        /^firmware;_start;work;outer;middle;inner / { m += $2 } END { print int(100 * n / (n + m + 1)) }' d.folded)" 45 55
}
deeper
for where in -fasynchronous-unwind-tables '-fno-asynchronous-unwind-tables'; do # .eh_frame, .debug_frame
    deep bare.elf -DBARE $where -fno-pie -no-pie -static -mcmodel=medany \
        -Wl,--build-id=none,--section-start=.text.begin=0x80000000,-Ttext=0x80001000
    metic profile bare.elf --quiet --clock virtual --profile d.folded --profile-every 10k ||
        wrong "profile of deep.c"
    stacks "$where" firmware d.folded
done

# --- lines, against gcov ---------------------------------------------------------------------------

# Without optimisation, where each line is code of its own.
$cross -g -O0 -fno-pie -no-pie -ffreestanding -nostdlib -static -mcmodel=medany \
    -Wl,--build-id=none,--section-start=.text.begin=0x80000000,-Ttext=0x80001000 \
    -Wl,-Tdata=0x80003000 -o plain.elf "$work" || exit 1
for engine in jit interp; do
    metic run plain.elf --quiet --engine $engine --cover $engine.cover || wrong "cover $engine"
done
# (The loop at the end runs until the machine has ended.)
for engine in jit interp; do
    metic cover $engine.cover --symbols plain.elf | grep -vE 'blocks|start' >$engine.functions
done
if cmp -s jit.functions interp.functions; then good; else wrong "the engines cover otherwise"; fi
metic cover jit.cover --symbols plain.elf --lcov our.info --drcov our.drcov --html our.html ||
    wrong "cover"
# The page says how much there is, and leads to the lines.
if grep -q '^<p>[0-9]* blocks, [0-9]* edges, [0-9]* functions .*href=#lines' our.html &&
    grep -q 'id=lines' our.html && grep -q 'of [0-9]* <a href=#lines>source lines</a>, [0-9.]* %' our.html &&
    grep -q 'work.c <small>[0-9]* of [0-9]* lines, [0-9.]* %<' our.html; then good; else wrong "the page: $(head -n 3 our.html)"; fi
if gcc --coverage -O0 -DHOSTED -o hosted "$work" 2>/dev/null && ./hosted && command -v gcov >/dev/null; then
    gcov -t hosted-work.gcda work.gcda 2>/dev/null |
        awk -F: '$2 > 0 { gsub(/[ *]/, "", $1); if ($1 != "-") print $2 + 0, ($1 ~ /#/ ? 0 : $1) }' |
        sort >theirs
    sed -n 's/^DA:\([0-9]*\),/\1 /p' our.info | sort >ours
    # Lines that both know, but for what is only in one build (main, start). A line with a loop in it
    # is several pieces of code to us, and one count to gcov.
    join theirs ours | awk '$2 != $3 { print }' >differ
    known=$(join theirs ours | wc -l)
    is "lines compared" "$known" 20 60
    if [ -s differ ]; then
        wrong "other counts than gcov's:"
        cat differ
    else
        good
    fi
    # Optimised: the compiler says several lines of one address. Not those of a for, whose parts are moved.
    metic run work.elf --quiet --cover fast.cover && metic cover fast.cover --symbols work.elf --lcov fast.info >/dev/null ||
        wrong "cover of optimised code"
    sed -n 's/^DA:\([0-9]*\),/\1 /p' fast.info | sort | join theirs - >both
    is "lines compared, optimised" "$(wc -l <both)" 20 60
    sed -n '/for (/=' "$work" | sort | join -v 1 both - | awk '$2 != $3' >differ
    if [ -s differ ]; then wrong "optimised, other counts than gcov's: $(cat differ)"; else good; fi
else
    echo "not tried: gcov"
fi
# Blocks by another reader: those of the ELF count from where that begins, and a kernel's lie at the end of
# all addresses.
printf 'metic-cover 2\nb 1000 24 6 1\nb 80000000 20 5 1\nb fffffffffffff000 8 2 5\n' >ends.cover
if command -v python3 >/dev/null 2>&1; then
    python3 "$SRCDIR/tests/trace/drcov.py" our.drcov >blocks || wrong "our.drcov"
    sed -n 's/^b \([0-9a-f]*\) \([0-9]*\) .*/0x\1 \2/p' jit.cover | sort >theirs
    cut -d ' ' -f 2- blocks | sort | cmp -s - theirs && good || wrong "other blocks than in jit.cover"
    if grep -q '^plain.elf 0x800' blocks && ! grep -q '^plain.elf 0x[0-7]' blocks; then good; else wrong "modules"; fi
    metic cover ends.cover --drcov ends.drcov >/dev/null || wrong "ends.drcov"
    python3 "$SRCDIR/tests/trace/drcov.py" ends.drcov >blocks || wrong "ends.drcov"
    grep -q '^guest 0xfffffffffffff000 8$' blocks && good || wrong "the last page of all: $(cat blocks)"
else
    echo "not tried: drcov"
fi
if grep -q 'class="m"' our.html && grep -q 'class="y"' our.html; then good; else wrong "html"; fi
# A function that never ran is told, with its calls; names are known without the ELF.
cat >never.c <<'END'
int never(int n);
int never(int n) { return n + 1; }
__attribute__((naked)) void _start(void) { __asm__("li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n1: j 1b"); }
END
$cross -g -nostdlib -static -ffreestanding -Wl,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    -o never.elf never.c || exit 1
metic run never.elf --quiet --cover never.cover || wrong "never.elf"
metic cover never.cover --symbols never.elf --lcov never.info || wrong "never.info"
is "calls of never" "$(sed -n 's/^FNDA:\([0-9]*\),never$/\1/p' never.info)" 0 0
is "functions" "$(sed -n 's/^FNF://p' never.info)" 2 2
is "functions that ran" "$(sed -n 's/^FNH://p' never.info)" 1 1
is "names without the ELF" "$(metic cover never.cover | grep -c ' _start$')" 1 1
# Returns to more places than an indirect jump has of its own, and a path that a fault ends each
# time: every count is known.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o sites.elf \
    "$SRCDIR/tests/trace/sites.S" || exit 1
for how in --no-tier2 --no-tier0 '' --eager-tier2 '--engine interp' '--clock virtual'; do
    # shellcheck disable=SC2086
    metic run sites.elf --firmware none --quiet $how --cover sites.cover 2>/dev/null || wrong "sites $how"
    is "places that leaf returns to, '$how'" "$(grep -c '^e 80000080 [0-9a-f]* 1000$' sites.cover)" 12 12
    is "halves of what faults, '$how'" "$(grep -cE '^b 800000c(0 2 1|6 4 2) 1000$' sites.cover)" 2 2
done
# A hot jump that is known for more targets than it has places: each target counts.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o jumps.elf \
    "$SRCDIR/tests/trace/jumps.S" || exit 1
for how in --no-tier2 '' --eager-tier2 '--engine interp' '--clock virtual'; do
    # shellcheck disable=SC2086
    metic run jumps.elf --firmware none --quiet $how --cover jumps.cover || wrong "jumps $how"
    is "targets of the jump, '$how'" "$(awk '$1 == "e" && $2 < "80000020" && $3 >= "80000100" { n[$3] += $4 }
        END { for (a in n) good += n[a] == 20000; print good + 0 }' jumps.cover)" 32 32
done
# A loop through several pages: what is left out at a guard that is not proved yet counts, too.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o pages.elf \
    "$SRCDIR/tests/trace/pages.S" || exit 1
for how in --no-tier2 '' --eager-tier2 '--engine interp' '--clock virtual'; do
    # shellcheck disable=SC2086
    metic run pages.elf --firmware none --quiet $how --cover pages.cover || wrong "pages $how"
    is "ways between pages, '$how'" "$(awk '$1 == "e" && $3 ~ /^8000[12]000$/ { n += $4 } END { print n }' pages.cover)" 600000 600000
    is "instructions, '$how'" "$(awk '$1 == "b" && $2 >= "80001000" && $2 < "80002008" { n += $4 * $5 } END { print n }' pages.cover)" 2249999 2249999
done
# An interrupt behind an instruction that lets it in, and, before that, a device access that is done again.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o looks.elf \
    "$SRCDIR/tests/trace/looks.S" || exit 1
for how in --no-tier2 --no-tier0 '' --eager-tier2 '--engine interp' '--clock virtual'; do
    # shellcheck disable=SC2086
    metic run looks.elf --firmware none --quiet $how --cover looks.cover 2>/dev/null || wrong "looks $how"
    is "what is interrupted, '$how'" "$(grep -cE '^(b 80000080 6 2|e 80000080 80000086) 1000$' looks.cover)" 2 2
    is "ways to the access, '$how'" "$(awk '$1 == "e" && $3 == "80000040" { n += $4 } END { print n }' looks.cover)" 1000 1000
done
# A counter that is summed up on the way has what it counted before, too.
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o long.elf \
    "$SRCDIR/tests/trace/long.S" || exit 1
for tier in --no-tier2 --eager-tier2; do
    metic run long.elf --firmware none --quiet $tier --cover long.cover 2>/dev/null || wrong "long $tier"
    is "rounds of a long loop, $tier" "$(awk '$1 == "e" && $2 == $3 { print $4 }' long.cover)" 1399999999 1399999999
done
# Blocks, traces, tier 0 and the interpreter count the same: lines, and how often a block is come to.
$cross -O2 -g -nostdlib -static -ffreestanding -mcmodel=medany -march=rv64gc -mabi=lp64d \
    -Wl,-n,-Ttext=0x80000000,--build-id=none -o walk.elf "$SRCDIR/tests/trace/walk.c" || exit 1
$cross -g -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o firsts.elf \
    "$SRCDIR/tests/trace/firsts.S" || exit 1
# counts_as_first PROGRAM HOW: A block is come to as often as it runs, however blocks are cut: of
# addresses that edges lead to, the instructions that run there. One is where the program waits.
counts_as_first() {
    # shellcheck disable=SC2086
    metic run "$1.elf" --quiet $2 --cover w.cover || wrong "cover $1 $2"
    metic cover w.cover --symbols "$1.elf" --lcov w.info
    awk '$1 == "b" { n[$2] += $5 } $1 == "e" { to[$3] += $4 }
        END { for (a in to) if (n[a] != to[a]) print a, n[a] + 0, to[a] }' w.cover >uneven
    if [ ! -e "$1.info" ]; then cp w.info "$1.info"; fi
    if cmp -s "$1.info" w.info; then good; else wrong "$1: other lines with '$2'"; fi
    if [ "$(wc -l <uneven)" -le 1 ]; then good; else wrong "$1 '$2': edges and blocks do not agree"; cat uneven; fi
}
for how in '--engine interp' --no-tier2 '' --eager-tier2; do
    counts_as_first walk "$how"
done
for how in '--engine interp' --no-tier0 '' --eager-tier0 --eager-tier2; do
    counts_as_first firsts "$how"
done
is "lines of firsts.S that are met one to four times" "$(grep -cE '^DA:[12][0-9],[1-4]$' firsts.info)" 14 14
is "faults in firsts.S" "$(grep -cE '^DA:[0-9]+,64$' firsts.info)" 4 4
# Twice the same makes twice the counts.
metic cover jit.cover interp.cover --symbols plain.elf --lcov twice.info
once=$(sed -n 's/^FNDA:\([0-9]*\),heavy/\1/p' our.info)
is "merged" "$(sed -n 's/^FNDA:\([0-9]*\),heavy/\1/p' twice.info)" $((2 * once)) $((2 * once))
head -c 100 jit.cover >cut.cover
echo 'b nonsense' >>cut.cover
metic cover cut.cover 2>err
is "status of a damaged file" $? 2 125
grep -q 'damaged in line' err || wrong "no word of damage"

# A trace's pieces of code are longer than any block: the last of a long round's lines counts as the first.
{
    cat <<'END'
static volatile unsigned sum;
__attribute__((used)) static void start(void) {
    for (int i = 0; i < 3000; i++) {
END
    seq -f '        sum = sum * 3 + %g;' 1 25
    cat <<'END'
    }
    *(volatile unsigned *)0x100000 = 0x5555;
    for (;;) { }
}
__asm__(".globl _start\n_start: lla sp, stack_top\nj start\n.bss\n.space 4096\nstack_top:\n.text\n");
END
} >long.c
$cross -g -O0 -nostdlib -static -ffreestanding -mcmodel=medany -Wl,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    -o long.elf long.c || exit 1
for tier in --no-tier2 --eager-tier2; do
    metic run long.elf --quiet --firmware none $tier --cover long.cover || wrong "cover long"
    metic cover long.cover --symbols long.elf --lcov long.info || wrong "long.info"
    is "lines of a long round that ran each time, $tier" "$(grep -c '^DA:[0-9]*,3000$' long.info)" 25 25
done

# --- a kernel --------------------------------------------------------------------------------------

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -n "$cache" ]; then
    mkdir -p bin
    deep bin/fixed -fno-pie -no-pie -static
    deep bin/moved -fPIE -pie -Wl,--no-dynamic-linker
    deep bin/bald -Dstatic= -fasynchronous-unwind-tables -fPIE -pie -Wl,--no-dynamic-linker -Wl,--export-dynamic
    riscv64-linux-gnu-strip bin/bald # what it exports has names
    deep bin/calls -DCALLS -fPIE -pie -Wl,--no-dynamic-linker
    cp bin/moved bin/gone
    riscv64-linux-gnu-strip bin/gone # nothing has a name: its pages are told
    # A handler's stack goes on behind the vDSO's return from it.
    cat >signals.c <<'END'
#include <signal.h>
static volatile unsigned sink;
__attribute__((noipa)) static void inside(void) { for (unsigned i = 0; i < 3000000; i++) { sink += i; } }
static void handler(int number) { inside(); sink += (unsigned)number; }
__attribute__((noipa)) static void raiser(void) { raise(SIGUSR1); sink++; }
int main(void) { signal(SIGUSR1, handler); for (int i = 0; i < 4; i++) { raiser(); } return 0; }
END
    $cross -g -O2 -static -o bin/signals signals.c || exit 1
    printf 'bin\nbin/signals\nbin/fixed\nbin/moved\nbin/bald\nbin/calls\nbin/gone\n' | cpio -o -H newc --quiet | gzip >more.cpio.gz
    cat "$cache/initramfs.cpio.gz" more.cpio.gz >initrd.gz
    metic profile "$cache/vmlinuz" --initrd initrd.gz --append console=ttyS0 \
        --serial none --quiet --cpus 2 --profile k.folded --profile-every 50k --expect 'metic:~# ' \
        --symbols bin/fixed --symbols bin/moved --symbols bin/bald --symbols bin/calls --symbols bin/gone \
        --symbols bin/signals --send 'gzip -c /bin/busybox >/dev/null; fixed; moved; bald; calls; gone; signals; poweroff -f\n' || wrong "profile of a kernel"
    # Programs at addresses of their own, two of them moved by the kernel.
    stacks fixed 'fixed;user' k.folded
    stacks moved 'moved;user' k.folded
    stacks bald 'bald;user' k.folded
    if grep -q '^gone;user;gone+0x0;gone+0x0[ ;]' k.folded; then good; else wrong "pages of a file without names"; fi
    # The program's half of a kernel's samples, without frame pointers.
    is "thousandths of the kernel's samples with the program's calls" "$(awk '
        /^calls;user;.*;kernel;/ { all += $NF; n += /^calls;user;_start;work;outer;middle;inner;kernel;/ ? $NF : 0 }
        END { print all < 20 ? 0 : int(1000 * n / all) }' k.folded)" 950 1000
    is "thousandths of a handler's samples with what was interrupted" "$(awk '
        /^signals;user;.*;inside [0-9]*$/ { all += $NF; n += /;main;raiser;.*;handler;inside / ? $NF : 0 }
        END { print all < 100 ? 0 : int(1000 * n / all) }' k.folded)" 990 1000
    for stack in '^gzip;user;' 'kernel_init;' '^gzip;user;.*;kernel;.*handle_exception;.*do_'; do
        if grep -q "$stack" k.folded; then good; else wrong "no stack with $stack"; fi
    done
fi
# A program's stack goes on into the kernel that it called.
if [ -n "$cache" ]; then
    calls=$(grep -c 'do_trap_ecall_u' k.folded)
    is "percent of calls from programs with the program's place" \
        $((100 * $(grep -c '^[^;]*;user;.*;kernel;.*do_trap_ecall_u' k.folded) / (calls + 1))) 85 100
fi
# Coverage of a kernel with many traps, to its end.
if [ -n "$cache" ]; then
    metic run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 --serial none \
        --quiet --cover k.cover --expect 'metic:~# ' \
        --send 'gzip -c /bin/busybox | md5sum; ls -lR /bin /sys >/dev/null; poweroff -f\n'
    is "status of a kernel's coverage" $? 0 0
    is "blocks and edges of a kernel's coverage" "$(wc -l <k.cover)" 50000 1000000
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
