#!/bin/sh
# A real debugger, gdb-multiarch, going backwards: in a program on the virtual clock, with several
# harts, and in a replay. What states are found is compared in tests/hw/test_machine_history.c.
. "$SRCDIR/tests/gdb/gdb.sh"

# back NAME FILE ARGUMENT...: metic with these arguments, GDB with the commands on standard input.
back() {
    file=$2
    began=$1
    shift 2
    begin "$began" "$@" --gdb-wait
    # shellcheck disable=SC2086 # there may be none
    debug $file
    wait
}

bare docs/hello
bare gdb/spin

# Three letters forward, back to the beginning, and to the end: each letter leaves once.
back hello hello.elf hello.elf --clock virtual <<'END'
break putc
continue
continue
continue
reverse-continue
info registers a2
reverse-stepi
reverse-stepi
x/i $pc
reverse-continue
reverse-continue
info registers pc
delete
stepi
reverse-stepi
monitor info history
continue
END
says 'Breakpoint 1, putc' 5
says '^a2 +0x65' 1
says 'beqz' 2
says 'No more reverse-execution history' 1
says '^pc +0x1000' 1
says '^instructions 0 to [0-9]+, now 0 \(in the past\)' 1
says 'exited normally' 1
same output "$(cat hello.out)" hello
ends 0

# Who wrote it, of four harts; then another past.
back spin spin.elf spin.elf --clock virtual --cpus 4 <<'END'
break loop if $s0 == 3
continue
delete
watch *(int *)&shared
continue
continue
reverse-continue
reverse-continue
set var *(int *)&shared = 1000
continue
kill
END
says '^Old value = 4$' 2
says '^New value = 4$' 2
says 'a new future begins here' 1
says '^Old value = 1000$' 1

# A replay ends where it can be turned round.
"$METIC" run --demo --record run.journal --quiet --expect 'demo> ' --send 'primes 100\n' \
    --expect 'demo> ' --send 'poweroff\n' >recorded.out || exit 1
back replay '' --demo --replay run.journal <<'END'
continue
reverse-stepi
reverse-continue
continue
continue
END
says 'No more reverse-execution history' 3
says 'exited normally' 1
same output "$(cat replay.out)" "$(cat recorded.out)"

# The real clock has no past, and GDB is told.
back real spin.elf spin.elf <<'END'
stepi
reverse-stepi
kill
END
says 'reverse execution needs --clock virtual or --replay FILE' 1

# --- metic debug goes backwards, too: a program on the virtual clock, Debian's kernel in a replay ----

name=debug-virtual
with hello.elf --clock virtual --serial file:debug-virtual.out <<'END'
break putc
continue
continue
print $a2
reverse-continue
print $a2
delete
continue
END
says '^\(gdb\) \$1 = 101$' 1
says '^\(gdb\) \$2 = 104$' 1
says 'exited normally' 1
same output "$(cat debug-virtual.out)" hello

needs_kernel
name=debug-replay
set -- "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0
"$METIC" run "$@" --record boot.journal --quiet --expect 'metic:~# ' \
    --send 'echo $((6 * 7)); poweroff -f\n' >recorded.out 2>&1 </dev/null
same 'status of the recording' $? 0
# The kernel's own symbols are there, in the past and at the end. The second call is met twice, and a change of
# the clock is gone back over.
with "$@" --replay boot.journal --serial file:debug-replay.out <<'END'
break do_sys_openat2
continue
delete
watch *(long *)&jiffies_64
continue
continue
print/x $pc
reverse-continue
print/x $pc
x/2i $pc
delete
reverse-continue
info registers pc
break start_kernel
continue
delete
continue
backtrace 1
reverse-stepi
monitor info history
continue
continue
END
says "the kernel's own symbols: [0-9]+ symbols" 1
says 'Breakpoint 1, 0x[0-9a-f]+ in do_sys_openat2' 1
says '^Old value = [0-9]+$' 3
says '<tick_do_update_jiffies64.*:[[:space:]]s[dw][[:space:]]|<do_timer.*:[[:space:]]s[dw][[:space:]]'
says 'No more reverse-execution history' 3
says '^(\(gdb\) )?pc +0x1000\b' 1
says 'Breakpoint 3, 0x[0-9a-f]+ in start_kernel' 1
says '^(\(gdb\) )?instructions 0 to [0-9]+, now [0-9]+ \(in the past\)' 1
says 'exited normally' 1
same 'status of the replay' $status 0
tr -d '\r' <debug-replay.out >is
tr -d '\r' <recorded.out >wanted
cmp -s is wanted && good || wrong "$name: $(diff is wanted | head -n 5)"
# Forward it went from 1 to 2 to 3, and back to 2.
set -- $(sed -n 's/^\(Old\|New\) value = \([0-9]*\)$/\2/p' debug-replay.gdb)
same 'values of jiffies' "$*" "${1:-} $((${1:-0} + 1)) $((${1:-0} + 1)) $((${1:-0} + 2)) $((${1:-0} + 2)) $((${1:-0} + 1))"
finish
