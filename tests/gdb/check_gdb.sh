#!/bin/sh
# A real debugger, gdb-multiarch, on bare metal, firmware, Debian's kernel and a program in it; with
# one hart and four; with both engines and in lock-step (the kernel interpreted only under
# check-long). LLDB, too, where it is installed.

# What is between quotes is mostly GDB's, dollars too.
# shellcheck disable=SC2016
. "$SRCDIR/tests/gdb/gdb.sh"

# --- bare metal, before any MMU; each engine -------------------------------------------------------

bare docs/hello
bare gdb/spin

for engine in jit interp both; do
    begin "hello-$engine" hello.elf --engine $engine --gdb-wait
    debug hello.elf <<'END'
info registers pc
break putc
continue
info registers a2
continue
info registers a2
print $priv
print $mhartid
print $mstatus
info mem
stepi
print $pc
stepi
print/x *(unsigned int *)$pc
set var $s4 = 0x1234
print/x $s4
x/s &text
set var {char}&text = 72
x/s &text
maintenance packet Qqemu.PhyMemMode:1
x/4xb 0x80000000
monitor info harts
monitor nonsense
delete
tbreak stop
continue
END
    says '^pc +0x1000\b'
    says 'Breakpoint 1, putc' 2
    says '^a2 +0x68\b'
    says '^a2 +0x65\b'
    says '^\$1 = 3$'
    says '0x0+1000 +0x0+10000 +ro'
    says '0x0+24000000 +0xf{16} +rw'
    says '= \(void \(\*\)\(\)\) 0x80000038 <putc\+4>'
    says '= 0x1234$'
    says '"hello\\n"'
    says '"Hello\\n"'
    says "there is no command 'nonsense'"
    says 'exited normally'
    ends 0
    # What was written while the letters went out: the first two had gone.
    if grep -q '^hello' "hello-$engine.out"; then good; else wrong "$name: wrong output"; fi
done

# A loop is fast, as traces, with breakpoints beside its path: in both of its pages, and where it
# comes seldom. traces: how many there were.
traces() { sed -n 's/^tier 2 *\([0-9]*\) traces.*/\1/p' "$name.err"; }
bare gdb/beside
begin beside beside.elf --firmware none --stats --gdb-wait
debug beside.elf <<'END'
break never
break beside
continue
END
says 'exited normally'
ends 0
if [ "$(traces)" -gt 0 ] 2>/dev/null; then good; else wrong "no traces: $(cat "$name.err")"; fi
begin beside-rare beside.elf --firmware none --stats --gdb-wait
debug beside.elf <<'END'
break never
break rare if $s3 >= 200
continue
print $s0 == 200 * 65536
print (long)$s2 == (long)$s0 * ((long)$s0 - 1) / 2
delete
break add
continue
print $s0 == 200 * 65536
continue
print $s0 == 200 * 65536 + 1
delete
break rare
continue
continue
print $s0 == 202 * 65536
print (long)$s2 == (long)$s0 * ((long)$s0 - 1) / 2
delete
continue
END
says '= 1$' 6
says 'exited normally'
ends 0
if [ "$(traces)" -gt 0 ] 2>/dev/null; then good; else wrong "no traces: $(cat "$name.err")"; fi

# A step of an ecall goes to its handler, where a GDB that takes every program for one of Linux would pass it by;
# and breakpoints have no limit.
bare trace/matrix -march=rv64gc 2>/dev/null
begin traps matrix.elf --gdb-wait
{
    first=0x80000000
    for n in $(seq 1000); do echo "hbreak *$((first + 0x100000 + 4 * n))"; done
    cat <<'END'
break *supervisor + 0x1e
continue
x/i $pc
stepi
info symbol $pc
delete
tbreak user
continue
END
} | debug matrix.elf
says '^=> 0x[0-9a-f]+ <supervisor\+30>:[[:space:]]ecall'
says '^machine_trap in section \.text'
says '^Hardware assisted breakpoint 1000 at'
ends 0

# Vector registers and their CSRs; a hart without vectors has none.
bare gdb/vector -march=rv64gcv
for vlen in 128 256; do
    begin "vector-$vlen" vector.elf --cpu "rv64,v=on,vlen=$vlen" --firmware none --gdb-wait
    debug vector.elf <<'END'
