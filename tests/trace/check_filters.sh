#!/bin/sh
# Every kind of event and every filter of metic run --trace, on a boot of Debian's kernel; and questions whose
# answers are known beforehand: who cleared this page, which call returned -ENOENT or -ENOMEM.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
[ -n "$cache" ] || { echo "no Debian kernel here"; exit 77; }
boot="$cache/vmlinuz --initrd $cache/initramfs.cpio.gz --append console=ttyS0 --serial none --quiet"

good() { passed=$((passed + 1)); }
wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
}
# says FILE PATTERN [N]: lines that match, N when given.
says() {
    count=$(grep -cE -- "$2" "$1")
    if [ "$count" = "${3:-$count}" ] && [ "$count" -gt 0 ]; then
        good
    else
        wrong "$1: $count times, not ${3:-any}: $2"
        head -n 8 "$1" | sed 's/^/    /'
    fi
}
# only FILE PATTERN: every line matches, and there are some.
only() {
    if [ -s "$1" ] && ! grep -qvE -- "$2" "$1"; then
        good
    else
        wrong "$1: not only: $2"
        grep -vE -- "$2" "$1" | head -n 5 | sed 's/^/    /'
    fi
}
# run STATUS ARGUMENT...: metic; output to out and err.
run() {
    wanted=$1
    shift
    timeout -k 5 100 "$METIC" "$@" >out 2>err </dev/null
    status=$?
    if [ $status -eq "$wanted" ]; then
        good
    else
        wrong "metic $*: status $status, not $wanted"
        sed 's/^/    /' err
    fi
}
# insns FILE: the instructions of the trace, one a line, to `lines`; events to `events`.
split() {
    "$METIC" trace show "$1" >all 2>/dev/null
    grep -vE ' ns [a-z-]+: ' all >lines
    grep -E ' ns [a-z-]+: ' all >events
}
# window OPTION...: the same two million instructions, always.
window() {
    # shellcheck disable=SC2086
    run 124 run $boot --clock virtual --limit-insns 102M --trace w.trace --trace-filter insns=100M-102M "$@"
}

# --- kinds of events ---------------------------------------------------------------------------------

window --trace-events memory,registers,csrs,traps,tlb,devices,translation
split w.trace
for kind in csr tlb-fill translate; do says events " ns $kind: "; done
says events ' csr: (time|sstatus|scause|stval|sepc|satp|sie|sip|senvcfg|sscratch|stimecmp) gives [0-9a-f]+'
says events ' csr: [a-z]+ was [0-9a-f]+, set to [0-9a-f]+$'
# Each CSR instruction has its event: those of the registers of the kernel's entry code, counted both ways.
csrs=$(grep -cE ' (csrr[wsc]i?|csr[rwsc]i?) ' lines)
told=$(grep -c ' csr: ' events)
if [ "$csrs" -eq "$told" ]; then good; else wrong "$csrs CSR instructions, $told events"; fi
run 0 trace show w.trace --branches
only out ' (call|return|jump|taken|not taken), to [0-9a-f]{16} '
# Calls and conditional branches are told as often as they stand in the instructions.
calls=$(grep -cE ' (c\.jalr|jalr? +ra,)' lines)
told=$(grep -c ': call, to ' out)
if [ $((calls - told)) -le 2 ] && [ "$told" -gt 1000 ]; then good; else wrong "$calls calls, $told told"; fi
branches=$(grep -cE ' (c\.b(eq|ne)z|b(eq|ne|lt|ge)u?) ' lines)
told=$(grep -cE ': (not )?taken, to ' out)
if [ $((branches - told)) -le 2 ]; then good; else wrong "$branches branches, $told told"; fi

