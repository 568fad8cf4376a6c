#!/bin/sh
# metic debug as a person has it, with GDB at a terminal: Ctrl-C is GDB's, and stops the guest, not
# metic, however often. (GDB says that the guest continues before it is ready for Ctrl-C.)
. "$SRCDIR/tests/gdb/gdb.sh"

bare gdb/spin

# Lets the guest go on and stops it.
interrupt='type continue\n
expect Continuing
wait 2
type \x03
expect received signal SIGINT
expect \(gdb\)'

name=interrupt
timeout -k 5 100 python3 "$SRCDIR/tests/gdb/terminal.py" "$METIC" debug spin.elf --serial none \
    --cpus 2 --quiet >"$name.gdb" 2>&1 <<END
expect \(gdb\)
type set confirm off\n
expect \(gdb\)
$interrupt
type info threads\n
expect hart 1
expect \(gdb\)
$interrupt
type quit\n
end
END
status=$?
shown=no
says 'received signal SIGINT' 2
says '^. *2 +Thread 1.2 "hart 1"' 1
says 'stopped from outside' 1 # which is the end of GDB
if [ $status -eq 0 ]; then good; else wrong "$name: ended with $status"; show; fi
finish