break numbered
continue
print $v8.w
print $vl
print/x $vtype
print $vlenb
print sizeof($v8)
set var $v8.w[2] = 70
break added
continue
print $v8.w
print $v8.b[8]
stepi
print $a0
kill
END
    says '^\$1 = \{0, 1, 2, 3[,}]'
    says '^\$2 = 4$'
    says '^\$3 = 0xd0$'
    says "^\\\$4 = $((vlen / 8))\$"
    says "^\\\$5 = $((vlen / 8))\$"
    says '^\$6 = \{5, 6, 75, 8[,}]'
    says '^\$7 = 75'
    says '^\$8 = 5$'
    wait
done
begin vector-none spin.elf --gdb-wait
debug spin.elf <<'END'
print $v8
kill
END
says '= void'
wait

# Non-stop mode is refused in GDB's own words, and the machine can still be attached to.
begin non-stop spin.elf --gdb-wait
{ echo 'set non-stop on'; echo 'target remote socket'; } >commands
timeout 60 gdb-multiarch -nx -batch -x commands spin.elf >non-stop.gdb 2>&1 </dev/null
says 'remote does not support non-stop'
debug spin.elf <<'END'
info registers pc
kill
END
says '^pc +0x80000[0-9a-f]+'
wait

# Watched by GDB: old and new values; the store stands just before the pc.
for engine in jit interp both; do
    begin "spin-$engine" spin.elf --engine $engine --cpus 4 --gdb-wait
    debug spin.elf <<'END'
break loop if $s0 == 3
continue
info threads
delete
watch *(int *)&shared
continue
continue
continue
delete
awatch *(char *)((long)&shared + 1)
continue
delete
thread 3
break loop thread 3
continue
print $mhartid
stepi
print $pc
delete
shell (sleep 1; kill -INT $PPID) >/dev/null 2>&1 &
continue
info threads
kill
END
    says 'hit Breakpoint 1, loop' 1
    says '^[* ] +[1234] +Thread 1\.[1234] "hart [0123]"' 8
    says 'hit Hardware watchpoint 2: ' 3
    says '^Old value = ' 3
    says 'hit Hardware access \(read/write\) watchpoint 3'
    says '^\$1 = 2$'
    says '<retry>'
    says 'received signal SIGINT'
    # The values GDB saw grew by one each: each store was seen, and when it had just happened.
    if awk '/^Old value/ { old = $4 } /^New value/ && !/\\/ { if (n++ < 3 && $4 - old < 1) bad = 1 }
         END { exit bad || n < 3 }' "$name.gdb"; then
        good
    else
        wrong "$name: values"
        show
    fi
    ends 0
done

# The debugger dies: its breakpoints die with it, the machine goes on; another one attaches.
begin orphan spin.elf --cpus 2
{ echo 'target remote socket'; echo 'break loop'; echo 'continue'
  echo 'shell kill -9 $PPID'; } >commands
timeout 60 gdb-multiarch -nx -batch -x commands spin.elf >orphan.gdb 2>&1 </dev/null
says 'Breakpoint 1, loop'
debug spin.elf <<'END'
print $s0 > 1000
stepi
detach
END
says '^\$1 = 1$'
if command -v python3 >/dev/null; then
    talk=$(timeout 60 python3 "$SRCDIR/tests/gdb/talk.py" socket 2>&1)
    same packets "$talk" ""
fi
debug spin.elf <<'END'
monitor
kill
END
says '^a command is missing; help lists them'
ends 0

# --- Debian's kernel -------------------------------------------------------------------------------

count_guest

# From the first instruction of the firmware to the kernel's, and on to where it has its own map.
begin entry "$cache/vmlinuz" --initrd initrd.gz --append console=ttyS0 --serial none --cpus 2 \
    --gdb-wait
debug <<'END'
hbreak *0x80200000
continue
print $priv
print $satp
info threads
x/2i $pc
info mem
kill
END
says 'Breakpoint 1, 0x0000000080200000'
says '^\$1 = 1$'
says '^\$2 = 0$'
says 'hart 1, M-mode'
ends 0

# A panic is shown before the end.
begin panic "$cache/vmlinuz" --initrd initrd.gz --append 'console=ttyS0 rdinit=/nothing' \
    --serial none --gdb-wait
debug <<'END'
continue
x/i $pc
continue
END
says 'received signal SIGABRT'
says '^=> 0xffffffff'
ends 90

# symbol NAME: its address, as the first guest said; the others' is the same.
symbol() { tr -d '\r' <linux-jit.console | grep -w "$1\$" | grep -o '^[0-9a-f]\{16\}' | tail -n 1; }