# Counts of a part are of that part, to the instruction. Of many rows it is said that there are more.
for window in '--from 100500001 --to 100500124' '--from 101999990' '--to 100000007' \
    '--from 100500001 --to 101500002 --priv S'; do
    # shellcheck disable=SC2086
    wanted=$("$METIC" trace show w.trace $window | grep -cvE ' ns [a-z-]+: ')
    for by in insn page function priv hart satp; do
        # shellcheck disable=SC2086
        sum=$("$METIC" trace query w.trace counts $by $window --limit 100000 | awk '{ n += $1 } END { print n }')
        if [ "$sum" -eq "$wanted" ]; then good; else wrong "counts $by $window: $sum, not $wanted"; fi
    done
done
run 0 trace query w.trace counts page
says out '%' 30
says err '^metic: and [0-9]+ more, with [0-9]+ instructions; --limit [0-9]+ shows all$' 1
more=$(sed 's/.*--limit \([0-9]*\) .*/\1/' err)
run 0 trace query w.trace counts page --limit "$more"
if [ "$(wc -l <out)" -eq "$more" ] && [ ! -s err ]; then good; else wrong "not $more rows, or still more"; fi

# --- filters -----------------------------------------------------------------------------------------

window --trace-events blocks --trace-filter symbol=memset
split w.trace
only lines ' (__)?memset(\+0x[0-9a-f]+)? '
whole=$(wc -l <lines)
first=$(awk 'NR == 1 { print $4 }' lines)
# behind N: the address N bytes behind the first.
behind() { printf '%s%08x' "${first%????????}" $((0x${first#????????} + $1)); }
window --trace-events blocks --trace-filter "range=0x$first-0x$(behind 6)"
split w.trace
only lines " ($first|$(behind 2)|$(behind 4)) "
if [ "$(wc -l <lines)" -lt "$whole" ]; then good; else wrong "a range is as much as its symbol"; fi
# Of a narrow range the branch out of it is told as well: a direct one with where it goes, another as
# one that nobody knows the end of.
window --trace-events branches --trace-filter symbol=memset
run 0 trace show w.trace --branches
says out ' (__)?memset(\+0x[0-9a-f]+)?: return, to what was not recorded$'
returns=$(grep -c ': return, to ' out)
run 0 trace show w.trace --instructions
rets=$(grep -cE ' (c\.jr ra|jalr zero,0\(ra\))' out)
if [ $((rets - returns)) -le 1 ] && [ "$returns" -gt 5 ]; then good; else wrong "$rets returns, $returns told"; fi
run 0 trace show w.trace --branches --format json
says out '"to":null,"kind":"return"}$'
# What a trace holds is told in the words that ask for it; others are a wrong command line.
# shellcheck disable=SC2086
for events in all blocks,csrs branches memory,tlb memory,registers,traps,devices,io; do
    run 124 run $boot --clock virtual --limit-insns 1k --trace kind.trace --trace-events $events
    run 0 trace info kind.trace
    says out "^recorded=$events\$" 1
done
run 2 run $boot --trace kind.trace --trace-events blocks,nonsense
# Instruction counts stay right across what is left out.
window --trace-events blocks
"$METIC" trace show w.trace --range "0x$first-0x$(behind 6)" | awk '{ print $2, $4 }' >theirs
awk '{ print $2, $4 }' lines >ours
if cmp -s ours theirs; then good; else wrong "a range at the recording is not the same range shown"; fi
"$METIC" trace info w.trace >out
says out '^recorded=blocks$' 1
blocks=$(awk -F'[ ,]+' '/^hart 0/ { print $5 }' <<END
$("$METIC" trace info w.trace)
END
)
window --trace-events blocks --trace-filter every=100
some=$(awk -F'[ ,]+' '/^hart 0/ { print $5 }' <<END
$("$METIC" trace info w.trace)
END
)
if [ $((some * 20)) -lt "$blocks" ] && [ "$some" -gt 1000 ]; then good; else wrong "every: $some of $blocks"; fi
window --trace-events blocks --trace-filter function=mutex_unlock
split w.trace
says lines ' mutex_unlock '
if grep -qE ' (_find_next_bit|pcpu_alloc[^ ]*) ' lines; then wrong "more than the function"; else good; fi
run 124 run $boot --clock virtual --limit-insns 130M --trace w.trace --trace-events blocks --trace-last 64K
split w.trace
only lines '^0 +(1[0-9]{8}) '

# A function of the kernel is what its task does in it, not what runs while that sleeps, and it is
# found again on another hart.
# shellcheck disable=SC2086
run 0 run $boot --cpus 2 --trace o.trace --trace-filter function=do_sys_openat2 --trace-events blocks \
    --expect 'metic:~# ' --send '(while :; do :; done) & ls -R /etc /bin >/dev/null; sleep 0.3; kill %1; poweroff -f\n'
split o.trace
says lines ' do_sys_openat2 '
if grep -qE '^[01] +[0-9]+ U 0' lines; then wrong "another task's: $(grep -m1 ' U 0' lines)"; else good; fi
# A program: by privilege, by Linux's task, by its page table, from an event to an event.
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace u.trace --trace-filter task=cat --trace-events blocks,traps,csrs \
    --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n'
split u.trace
says lines ' U 0000'
says lines ' S ffffffff'
# What counts say of privileges is what is shown, but for pieces that traps left, which count whole.
run 0 trace query u.trace counts priv
for mode in U S; do
    shown=$(awk -v mode=$mode '$3 == mode' lines | wc -l)
    is=$(sed -n "s/^ *\([0-9]*\) .* $mode-mode$/\1/p" out)
    if [ "${is:-0}" -ge "$shown" ] && [ $((is - shown)) -le $((shown / 50)) ]; then good; else
        wrong "$mode-mode: $is instructions, $shown shown"
    fi
done
satp=$("$METIC" trace show u.trace --format json | sed -n 's/.*"priv":"U","satp":"\(0x[0-9a-f]*\)".*/\1/p' | head -n 1)
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace s.trace --trace-filter "satp=$satp" --trace-filter priv=U \
    --trace-events blocks --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n'
split s.trace
only lines '^0 +[0-9]+ U 0000'
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace e.trace --trace-filter start=@task:cat \
    --trace-filter stop=@io:console --trace-events blocks,traps --expect 'metic:~# ' \
    --send 'cat /proc/version; poweroff -f\n'
split e.trace
says lines ' U 0000'
run 125 trace show e.trace --hart 5
says err '^metic: --hart: the last hart of e.trace is 0$'
run 125 trace query e.trace calls do_sys_openat3
says err '^       Did you mean do_sys_openat2\?$'
run 2 trace query e.trace calls
says err '^       As in metic trace query FILE writes 0x80001000; '
run 2 trace show e.trace --form json
says err '^       Did you mean --format\?$'
run 2 trace show e.trace --format
says err '^metic: --format needs a value$'
if [ "$(wc -l <lines)" -lt 3000000 ]; then good; else wrong "it did not stop"; fi
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 80M --cpus 2 --trace h.trace --trace-events blocks \
    --trace-filter hart=1
split h.trace
only lines '^1 '
# shellcheck disable=SC2086
run 2 run $boot --trace y --trace-filter start=@nothing
says err "no event 'nothing'"
# shellcheck disable=SC2086
run 2 run $boot --trace y --trace-filter start=@csr:nosuch
says err 'no value that fits'

# What is spelled wrong is answered with what would be right, and with nothing else.
# refused PATTERN HINT ARGUMENT...
refused() {
    pattern=$1 hint=$2
    shift 2
    # shellcheck disable=SC2086
    run 2 run $boot --limit-insns 1M --trace y "$@"
    says err "^metic: $pattern\$" 1
    says err "^       $hint\$" 1
    if [ "$(wc -l <err)" -eq 2 ]; then good; else wrong "more than the refusal"; fi
}
refused "there is no symbol 'mutex_unlok'" 'Did you mean mutex_unlock\?' --trace-filter function=mutex_unlok
refused "there is no symbol 'panik'" 'Did you mean panic\?' --trace-calls panik
refused "there is no symbol 'nothing_like_it'" 'Give an address, or with --symbols .*' \
    --trace-filter symbol=nothing_like_it
refused '--trace-filter: insns=9-1 is no window' 'As in --trace-filter insns=100M-120M\.' --trace-filter insns=9-1
refused '--trace-filter: not both task=sh and task=ls' 'Leave one of them out\.' \
    --trace-filter task=sh --trace-filter priv=U --trace-filter task=ls
refused '--trace-filter: hart=9 is no such number' 'The last hart is 1; .*' \
    --trace-filter insns=900M-901M --trace-filter hart=9 --cpus 2
refused '--trace-filter: every=0 is no such number' 'As in --trace-filter every=100\.' --trace-filter every=0
for filter in task= priv= rang=1-2; do
    refused "--trace-filter: '$filter' is none of the filters" 'As in range=A-B, .*' --trace-filter $filter
done
refused '--trace-last: the rings of 3 harts and the devices would be more than 4G' 'Give 1024M or less, .*' \
    --trace-last 2G --cpus 3
# shellcheck disable=SC2086
run 124 run $boot --limit-insns 1M --trace y --trace-last 2G

# Tasks are told apart where the kernel goes from one to another: kernel threads have names, and what others do while
# a program sleeps is none of its. A filter leaves what the whole recording of the same window has between the events.
# tasks ARGUMENT...: a recording of the window of the command, to t.trace.
tasks() {
    # shellcheck disable=SC2086
    run 0 run $boot --clock virtual --trace t.trace --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n' "$@"
    split t.trace
}
tasks --trace-events tasks
only events ' ns (context|task): '
for task in swapper/0 kthreadd ksoftirqd/0 init sh cat; do says events " ns task: $task \([0-9a-f]+\)\$"; done
from=$(awk '$7 == "cat" { print $2; exit }' events)
switched=$(awk -v from="$from" '$2 > from && / ns task: / { print $2; exit }' events)
where="--trace-filter insns=$((from - 100000))-$((switched + 400000)) --trace-events blocks,tasks"
# shellcheck disable=SC2086
tasks $where
mv all whole
mv t.trace window.trace
for task in $(sed -n 's/.* ns task: \([^ ]*\) .*/\1/p' whole | sort -u); do
    # shellcheck disable=SC2086
    tasks $where --trace-filter "task=$task"
    awk '{ print $1, $2, $4 }' lines >ours
    # the return into a new program is the old one's last instruction
    awk -v task="$task" '/ ns task: / { last = now; now = $7; new = $3 == "U"; next } / ns [a-z-]+: / { next }
        (new && $4 ~ /^f/ ? last : now) == task { print } { new = 0 }' whole >of_task
    awk '{ print $1, $2, $4 }' of_task >theirs
    if [ -s ours ] && cmp -s ours theirs; then good; else wrong "task=$task is not what the whole has of it"; fi
    # The same asked of the whole.
    "$METIC" trace show window.trace --task "$task" 2>err | grep -vE ' ns [a-z-]+: ' >ours
    if [ -s ours ] && cmp -s ours of_task; then good; else wrong "--task $task is not what the whole has of it"; fi
    "$METIC" trace show window.trace --task "$task" --priv U 2>err | grep -vE ' ns [a-z-]+: ' >ours
    awk '$3 == "U"' of_task | cmp -s ours - && good || wrong "--task $task --priv U is not what the whole has of it"
done

# Of harts that are left out no tasks are told either, nor before a recording begins, and then which there is.
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 400M --cpus 2 --trace t.trace --trace-events tasks --trace-filter hart=1
split t.trace
only events '^1 '
says events ' ns task: kthreadd '
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace t.trace --trace-events blocks,tasks --trace-filter start=@task:cat \
    --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n'
split t.trace
if [ "$(awk '/ns task: / { print $7; exit }' events)" = cat ]; then good; else wrong "told of tasks before the start"; fi
# What counts say of a task is what is recorded of it alone, by name and by address space.
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace t.trace --trace-events blocks,tasks \
    --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n'
run 0 trace query t.trace counts task --limit 1000
of_cat=$(sed -n 's/^ *\([0-9]*\) .*% cat$/\1/p' out)
says out '% swapper/0$'
run 0 trace query t.trace counts satp --limit 1000
says out "% $(printf %s "$satp" | sed 's/0x//') cat\$"
run 0 trace query u.trace counts task
says out '100\.0% cat$'
run 0 trace query u.trace counts insn --limit 1000
alone=$(awk '{ n += $1 } END { print n }' out)
if [ $((of_cat - alone)) -lt $((alone / 20)) ] && [ $((alone - of_cat)) -lt $((alone / 20)) ]; then
    good
else
    wrong "$of_cat instructions of cat, $alone recorded alone"
fi
# Counts of what a task, an address space or a privilege ran add up to what these say of who ran.
# total OPTION...: instructions of t.trace.
total() { "$METIC" trace query t.trace counts insn --limit 1000 "$@" | awk '{ n += $1 } END { print n + 0 }'; }
[ "$(total --task cat)" = "$of_cat" ] && good || wrong "--task cat: $(total --task cat) instructions, not $of_cat"
of_space=$("$METIC" trace query t.trace counts satp | sed -n "s/^ *\([0-9]*\) .*% ${satp#0x} cat\$/\1/p")
[ "$(total --satp "$satp")" = "$of_space" ] && good || wrong "--satp: $(total --satp "$satp"), not $of_space"
parts=$(($(total --priv M) + $(total --priv S) + $(total --priv U)))
[ "$(total)" = $parts ] && good || wrong "$parts instructions by privilege, $(total) in all"
both=$("$METIC" trace query t.trace counts priv --task cat | sed -n 's/^ *\([0-9]*\) .* U-mode$/\1/p')
[ "$(total --task cat --priv U)" = "$both" ] && good || wrong "--task and --priv: not $both"
# Two runs in which a program does the same, though what ran before it was not: that is found by its name.
mv t.trace one.trace
# shellcheck disable=SC2086
run 0 run $boot --clock virtual --trace two.trace --trace-events blocks,tasks \
    --expect 'metic:~# ' --send 'ls /bin >/dev/null; cat /proc/version; poweroff -f\n'
run 125 trace diff one.trace two.trace
run 0 trace diff one.trace two.trace --task cat --priv U
says out '^task cat: the same, [0-9]{3,} instructions$' 1
run 125 trace diff one.trace two.trace --task sh --priv U
says out '^task sh: first difference after [0-9]{3,} instructions that are the same$' 1
says out '^  (one|two)\.trace: instruction [0-9]+, pc 0000' 2
says out '^    0 +[0-9]+ U 0000' 2
run 125 trace diff one.trace two.trace --task ls
says err '^metic: one.trace has no instruction of those$' 1
says err '^       metic trace query one.trace counts task lists what ran$' 1
run 0 trace diff one.trace one.trace --from 1M --to 2M
says out '^hart 0: the same, 1000000 instructions$' 1
run 0 trace diff one.trace one.trace --task cat
says out "^task cat: the same, [0-9]+ instructions\$" 1
run 2 trace show one.trace --satp 81234
says err '^metic: --satp: .81234. is no address space$'
run 2 trace show one.trace --priv H
run 2 trace show one.trace --task ''
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --trace n.trace --trace-events blocks --limit-insns 1M
run 125 trace query n.trace counts task
says err 'record with tasks among --trace-events$'
run 125 trace show n.trace --task cat
says err 'record with tasks among --trace-events$'
run 125 trace query n.trace counts process
says err 'function, insn, page; or of who ran: task, satp, priv, hart$'

# Filters that let nothing through: which, and what would have been near, in every format.
# nothing PATTERN ARGUMENT...
nothing() {
    pattern=$1
    shift
    # shellcheck disable=SC2086
    run 0 run $boot --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n' "$@"
    says err "$pattern"
}
nothing '^metic: nothing was recorded: --trace-filter task=catt: no such task ran$' \
    --trace n.trace --trace-filter task=catt
says err 'Tasks that ran: swapper(/0)?,.* init,.* Did you mean task=cat\?$'
# Without 0x, as satp is printed; and the same page table with another ASID.
nothing '^metic: nothing was recorded: --trace-filter satp=afffe[0-9a-f]*: satp never had that value$' \
    --trace n.txt --trace-format text --clock virtual \
    --trace-filter "satp=$(printf %s "$satp" | sed 's/0x\(.\)..../\1fffe/')"
says err "Did you mean satp=0xa....$(printf %s "$satp" | cut -c 8-)\?\$"
nothing '^metic: nothing was recorded: --trace-filter function=panic: it was not called$' \
    --trace n.json --trace-format json --trace-filter function=panic --cpus 4
nothing '^metic: nothing was recorded: --trace-filter start=@trap:7: that never came$' \
    --trace n.json --trace-format chrome --trace-filter start=@trap:7 --clock virtual --cpus 4
nothing '^metic: nothing was recorded: --trace-calls panic: none of them was called$' \
    --trace n.trace --trace-calls panic
nothing '^metic: nothing was recorded: --trace-filter insns=90000M-90001M: the run ended before$' \
    --trace n.trace --trace-filter insns=90000M-90001M
nothing '^metic: nothing was recorded: no instruction that ran passes --trace-filter symbol=panic$' \
    --trace n.txt --trace-format qemu --trace-filter symbol=panic --no-tier2
nothing '^metic: nothing was recorded: --trace-filter task=nope: no such task ran$' \
    --cover n.cover --trace-filter task=nope
nothing '^metic: nothing was recorded: --trace-filter task=nope: no such task ran$' \
    --trace n.trace --trace-filter task=nope --trace-last 1M
# shellcheck disable=SC2086
run 0 run $boot --expect 'metic:~# ' --send 'cat /proc/version; poweroff -f\n' --trace n.trace \
    --trace-filter task=cat --trace-last 1M --trace-events traps
if grep -q 'nothing was' err; then wrong "something was"; else good; fi
# shellcheck disable=SC2086
run 2 run $boot --trace y --trace-filter satp=81234
says err 'As in --trace-filter satp=0x'

# --- planted questions -------------------------------------------------------------------------------

# Who cleared this page: of a page that clear_page was called for, the writes are clear_page's, all 64 blocks.
# shellcheck disable=SC2086
run 124 run $boot --clock virtual --limit-insns 150M --trace z.trace --trace-events memory,registers \
    --trace-filter insns=148M-149M
run 0 trace query z.trace calls clear_page --limit 1
page=$(sed -n 's/.*clear_page(\([0-9a-f]*\),.*/\1/p' out | head -n 1)
if [ -n "$page" ]; then
    run 0 trace query z.trace writes "0x$page+4096" --limit 64
    says out 'clear_page' 64
else
    wrong "no page was cleared"
fi
# Which call returned -ENOMEM: that for a buffer of more than there is.
# shellcheck disable=SC2086
run 0 run $boot --trace m.trace --trace-calls ksys_mmap_pgoff --expect 'metic:~# ' \
    --send 'dd if=/dev/zero of=/dev/null bs=3000M count=1; poweroff -f\n'
run 0 trace query m.trace calls ksys_mmap_pgoff
says out '= fffffffffffffff4 \(-12\)$'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