engines=jit
[ -z "${LONG:-}" ] || engines="jit interp" # which boots for most of a minute
names='do_sys_openat2 __schedule _start start_kernel linux_banner'
ask="grep -w $(printf -- '-e %s ' $names) /proc/kallsyms;" # shellcheck disable=SC2086
for engine in $engines; do
    linux "linux-$engine" --engine $engine
    debug count <<END
info threads
break *0x$(symbol do_sys_openat2)
continue
print \$priv
print (long)\$satp != 0
x/s \$a1
continue
delete
break add
continue
backtrace
print counter
next
next
finish
delete
watch counter
continue
awatch half
delete 3
continue
delete
hbreak *0x$(symbol __schedule)
continue
continue
info threads
thread 3
python
try:
    gdb.execute('stepi')
except gdb.error: # a program whose page is not there yet
    pass
end
delete
break *0x$(symbol __schedule) if \$sp == 1
break *0x$(symbol do_sys_openat2) if *(long *)\$a1 == 0x65762f636f72702f
continue
x/s \$a1
continue
info breakpoints
delete
tbreak add if a % 64 == 0
continue
print a & 63
detach
END
    says 'Thread 1.4 "hart 3"'
    # Conditions: only that one opens "/proc/ve...", and nobody's stack is at 1.
    says 'hit Breakpoint 7, 0xffffffff' 2
    says '"/proc/version"'
    says 'hit Breakpoint 6' 0
    says '^[[:space:]]stop only if .* \(target evals\)' 2
    says 'breakpoint already hit 2 times' 1
    says 'hit Temporary breakpoint 8, add'
    says '= 0$'
    says 'hit Breakpoint 1, 0xffffffff' 2
    says '"/'
    says 'hit Breakpoint 2, add \('
    says '^#1 .* in main \(\) at .*count.c:'
    says 'Value returned is'
    says 'hit Hardware watchpoint 3: counter'
    says 'hit Hardware access \(read/write\) watchpoint 4: half'
    says 'hit Breakpoint 5, 0xffffffff'
    says 'detached'
    # counter grows by two
    old=$(sed -n 's/^Old value = \([0-9]*\)$/\1/p' "$name.gdb" | head -n 1)
    new=$(sed -n 's/^New value = \([0-9]*\)$/\1/p' "$name.gdb" | head -n 1)
    if [ "$((new - old))" -eq 2 ]; then good; else wrong "$name: counter $old, $new"; show; fi
    ask=
    # The machine went on and can be attached to again.
    debug <<END
monitor info harts
info mem
hbreak *0x$(symbol __schedule)
continue
monitor info map
kill
END
    says '^[01] +y[[:space:]]+0x0+ +0xf{16} +rw' # addresses are virtual
    says '^0xffffffff80[0-9a-f]{6} to 0x[0-9a-f]+ at 0x[0-9a-f]+ r-x-'
    says '^hart 3: pc 0x'
    ends 0
done

# --- metic debug -----------------------------------------------------------------------------------

name=debug-hello
with hello.elf --serial file:debug-hello.out <<'END'
break putc
continue
backtrace
delete
continue
END
says 'Breakpoint 1, putc'
says '^#1 .* in next'
says 'exited normally'
if [ $status -eq 0 ] && grep -q '^hello' debug-hello.out; then good; else wrong "$name: $status"; fi

# Position-independent firmware, as OpenSBI's: where it lies, not where it is linked to. As firmware
# it is told of without being named twice; traces and coverage know it as well.
$cross -g -nostdlib -static -Wl,-pie,--no-dynamic-linker,--build-id=none -o pie.elf \
    "$SRCDIR/tests/docs/hello.S" || exit 1
for given in 'pie.elf' 'hello.elf --firmware pie.elf'; do
    name=debug-pie
    # shellcheck disable=SC2086
    with $given --serial none <<'END'
break *&putc
info line *$pc
continue
info symbol $pc
stepi
continue
kill
END
    says 'Breakpoint 1, putc|^Breakpoint 1, 0x0*80000[0-9a-f]* in putc|hit Breakpoint 1, putc'
    says 'putc in section \.text'
done
name=traced-pie
"$METIC" run hello.elf --firmware pie.elf --serial none --quiet --trace pie.trace
"$METIC" run hello.elf --firmware pie.elf --serial none --quiet --cover pie.cover
for answer in "$("$METIC" trace query pie.trace counts function)" "$("$METIC" cover pie.cover)"; do
    case $answer in *putc*_start*|*_start*putc*) good ;; *) wrong "$name: $answer" ;; esac
done
"$METIC" run pie.elf --serial none --quiet --show decode@putc | grep -q 'andi' && good || wrong "$name: show"
"$METIC" cover pie.cover --symbols pie.elf --lcov - | grep -q '^DA:28,6$' && good || wrong "$name: lines"

# A kernel that is not where its symbols say, as with KASLR; the symbols are made for the purpose.
if [ -n "$(symbol linux_banner)" ]; then
    moved=0x200000
    printf 'SECTIONS { . = 0xffffffff80000000 - %s; .text : {\n' $moved >moved.ld
    for each in _start do_sys_openat2 linux_banner; do
        printf '. = 0x%s - 0xffffffff80000000; %s = .;\n' "$(symbol $each)" $each
    done >>moved.ld
    printf '. = . + 0x100; *(.text) } }\n' >>moved.ld
    echo 'nop' | $cross -nostdlib -static -Wl,--build-id=none,-T,moved.ld -x assembler - \
        -o moved.elf || wrong "no symbols"
    name=debug-moved
    with "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 \
        --serial none --symbols moved.elf <<END
hbreak *0x$(symbol do_sys_openat2)
continue
info symbol \$pc
delete
break do_sys_openat2
continue
info symbol \$pc
kill
END
    says 'the kernel lies 0x200000 behind its symbols'
    says "do_sys_openat2.* in section .text" 2
    says 'hit Breakpoint 2, |Breakpoint 2, '

    # Without any file: the kernel's own symbols, and those of modules when they come. A breakpoint
    # in a module's probe function is set before the module is there.
    name=debug-modules
    load='cd /lib/modules; for m in virtio_mmio failover net_failover virtio_net; do insmod $m.ko; done\n'
    with "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 --net user \
        --serial file:debug-modules.out --expect '# ' --send "$load" <<END
break start_kernel
break virtnet_probe
set trace-commands on
continue
backtrace
set trace-commands off
info symbol \$pc
delete 1
continue
backtrace
tbreak do_irq
continue
backtrace
up
info registers sp
monitor info kernel
print (unsigned long)jiffies_64 >> 16
info symbol &jiffies_64
kill
END
    says '= 65534$' # Linux begins five minutes before 32 bits overflow
    says 'jiffies_64 in section .data'
    says 'Breakpoint 2 \(virtnet_probe\) pending'
    says 'Breakpoint 1 \(start_kernel\) pending'
    says 'hit Breakpoint 1, 0x[0-9a-f]+ in start_kernel|^Breakpoint 1, 0x[0-9a-f]+ in start_kernel'
    says '^\(gdb\) start_kernel( \+ [0-9]+)? in section .text'
    says 'Breakpoint 2, 0x[0-9a-f]+ in virtnet_probe'
    # Who called whom, without debugging information: to where the kernel began, over a system
    # call into the program, and from an interrupt to what it interrupted.
    says '^#1 .* in _start_kernel \(\)$'
    says '^#1 .* in virtio_dev_probe'
    says '^#[0-9]+ .* in (__riscv_|__se_)?sys_f?init_module \(\)$|in do_init_module \(\)$'
    says '^#[0-9]+ +0x0*[0-9a-f]{1,10} in \?\? \(\)$'
    says '^#1 .* in handle_exception \(\)$'
    says '^#2 .* in [a-z?]'
    says '^(\(gdb\) )?sp +0xff'
    says 'PC not saved|Error|^#[0-9]+ +0x0000000000000000' 0
    says '^(\(gdb\) )?kernel 0xffffffff'
    says '^module virtio_net 0x[0-9a-f]+ [0-9]+ .*\.text=0x'

    # A module's own file, with lines if it has them: loaded where the module's sections are.
    name=debug-module-file
    with "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 \
        --symbols "$cache/modules" --serial file:debug-modules.out --expect '# ' \
        --send 'insmod /lib/modules/failover.ko\n' <<END
hbreak *0x$(symbol start_kernel)
break failover_register
continue
delete 1
hbreak do_init_module
continue
info symbol failover_register
kill
END
    says 'metic: module failover at 0xffffffff[0-9a-f]+: .*/failover.ko'
    says 'failover_register in section .text of .*/failover.ko'
fi

# --- LLDB ------------------------------------------------------------------------------------------

lldb=$(command -v lldb || command -v lldb-19 || command -v lldb-16 || command -v lldb-14 || true)
if [ -n "$lldb" ]; then
    # LLDB 14 cannot print all regions.
    all='memory region --all'
    case $("$lldb" --version) in *"version 14."*) all='memory region 0x1000' ;; esac
    begin lldb spin.elf --cpus 2 --gdb-wait
    timeout -k 5 60 "$lldb" --no-lldbinit --batch \
        -o "process connect --plugin gdb-remote unix-connect://$TMP/socket" \
        -o 'thread list' -o 'breakpoint set -n loop' -o continue -o 'register read pc' \
        -o 'thread step-inst' -o 'breakpoint delete 1' -o 'memory region 0x80000000' \
        -o "$all" -o 'thread backtrace' \
        -o 'watchpoint set expression -w write -s 4 -- 0x80001000' -o continue \
        -o 'memory read 0x80000000' -o 'process kill' spin.elf >lldb.gdb 2>&1 </dev/null
    shown=no
    says 'thread #2'
    says '^\[0x0+80000000-0x0+a0000000\) rwx ram'
    says '^\[0x0+1000-0x0+10000\) r-x mrom'
    [ "$all" = 'memory region 0x1000' ] || says '^\[0x0+800000000-0xf{16}\) ---'
    says 'pc = 0x0000000080000008  *spin.elf`loop' # LLDB 19 names it twice
    says 'stop reason = watchpoint 1'
    says '^new value: 1$'
    ends 0

    # Registers of every kind are read and written, and memory.
    zeros=' 0x00 0x00 0x00'
    begin lldb-vector vector.elf --cpu rv64,v=on --firmware none --gdb-wait
    timeout -k 5 60 "$lldb" --no-lldbinit --batch \
        -o "process connect --plugin gdb-remote unix-connect://$TMP/socket" \
        -o 'breakpoint set -n numbered' -o continue -o 'register read v8' \
        -o "register write v8 '{0x01$zeros 0x02$zeros 0x03$zeros 0x04$zeros}'" \
        -o 'register write mscratch 0x1234' -o 'register read mscratch' \
        -o 'register write fa0 2.5' -o 'register read fa0' \
        -o 'memory write -s 4 0x80002000 0x11223344' \
        -o 'memory read -s 4 -f x -c 1 0x80002000' -o 'breakpoint set -n added' -o continue \
        -o 'register read v8' -o 'thread step-inst' -o 'register read a0' -o 'process detach' \
        vector.elf >lldb-vector.gdb 2>&1 </dev/null
    shown=no
    says 'v8 = \{0x00 0x00 0x00 0x00 0x01 0x00 0x00 0x00 0x02 .*0x03 0x00 0x00 0x00\}'
    says 'v8 = \{0x06 0x00 0x00 0x00 0x07 0x00 0x00 0x00 0x08 .*0x09 0x00 0x00 0x00\}'
    says 'mscratch = 0x0000000000001234'
    says 'fa0 = 2\.5'
    says '^0x80002000: 0x11223344'
    says 'a0 = 0x0000000000000006'
    says 'detached'
    ends 0

    # A program under Linux: its stack and variables are found, floating-point ones as well.
    linux lldb-program
    timeout -k 5 60 "$lldb" --no-lldbinit --batch \
        -o "process connect --plugin gdb-remote unix-connect://$TMP/socket" \
        -o 'target modules load --file count --slide 0' -o 'breakpoint set -n add' -o continue \
        -o 'thread backtrace' -o 'frame variable b' -o 'register read fa5' \
        -o 'register write fa5 2.5' -o 'register read fa5' -o 'breakpoint delete 1' -o finish \
        -o 'watchpoint set expression -w write -s 4 -- &counter' -o continue \
        -o 'register read satp' \
        -o 'process detach' count >lldb-program.gdb 2>&1 </dev/null
    shown=no
    says 'stop reason = breakpoint 1\.1'
    says 'frame #1: 0x[0-9a-f]+ count`main'
    says '^\(int\) b = 2'
    says 'fa5 = 2\.5' 1
    says 'stop reason = step out'
    says '^Watchpoint 1 hit:'
    says 'satp = 0x[89a]'
    debug <<'END'
kill
END
    ends 0
else
    # configure --install-deps leaves it out: with LLVM's development files, which Debian's package
    # brings, it is 75 MB to fetch and 470 MB on the disk.
    echo "not tried: LLDB is not installed (package lldb, 470 MB, which you may install yourself)"
    finish 1
fi
finish
